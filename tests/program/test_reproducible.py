"""The same input gives the same image: other directories, other times, other numbers of threads, other stores."""
import json
import os
import random
import subprocess

import pytest

import conftest

TEXT = """FROM base
ARG SOURCE_DATE_EPOCH
RUN date > /dev/null; mkdir /made && echo 1 > /made/a && ln /made/a /made/b && ln -s a /made/c && rm -r /home
COPY tree /tree
WORKDIR /w
LABEL z=1 a=2
CMD ["x"]
"""


def fill(top, when):
    for i in range(300):
        conftest.write(top / "tree" / f"d{i % 7}" / f"f{i}", f"{i}\n" * i)
    conftest.write(top / "tree" / "big", os.urandom(16) * 0 + bytes(range(256)) * 20000)
    (top / "Dockerfile").write_text(TEXT)
    for path in [*top.rglob("*"), top]:
        os.utime(path, (when, when))


@pytest.mark.root
@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_same_digest_everywhere(base_tar, tmp_path, compression):
    seen = set()
    for number, (where, threads, when) in enumerate([("a", 1, 1_700_000_000), ("b/deeper/still", 2, 1_750_000_000), ("c", 7, 1_700_000_001)]):
        cruet = conftest.Cruet(tmp_path / f"store{number}")
        cruet.env.update(SOURCE_DATE_EPOCH="1500000000", TZ=f"Etc/GMT+{number}", LC_ALL="C.UTF-8")
        context = tmp_path / where
        context.mkdir(parents=True)
        fill(context, when)
        cruet.run("import", "-t", "base", base_tar)
        cruet.run("build", "-t", "app", "--compression", compression, "-j", threads, context)
        seen.add(cruet.digest("app"))
        config = cruet.config("app")
        assert config["created"] == "2017-07-14T02:40:00Z" == config["history"][-1]["created"]
        cruet.run("save", "-o", tmp_path / f"{number}.tar", "app")
    assert len(seen) == 1
    archives = {subprocess.run(["sha256sum", tmp_path / f"{n}.tar"], capture_output=True, check=True, text=True).stdout.split()[0] for n in range(3)}
    assert len(archives) == 1


def test_epoch_as_build_argument(cruet):
    cruet.build("FROM scratch\nCOPY f /\n", files={"f": "x"}, args=["--build-arg", "SOURCE_DATE_EPOCH=1500000000"])
    assert cruet.config("test")["created"] == "2017-07-14T02:40:00Z"


def test_reused_blocks_make_the_same_bytes(tmp_path):
    """A layer made of blocks of the one before is the layer that a fresh store makes, whatever the cache holds."""
    text = "FROM scratch\nCOPY . /\n"
    rng = random.Random(7)
    files = {f"d{i % 7}/f{i}": rng.randbytes(1000) + b"line %d\n" % i * (i % 2000) for i in range(600)}
    context = tmp_path / "context"
    old, fresh = conftest.Cruet(tmp_path / "old"), conftest.Cruet(tmp_path / "fresh")
    old.build(text, context=context, files=files)
    blocks = tmp_path / "old" / "cache" / "blocks"
    assert blocks.stat().st_size > 2 * 80
    (context / "d3/f3").write_bytes(b"grown" * 1000)
    fresh.build(text, context=context)
    wanted = layers(fresh)
    old.build(text, context=context)
    assert layers(old) == wanted
    whole = blocks.read_bytes()
    for damage in (whole[:-33], rng.randbytes(len(whole)), whole[:36] + rng.randbytes(4) + whole[40:], b""):
        blocks.write_bytes(damage)
        old.build(text, context=context, args=["--no-cache"])
        assert layers(old) == wanted
        assert blocks.stat().st_size % 80 == 0
    old.sound()


def layers(cruet):
    manifest = json.loads(cruet.run("inspect", "--raw", "test").stdout)
    return [layer["digest"] for layer in manifest["layers"]]
