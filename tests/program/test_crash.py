"""Builds that are killed, machines that are full: the store stays sound and the next build gives the same image."""
import os
import random
import signal
import subprocess
import time

import pytest

import conftest

root = pytest.mark.root
TEXT = """FROM base AS tools
RUN mkdir /tools && for i in 1 2 3 4 5 6 7 8; do head -c 200000 /bin/busybox > /tools/$i; done
FROM base
COPY --from=tools /tools /opt/tools
RUN rm -r /home && mkdir -p /srv/new && cp -r /opt/tools /srv/new/
COPY files /files
RUN --mount=type=cache,target=/cache echo again > /cache/x && cat /files/* | wc -c > /size
ENV done=yes
WORKDIR /srv/work
"""


def prepared(cruet, base_tar, tmp_path):
    cruet.env["SOURCE_DATE_EPOCH"] = "1600000000"
    cruet.run("import", "-t", "base", base_tar)
    context = tmp_path / "context"
    for i in range(200):
        conftest.write(context / "files" / f"f{i}", f"{i}\n" * 2000)
    (context / "Dockerfile").write_text(TEXT)
    return context


def build(cruet, context, *args):
    return [conftest.CRUET, "build", "-t", "app", "--progress", "plain", *args, context]


@root
@pytest.mark.slow
def test_killed_at_200_random_moments(cruet, base_tar, tmp_path):
    context = prepared(cruet, base_tar, tmp_path)
    start = time.monotonic()
    subprocess.run(build(cruet, context), env=cruet.env, check=True, capture_output=True)
    whole = time.monotonic() - start
    digest = cruet.digest("app")
    chance = random.Random(2)
    finished = 0
    for number in range(200):
        if number % 10 == 0:  # from nothing, and from whatever the last ones left
            cruet.run("rmi", "app", check=False)
            cruet.run("gc", "--all", check=False)
        options = ["--no-cache"] if number % 3 == 0 else []
        running = subprocess.Popen(build(cruet, context, *options), env=cruet.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            running.wait(chance.uniform(0, whole))
            finished += 1
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
            running.wait()
        if number % 20 == 19:
            cruet.sound()
    assert finished < 190, "hardly any build was killed"
    cruet.sound()
    subprocess.run(build(cruet, context), env=cruet.env, check=True, capture_output=True)
    assert cruet.digest("app") == digest
    subprocess.run(build(cruet, context, "--no-cache"), env=cruet.env, check=True, capture_output=True)
    assert cruet.digest("app") == digest
    cruet.run("gc")
    cruet.sound()
    mounts = open("/proc/mounts", encoding="utf-8").read()
    assert str(cruet.root) not in mounts


@root
def test_full_disk(base_tar, tmp_path):
    """A store on a file system of every size from too small to just enough."""
    mount = tmp_path / "small"
    mount.mkdir()
    context = None
    succeeded = False
    for megabytes in (6, 8, 10, 12, 16, 40):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", mount], check=True)
        try:
            cruet = conftest.Cruet(mount / "store")
            context = context or prepared(cruet, base_tar, tmp_path)
            cruet.env["SOURCE_DATE_EPOCH"] = "1600000000"
            if cruet.run("import", "-t", "base", base_tar, check=False).returncode:
                continue
            done = subprocess.run(build(cruet, context), env=cruet.env, capture_output=True, text=True, check=False)
            succeeded = done.returncode == 0
            if not succeeded:
                assert "No space left on device" in done.stderr or "no space" in done.stderr.lower(), done.stderr
                assert [image["Repository"] for image in cruet.json("images")] == ["base"]
            cruet.sound()
        finally:
            subprocess.run(["umount", "-l", mount], check=True)
    assert succeeded


@root
def test_read_only_store(cruet, base_tar):
    cruet.run("import", "-t", "base", base_tar)
    subprocess.run(["mount", "--bind", cruet.root, cruet.root], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", cruet.root], check=True)
        assert [image["Repository"] for image in cruet.json("images")] == ["base"]
        done = cruet.run("build", "-t", "x", "-", input=b"FROM base\nENV a=b\n", check=False)
        assert done.returncode > 2 or done.returncode == 1
        assert "Read-only file system" in done.err and done.err.count("cruet: ") == 1
    finally:
        subprocess.run(["umount", "-l", cruet.root], check=True)


def test_names_outlast_the_power(based, broken):
    """Where a file system may note a rename before what is in the file, index.json is written through first."""
    before = (based.root / "index.json").read_bytes()
    broken("fstatfs", "error=ENOSYS", "fsync", "error=EIO")
    assert "sync 'index.json'" in based.fails(1, "tag", "base", "other")
    broken()
    assert (based.root / "index.json").read_bytes() == before
    based.run("tag", "base", "other")
    based.sound()


@root
def test_trees_outlast_the_power(based):
    """A tree that was there before the machine started is looked at once; files that came to be empty are unpacked anew."""
    based.build('FROM base\nCOPY data /data\nRUN ["/bin/sh", "-c", "cp /data /copy"]\n', files={"data": "12345"})
    read = ["run", "--rm", "test", "cat", "/data", "/copy"]
    assert based.run(*read).out == "1234512345"
    trees = {p.parent: p for p in based.root.glob("trees/*/[dc][ao]*")}
    assert len(trees) == 2
    spared = {p: p.stat().st_ino for p in based.root.glob("trees/*") if p not in trees}
    for path in trees.values():
        os.truncate(path, 0)
    time.sleep(2.1)
    up = float(open("/proc/uptime", encoding="ascii").read().split()[0])
    started = ["unshare", "--time", "--boottime", str(1 - int(up)), conftest.CRUET]
    for _ in range(2):
        done = subprocess.run([*started, *read], env=based.env, capture_output=True, check=False)
        assert done.stdout == b"1234512345", done.stderr
    assert {p: p.stat().st_ino for p in spared} == spared
    assert list(based.root.glob("tmp/*")) == []
    based.sound()


@pytest.mark.parametrize("keep", [0, 0.5])
def test_building_again_mends_what_the_power_cut_off(cruet, keep):
    files = {f"{n}": os.urandom(5000) for n in "abc"}
    cruet.env["SOURCE_DATE_EPOCH"] = "1600000000"
    text = "FROM scratch AS x\nCOPY a /a\nFROM scratch\nCOPY b /b\nCOPY --from=x /a /x\nCOPY c /c\n"
    cruet.build(text, files=files)
    digest = cruet.digest("test")
    for path in cruet.root.rglob("*"):
        if path.is_file() and path.name != "index.json":
            os.truncate(path, int(path.stat().st_size * keep))
    cruet.build(text, files=files)
    assert cruet.digest("test") == digest
    cruet.sound()
    cruet.run("export", "-o", "/dev/null", "test")
