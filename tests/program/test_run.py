"""cruet run: the sandbox seen from inside, and what scripts rely on."""
import os
import signal
import subprocess
import time

import pytest

import terminal
from conftest import CRUET

pytestmark = pytest.mark.root


def sh(c, script, *args, **kw):
    return c.run("run", *args, "base", "/bin/sh", "-c", script, **kw)


@pytest.mark.parametrize("script,status", [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_exit_status_is_passed_on(based, script, status):
    assert sh(based, script, check=False).returncode == status


def test_not_runnable(based):
    assert "no-such-program" in based.fails(127, "run", "base", "no-such-program")
    based.fails(126, "run", "base", "/etc/passwd")
    based.fails(125, "run", "no-such-image")
    assert "--no-such" in based.fails(2, "run", "--no-such", "base")


def test_streams_and_input(based):
    done = sh(based, "echo out; echo err >&2; cat", "-i", input=b"hello")
    assert done.out == "out\nhello" and done.err == "err\n"
    assert sh(based, "cat; echo end", input=b"unseen").out == "end\n", "without -i there is no input"


def test_environment_and_place(based):
    based.env["FROM_HERE"] = "yes"
    out = sh(based, "echo $A-$FROM_HERE-$HOME-$PWD; id -u; id -g; id -G", "-e", "A=b c", "-e", "FROM_HERE", "-w", "/tmp", "-u", "app").out
    assert out.splitlines() == ["b c-yes-/home/app-/tmp", "1000", "1001", "1001 1002"]
    assert sh(based, "id -u; id -g", "-u", "77:88").out == "77\n88\n"
    assert "nobody-here" in based.fails(125, "run", "-u", "nobody-here", "base", "id")


def test_volumes(based, tmp_path):
    (tmp_path / "f").write_text("text")
    assert sh(based, "cat /v/f; echo new > /v/g", "-v", f"{tmp_path}:/v").out == "text"
    assert (tmp_path / "g").read_text() == "new\n"
    assert sh(based, "echo x > /v/h", "-v", f"{tmp_path}:/v:ro", check=False).returncode != 0
    assert not (tmp_path / "h").exists()
    based.fails(125, "run", "-v", "nonsense", "base", "true")


def test_nothing_is_kept(based):
    sh(based, "echo x > /made")
    assert sh(based, "test -e /made", check=False).returncode == 1
    assert sh(based, "echo x > /made", "--read-only", check=False).returncode != 0
    assert os.listdir(based.root / "tmp") == []


def test_confinement(based):
    status = sh(based, "cat /proc/self/status").out
    assert "CapEff:\t00000000a80425fb" in status and "Seccomp:\t2" in status and "NoNewPrivs:\t0" in status
    assert sh(based, "cat /proc/self/status", "-u", "1000").out.count("CapEff:\t0000000000000000") == 1
    assert sh(based, "mount -t tmpfs x /tmp", check=False).returncode != 0
    assert sh(based, "cat /proc/1/comm; ls /proc | grep -c '^[0-9]'").out.splitlines()[1] in ("3", "4", "5")


def test_network(based):
    assert sh(based, "ls /sys/class/net | tr '\\n' ' '; cat /sys/class/net/lo/flags", "--network", "none").out.startswith("lo ")
    assert "host|none" in based.fails(2, "run", "--network", "bridge", "base", "true")


def test_background_processes_die_with_the_program(based):
    start = time.monotonic()
    sh(based, "sleep 100 & sleep 100 & exit 0")
    assert time.monotonic() - start < 10


class Started:
    """A program that has said "up"."""

    def __init__(self, store, script, *flags):
        self.child = subprocess.Popen([CRUET, "run", *flags, "base", "/bin/sh", "-c", script], env=store.env, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.child.stdout.readline() == "up\n"

    def gets(self, number):
        self.child.send_signal(number)
        return self

    def ended(self):
        text = self.child.communicate(timeout=20)[0]
        return self.child.returncode, text


def trapped(name, after="exit 7"):
    return f"trap 'echo {name}; {after}' {name}; echo up; for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2; done; echo end"


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])
def test_signals_reach_the_program(based, name):
    assert Started(based, trapped(name)).gets(signal.Signals["SIG" + name]).ended() == (7, name + "\n")


@pytest.mark.engines
@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_signals_reach_the_program_of_a_runtime(based, runtime):
    assert Started(based, trapped("TERM"), "--runtime", runtime).gets(signal.SIGTERM).ended() == (7, "TERM\n")


def test_a_program_may_go_on_after_signals(based):
    started = Started(based, trapped("TERM", ":"))
    for _ in range(2):
        time.sleep(0.3)
        started.gets(signal.SIGTERM)
    assert started.ended() == (0, "TERM\nTERM\nend\n")


def test_the_third_request_to_end_is_obeyed(based):
    started = Started(based, "trap '' TERM INT; echo up; sleep 100")
    begin = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        time.sleep(0.2)
        started.gets(number)
    assert started.ended() == (143, "") and time.monotonic() - begin < 10


def test_programs_without_a_handler_end(based):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        assert Started(based, "echo up; exec sleep 1234").gets(number).ended() == (128 + number, "")
    assert subprocess.run(["pgrep", "-f", "sleep 1234"], capture_output=True, check=False).returncode == 1


def test_nobody_inside_has_signals_passed_on(based):
    assert sh(based, "trap 'echo got' TERM; (kill -TERM 1); sleep 0.3; echo end").out == "end\n"


def test_keys_of_the_terminal_reach_the_program_once(based):
    script = "trap 'echo g''ot' INT; echo u''p; sleep 1; sleep 1; echo e''nd; exit 5"
    t = terminal.Terminal([CRUET, "run", "-it", "base", "/bin/sh", "-c", script], based.env)
    t.until(lambda t: t.has("up"))
    os.write(t.fd, b"\x03")
    assert t.finish() == 5
    assert t.count("got") == 1 and t.has("end")
    t.close()


def test_interrupt_before_the_program_starts(cruet, base_tar):
    cruet.run("import", "-t", "base", base_tar)
    for wait in (0, 0.002, 0.005, 0.01, 0.02):
        child = subprocess.Popen([CRUET, "run", "base", "/bin/sleep", "4321"], env=cruet.env, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=10) in (143, -15)
    assert subprocess.run(["pgrep", "-f", "sleep 4321"], capture_output=True, check=False).returncode == 1


def test_mounts_in_dockers_words(based, tmp_path):
    (tmp_path / "f").write_text("content")
    done = sh(based, "cat /m/f; touch /m/x", "--mount", f"type=bind,source={tmp_path},target=/m,readonly", check=False)
    assert done.out == "content" and "Read-only" in done.err
    assert sh(based, "df -k /t | tail -1; stat -c %a /t", "--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700").out.split()[1::5] == ["1024", "700"]
    assert "2048" in sh(based, "df -k /t | tail -1", "--tmpfs", "/t:rw,size=2m").out
    assert "16384" in sh(based, "df -k /dev/shm | tail -1", "--shm-size", "16m").out
    assert sh(based, "ulimit -n", "--ulimit", "nofile=50:60").out == "50\n"
    assert "type is bind or tmpfs" in sh(based, "true", "--mount", "type=volume,source=x,target=/m", check=False).err
    assert "needs source=PATH" in sh(based, "true", "--mount", "type=bind,target=/m", check=False).err
    for mode, works in (("Z", True), ("rw,z", True), ("cached", True), ("z,ro", False), ("ro", False)):
        assert (sh(based, "touch /m/new", "-v", f"{tmp_path}:/m:{mode}", check=False).returncode == 0) == works, mode
    assert "SOURCE:/TARGET" in sh(based, "true", "-v", f"{tmp_path}:/m:nope", check=False).err
    assert "no named volumes" in sh(based, "true", "-v", "name:/m", check=False).err


def test_flags_of_docker(based):
    done = sh(based, "echo hi", "--rm", "--init", "-q", "--name", "x", "--pull=missing", "--net=host", "-l", "a=b", "-P", "-p", "80:80",
              "--publish", "127.0.0.1:53:53/udp", "--stop-signal", "INT")
    assert done.out == "hi\n" and not done.err
    assert "no effect" in sh(based, "true", "-m", "1g").err
    for flag, word in (("-d", "&"), ("--privileged", "unpack"), ("-p8080:80", "its port 80"), ("-p80", "its port 80")):
        done = sh(based, "true", flag, check=False)
        assert done.returncode == 125 and word in done.err.split("hint:")[1]


def test_another_platform_is_told(based):
    assert "is for linux/" in sh(based, "true", "--platform", "linux/s390x").err


@pytest.mark.engines
@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_oci_runtimes(based, runtime):
    assert sh(based, "echo hi; exit 3", "--runtime", runtime, check=False).returncode == 3


def test_too_long_an_argument(based):
    lines = "".join(f": {'x' * 1000}\n" for _ in range(150))
    done = based.build(f"FROM base\nRUN <<E\n{lines}echo end\nE\n", check=False)
    assert done.returncode == 14 and "128 KiB" in done.err
    assert "end\n" in based.build(f"FROM base\nRUN <<E\n#!/bin/sh\n{lines}echo end\nE\n").err
