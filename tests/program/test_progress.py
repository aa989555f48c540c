"""What a person sees: the live view on a terminal, judged on the screen of an emulator (pyte)."""
import http.server
import json
import os
import re
import subprocess
import threading
import time

import pytest

import serving
from conftest import CRUET, Cruet
from terminal import Terminal

COLOR = re.compile(rb"\033\[[0-9;]*m")


@pytest.fixture
def terminal(based, tmp_path):
    opened = []

    def run(*args, **kw):
        opened.append(Terminal([CRUET, *args], based.env, **kw))
        return opened[-1]

    def build(dockerfile, *args, **kw):
        (tmp_path / "Dockerfile").write_text(dockerfile)
        return run("build", "-t", "test", *args, tmp_path, **kw)

    run.build = build
    yield run
    for t in opened:
        t.close()


def test_steps_run_and_stay(terminal):
    t = terminal.build(
        "FROM base AS one\nRUN for i in 1 2 3 4 5 6 7 8; do echo one says $i; sleep 0.1; done; sleep 1\n"
        "FROM base AS two\nRUN printf 'first\\n10%%\\r20%%\\r30%%'; sleep 2; echo\n"
        "FROM scratch\nCOPY --from=one /etc/passwd /one\nCOPY --from=two /etc/passwd /two\n")
    t.until(lambda t: t.has("one says 8") and t.has("│ 30%"))
    shown = t.shown()
    one = next(i for i, line in enumerate(shown) if line.startswith(" => [one 2/2] RUN for i in"))
    assert re.search(r"… [0-9]\.[0-9]s$", shown[one]) and len(shown[one]) == 79
    assert shown[one + 1:one + 7] == [f"    │ one says {i}" for i in (3, 4, 5, 6, 7, 8)]
    assert not any("10%" in line and "│" in line for line in shown)
    assert any(re.fullmatch(r"\[\+\] Building [0-9.]+s \(3/8\)", line) for line in shown)
    assert t.has(" ● CACHED [one 1/2] FROM base")
    assert t.finish() == 0
    lines = t.lines()
    for done in ("[one 2/2]", "[two 2/2]", "[stage-2 3/3]", "exporting to image"):
        assert sum(line.startswith(f" ✓ {done}") for line in lines) == 1, done
    assert any(re.fullmatch(r"\[\+\] Building [0-9.]+s \(8/8\) FINISHED, 3 cached", line) for line in lines)
    assert not any("│" in line or " => " in line for line in lines), "output of running steps is left behind"
    assert not t.screen.cursor.hidden and t.screen.cursor.x == 0
    result = next(line for line in lines if line.startswith("test "))
    assert len(result) < 80 and "in 2 layers" in result


def test_everything_cached(terminal, based):
    based.build("FROM base\nRUN true\n")
    t = terminal.build("FROM base\nRUN true\n")
    assert t.finish() == 0
    assert t.count(" ● CACHED [2/2] RUN true") == 1


def test_more_steps_than_rows(terminal):
    stages = "".join(f"FROM base AS part{i}\nRUN echo {i}; sleep 1.5\n" for i in range(12))
    copies = "".join(f"COPY --from=part{i} /etc/passwd /{i}\n" for i in range(12))
    t = terminal.build(stages + "FROM scratch\n" + copies, columns=60, rows=8)
    t.until(lambda t: t.has(" more"))
    t.until(lambda t: sum(line.startswith(" => ") for line in t.shown()) == 6)
    shown = t.shown()
    assert shown[0].startswith("[+] Building") and re.fullmatch(r" => … \d+ more", shown[6]) and not shown[7]
    assert t.finish() == 0
    assert t.count("[+]") == 1, "a part of the redrawn block was left in the scrollback"
    for i in range(12):
        assert t.count(f" ✓ [part{i} 2/2]") == 1, "\n".join(t.lines())


def frames(raw):
    return [f.decode() for f in raw.split(b"\033[?2026h")[1:]]


def block_lines(frame):
    return [re.sub(r"\033\[[?0-9;]*[A-Za-z]|\r", "", line) for line in frame.split("\n")[:-1]]


def test_narrower_window(terminal):
    """Terminals break what became too long: all its rows must be written over."""
    t = terminal.build("FROM base\nRUN for i in 1 2 3 4 5 6 7 8; do echo this line of output is $i; done; sleep 3\n",
                       columns=100)
    t.until(lambda t: t.has("output is 8"))
    t.read(0.3)
    before = len(frames(t.raw))
    t.size(60, 24)
    t.until(lambda t: len(frames(t.raw)) >= before + 3)
    seen = frames(t.raw)
    at = next(i for i in range(before - 1, len(seen)) if max(map(len, block_lines(seen[i]))) < 60)
    up = int(re.search(r"\033\[(\d+)A", seen[at])[1])
    old = block_lines(seen[at - 1])
    assert up == sum(max(1, -(-len(line) // 60)) for line in old) == len(old) + 1
    assert int(re.search(r"\033\[(\d+)A", seen[at + 1])[1]) == len(block_lines(seen[at]))
    assert t.finish() == 0


@pytest.mark.parametrize("columns, rows", [(40, 10), (20, 4), (5, 2), (1, 1)])
def test_small_windows(terminal, columns, rows):
    t = terminal.build("FROM base AS a\nRUN echo 日本語のテキスト日本語のテキスト; sleep 0.5\n"
                       "FROM base\nRUN echo b; sleep 0.5\nCOPY --from=a /etc/passwd /x\n",
                       columns=columns, rows=rows)
    assert t.finish() == 0
    if columns >= 20:
        assert sum(line.startswith("[+]") for line in t.lines()) == 1
        assert t.count(" ✓ [a 2/2]") == 1


def test_xterm_cuts_lines_off(terminal):
    t = terminal.build("FROM base\nRUN echo hello; sleep 2\n", columns=100, XTERM_VERSION="XTerm(390)")
    t.until(lambda t: t.has("│ hello"))
    t.size(50, 24)
    assert t.finish() == 0
    assert t.count("[+]") == 1 and t.count("CACHED [1/2] FROM base") == 1


def test_output_cannot_harm_the_screen(terminal):
    t = terminal.build(
        "FROM base\n"
        "RUN printf '\\033[2J\\033[H\\033]0;title\\007\\033[31mred\\033[0m \\033(0x\\033[?1049h\\n'; "
        "printf '日本語%s\\n' '|'; printf 'tab\\there\\a\\b\\n\\377\\302\\233\\n'; sleep 1\n")
    t.until(lambda t: t.has("│ 日本語|"))
    assert t.has(" ● CACHED [1/2] FROM base") and t.has("    │ red x") and t.has("    │ tab     here")
    assert t.has("    │ \ufffd")
    assert t.finish() == 0
    assert t.screen.title == "" and t.count("CACHED") >= 1
    for bad in (b"\033[2J", b"\033[H", b"\033]", b"\033(", b"1049", b"\a", b"\xc2\x9b"):
        assert bad not in t.raw, bad


def test_interrupt_restores_the_terminal(terminal):
    t = terminal.build("FROM base\nRUN echo hello; sleep 30\n")
    t.until(lambda t: t.has("│ hello"))
    os.write(t.fd, b"\x03")
    assert t.finish() == 130
    assert t.has(" – CANCELED [2/2] RUN echo hello") and t.has("CANCELED") and t.has("cruet: interrupted")
    assert not any("│" in line for line in t.shown())
    assert not t.screen.cursor.hidden and t.raw.count(b"\033[?25l") == t.raw.count(b"\033[?25h")
    assert t.screen.cursor.attrs.fg == "default" and not t.screen.cursor.attrs.bold


def test_failure_with_excerpt(terminal):
    t = terminal.build("FROM base\n# why\nRUN echo one && \\\n    printf '\\033[2J\\033[31mwrong\\033[0m\\n1%%\\r2%%\\n' && false\n")
    assert t.finish() == 14
    shown = t.shown()
    assert any(line.startswith(" ✗ [2/2] RUN echo one &&") for line in shown)
    assert any(re.fullmatch(r"\[\+\] Building [0-9.]+s \(2/3\) FAILED, 1 cached", line) for line in shown)
    assert any(re.match(r"cruet: .*Dockerfile:3: .*", line) for line in shown)
    assert "   3 | >>> RUN echo one && \\" in shown and "    wrong" in shown and "    2%" in shown
    assert b"\033[2J" not in t.raw and b"\033[31mwrong" in t.raw
    row = shown.index("   3 | >>> RUN echo one && \\")
    assert t.screen.buffer[row][0].bold and not t.screen.buffer[row + 3][0].bold


def test_parse_error_shows_no_steps(terminal):
    t = terminal.build("FROM base\nRNU true\n")
    assert t.finish() == 8
    assert not t.has("[+]") and t.has("did you mean RUN?")


def test_colors(terminal):
    t = terminal.build("FROM base\nRUN echo hello; sleep 0.5\n")
    assert t.finish() == 0 and COLOR.search(t.raw)
    t = terminal.build("FROM base\nRUN echo hello; sleep 0.5; exit 3\n", NO_COLOR="1")
    assert t.finish() == 14
    assert not COLOR.search(t.raw), "NO_COLOR"
    assert b"\033[2K" in t.raw and b" => [2/2]" in t.raw, "without colours it is live all the same"


@pytest.mark.parametrize("name", ["dumb", ""])
def test_dumb_terminals_get_lines(terminal, name):
    t = terminal.build("FROM base\nRUN printf 'a\\rb\\033[2J'\n", TERM=name)
    assert t.finish() == 0 and b"\033" not in t.raw
    assert re.search(rb"#2 \[2/2\] RUN printf.*\r\n#2 0\.\d+ b\r\n#2 DONE", t.raw)


def test_traces_and_the_live_view_do_not_mix(terminal):
    t = terminal.build("FROM base\n", "--debug", "all")
    assert t.finish() == 0
    assert b"\033[2K" not in t.raw and b"#1 [1/1] FROM base" in t.raw


def test_live_view_needs_a_terminal(based, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM base\n")
    assert "needs a terminal" in based.fails(2, "build", "--progress", "tty", tmp_path)


def test_plain_output_ends_before_the_step(based):
    done = based.build("FROM base\nRUN printf 'no line end'\nRUN true\n")
    lines = done.err.splitlines()
    at = next(i for i, line in enumerate(lines) if line.endswith(" no line end"))
    assert re.fullmatch(r"#2 DONE [0-9.]+s", lines[at + 1])


def test_import_tells_what_it_has_read(terminal, base_tar, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    t = terminal("import", "-t", "piped", tmp_path / "pipe", columns=120)
    data = base_tar.read_bytes()
    with open(tmp_path / "pipe", "wb", buffering=0) as pipe:
        pipe.write(data[:1 << 20])
        time.sleep(0.2)
        pipe.write(data[1 << 20:1 << 20 | 4096])
        t.until(lambda t: any(re.search(r" => importing .*pipe .* 1\.0\dMB \d\.\ds$", line) for line in t.shown()))
        pipe.write(data[1 << 20 | 4096:])
    assert t.finish() == 0
    assert any(re.search(r" ✓ importing .*pipe .*MB \d+\.\ds$", line) for line in t.shown())
    assert t.has("[+] Importing") and t.has("sha256:")


def test_save_and_load_name_what_they_move(terminal, based, tmp_path):
    archive = tmp_path / "a.tar"
    t = terminal("save", "-o", archive, "base")
    assert t.finish() == 0 and t.count(" ✓ blob ") == 3
    subprocess.run(["gzip", archive], check=True)
    t = terminal("load", f"{archive}.gz", columns=120)
    assert t.finish() == 0
    assert t.count(" ✓ reading ") == 1 and t.count(" ● CACHED layer sha256:") == 1
    t = terminal("--root", tmp_path / "new", "load", "-q", f"{archive}.gz")
    assert t.finish() == 0 and [line for line in t.shown() if line] == ["Loaded image: docker.io/library/base:latest"]
    based.sound()


@pytest.fixture
def served(based, tmp_path):
    """The image `some` of three layers, and a slow registry that has it."""
    based.build("FROM scratch\nCOPY a /\nCOPY b /\nCOPY c /\n", tag="some", files={n: os.urandom(150000) for n in "abc"})
    server = serving.Server(Cruet(tmp_path / "served"), "--limit-rate", "100000")
    server.name = f"{server.host}/some:1"
    based.run("tag", "some", server.name)
    based.run("push", "-q", server.name)
    yield server
    server.stop()


def test_a_bar_for_each_layer(terminal, based, served, tmp_path):
    bar = re.compile(r" => layer sha256:[0-9a-f]{12} +\[=*>? *\] +[0-9.]+k?B / +15\dkB +\d+\.\ds")
    t = terminal("--root", tmp_path / "pulled", "pull", served.name, columns=100)
    t.until(lambda t: sum(bool(bar.fullmatch(line)) for line in t.shown()) == 3)
    bars = [line for line in t.shown() if bar.fullmatch(line)]
    assert len({line.index("[") for line in bars}) == 1, "the bars stand below each other"
    assert any(re.fullmatch(r"\[\+\] Pulling [0-9.]+s \(0/3\)", line) for line in t.shown())
    assert t.finish() == 0
    left = [line for line in t.lines() if line]
    assert sum(line.startswith(" ✓ layer sha256:") for line in left[:3]) == 3
    assert re.fullmatch(r"\[\+\] Pulling [0-9.]+s \(3/3\) FINISHED", left[3])
    assert left[4:] == [f"{served.name} {based.digest(served.name)}"], "the result is what stays last"


def test_what_is_cancelled_is_not_counted(terminal, served, tmp_path):
    t = terminal("--root", tmp_path / "pulled", "pull", served.name, columns=100)
    t.until(lambda t: any("[=" in line for line in t.shown()))
    os.write(t.fd, b"\x03")
    assert t.finish() == 130
    assert any(re.fullmatch(r"\[\+\] Pulling [0-9.]+s \(0/3\) CANCELED", line) for line in t.shown())
    assert t.count(" – CANCELED layer sha256:") == 3 and t.has("hint: what was transferred is kept")


def test_results_come_behind_the_live_view(terminal, based, served):
    based.run("tag", "some", f"{served.host}/two:1")
    t = terminal("push", f"{served.host}/two:1", served.name, columns=120)
    assert t.finish() == 0
    left = [line for line in t.lines() if line]
    assert re.fullmatch(r"\[\+\] Pushing [0-9.]+s \(10/10\) FINISHED, 8 cached", left[-3])
    assert [line.split()[0] for line in left[-2:]] == [f"{served.host}/two:1", served.name]
    t = terminal("copy", "docker://" + served.name, f"docker://{served.host}/three:2", columns=120)
    assert t.finish() == 0
    left = [line for line in t.lines() if line]
    assert re.fullmatch(r"\[\+\] Copying [0-9.]+s \(4/4\) FINISHED, 4 cached", left[-2])
    assert left[-1] == f"2 {based.digest(served.name)}"
    t = terminal("index", "create", f"docker://{served.host}/all:1", "docker://" + served.name, columns=120)
    assert t.finish() == 0
    assert [line for line in t.lines() if line][-1].startswith(f"{served.host}/all:1 sha256:")


def test_transfers_in_lines_and_json(cruet, served):
    done = cruet.run("--root", cruet.root / "plain", "pull", served.name)
    assert len(re.findall(r"^#\d DONE \d\.\ds, 15\dkB$", done.err, re.M)) == 3
    done = cruet.run("--root", cruet.root / "json", "pull", "--progress", "json", served.name)
    events = [json.loads(line) for line in done.err.splitlines()]
    assert {"event": "plan", "total": 3}.items() <= events[0].items()
    for i in (1, 2, 3):
        own = [e for e in events if e.get("id") == i]
        assert own[0]["name"].startswith("layer sha256:") and [e["state"] for e in (own[0], own[-1])] == ["started", "done"]
        counts = [e["done"] for e in own if e["event"] == "bytes"]
        assert counts == sorted(set(counts)) and counts[-1] == own[1]["total"] and 5 < len(counts) < 50
    assert not re.search(r"\d\.\d{4}", done.err), "times are milliseconds"


def test_json_of_what_is_no_text(cruet, served, tmp_path):
    """A server's words may be any bytes."""
    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(403)
            self.send_header("Warning", '299 - "go \xff away"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as mirror:
        threading.Thread(target=mirror.serve_forever, daemon=True).start()
        conf = tmp_path / "registries.conf"
        conf.write_text(f"[[registry]]\nlocation = '{served.host}'\n[[registry.mirror]]\nlocation = '127.0.0.1:{mirror.server_port}'\n")
        done = cruet.run("pull", "--progress", "json", "--registries-conf", conf, served.name)
        mirror.shutdown()
    warnings = [e for e in map(json.loads, done.err.splitlines()) if e["event"] == "warning"]
    assert '299 - "go \ufffd away"' in warnings[0]["text"]


def test_a_layer_of_a_base_is_told_once(cruet, served, tmp_path):
    """The step that reads it and the push that sends it on both want it."""
    target = serving.Server(Cruet(tmp_path / "target"))
    cruet = Cruet(tmp_path / "new")
    done = cruet.run("build", "--push", "--progress", "json", "-t", f"{target.host}/out:1", "-f", "-", tmp_path,
                     input=f"FROM {served.name}\nWORKDIR /w\n".encode())
    target.stop()
    events = [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]
    names = [e["name"] for e in events if e.get("state") in ("started", "cached")]
    assert len(names) == len(set(names)) and sum(name.startswith("layer ") for name in names) == 3
    totals = [e["total"] for e in events if e["event"] == "plan"]
    assert totals == sorted(totals) and totals[-1] >= len(names)
