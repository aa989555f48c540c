"""Builds that wait for each other: they can be interrupted, and never wait for ever."""
import signal
import subprocess
import time

from conftest import CRUET


def start(cruet, tmp_path, name, text):
    where = tmp_path / name
    where.mkdir()
    (where / "Dockerfile").write_text(text)
    return subprocess.Popen([CRUET, "build", "--progress", "plain", where], env=cruet.env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_waiting_can_be_interrupted(based, tmp_path):
    text = "FROM base\nRUN --mount=type=cache,target=/c echo x >> /c/started && sleep 60\n"
    first = start(based, tmp_path, "first", text)
    try:
        wait_for(lambda: list(based.root.glob("mounts/*/0/started")))
        second = start(based, tmp_path, "second", text)
        for line in second.stderr:
            if "RUN" in line:
                break
        time.sleep(0.1)
        second.send_signal(signal.SIGINT)
        assert second.wait(timeout=10) == 130
    finally:
        first.terminate()
        first.wait(timeout=20)


def test_one_cache_mounted_twice(based):
    based.build("FROM base\nRUN --mount=type=cache,id=x,target=/a,sharing=locked "
                "--mount=type=cache,id=x,target=/b,sharing=locked echo y > /a/f && cat /b/f\n", timeout=60)
    based.build("FROM base\nRUN --mount=type=cache,id=x,target=/a,sharing=private "
                "--mount=type=cache,id=x,target=/b,sharing=locked cat /b/f\n", timeout=60)


def test_caches_taken_crosswise(based, tmp_path):
    def text(a, b):
        return "FROM base\n" + "".join(
            f"RUN --mount=type=cache,id={a},target=/1,sharing=locked --mount=type=cache,id={b},target=/2,sharing=locked "
            f"echo {a}{b}{i}\n" for i in range(20))
    builds = [start(based, tmp_path, a + b, text(a, b)) for a, b in ("xy", "yx")]
    for b in builds:
        assert b.wait(timeout=60) == 0
