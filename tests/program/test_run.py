"""cruet run: the sandbox seen from inside, and what scripts rely on."""
import os
import signal
import subprocess
import time

import pytest

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


def started(based, script):
    """The program once it has said that it is ready."""
    child = subprocess.Popen([CRUET, "run", "base", "/bin/sh", "-c", script], env=based.env, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    return child


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])
def test_signals_reach_the_program(based, name):
    child = started(based, f"trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.05; done")
    child.send_signal(getattr(signal, f"SIG{name}"))
    assert child.communicate(timeout=10)[0] == f"got {name}\n" and child.returncode == 7


def test_a_signal_that_ends_the_program(based):
    child = subprocess.Popen([CRUET, "run", "base", "/bin/sleep", "1234"], env=based.env, stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=10) == 143
    assert subprocess.run(["pgrep", "-f", "sleep 1234"], capture_output=True, check=False).returncode == 1


def test_the_third_signal_ends_a_program_that_ignores_it(based):
    child = started(based, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    for _ in range(2):
        child.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert child.poll() is None
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=10) == 143


@pytest.mark.engines
@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_oci_runtimes(based, runtime):
    assert sh(based, "echo hi; exit 3", "--runtime", runtime, check=False).returncode == 3
