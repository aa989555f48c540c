"""Input made to do harm: one clear error, an own exit status, nothing written outside, the store unharmed."""
import gzip
import hashlib
import io
import json
import random
import tarfile

import pytest


def tar_of(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, extra in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                member.linkname = extra
            if kind == tarfile.REGTYPE:
                member.size = len(extra)
            tar.addfile(member, io.BytesIO(extra if kind == tarfile.REGTYPE else b""))
    return out.getvalue()


FILE, DIR, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
LAYERS = {
    "absolute": [("/outside", FILE, b"x")],
    "dotdot": [("a/../../outside", FILE, b"x")],
    "link then through it": [("l", LINK, "/"), ("l/outside", FILE, b"x")],
    "relative link then through it": [("l", LINK, "../../../.."), ("l/outside", FILE, b"x")],
    "hard link out": [("h", HARD, "../../outside")],
    "hard link to nothing": [("h", HARD, "nothing")],
    "hard link to itself": [("h", HARD, "h")],
    "hard link through a link": [("l", LINK, "/etc"), ("h", HARD, "l/passwd")],
    "whiteout of nothing": [(".wh.x", FILE, b"")],
    "whiteout of dot": [(".wh..", FILE, b"")],
    "whiteout of dotdot": [(".wh...", FILE, b"")],
    "whiteout with a slash": [("d/.wh.a/b", FILE, b"x")],
    "whiteout as directory": [(".wh.d", DIR, None), (".wh.d/f", FILE, b"x")],
    "opaque as link": [("d/.wh..wh..opq", LINK, "/")],
    "file below a file": [("f", FILE, b"x"), ("f/g", FILE, b"y")],
    "directory loop": [("a", LINK, "b"), ("b", LINK, "a"), ("a/f", FILE, b"x")],
    "empty name": [("", FILE, b"x")],
    "endless name": [("n/" * 3000 + "f", FILE, b"x")],
    "long component": [("n" * 300, FILE, b"x")],
    "device": [("dev0", tarfile.CHRTYPE, None)],
}


def archive(layer, config=None, manifest=None):
    """A docker archive around one layer; config and manifest may be spoilt."""
    config = config if config is not None else json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                                   "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = manifest if manifest is not None else json.dumps([{"Config": name, "RepoTags": ["bad:latest"], "Layers": ["l.tar"]}]).encode()
    return tar_of([(name, FILE, config), ("l.tar", FILE, layer), ("manifest.json", FILE, manifest)])


def judged(cruet, done):
    """Either it worked, or there is one error; the store is sound in both cases."""
    errors = [line for line in done.err.splitlines() if line.startswith("cruet: ")]
    assert done.returncode == 0 or 2 < done.returncode < 64, (done.returncode, done.err)
    assert len(errors) == (done.returncode != 0) and "internal error" not in done.err, done.err
    if done.returncode:
        assert cruet.json("images") == []
    cruet.sound()


@pytest.mark.parametrize("name", LAYERS)
def test_layers(cruet, tmp_path, name):
    (tmp_path / "bad.tar").write_bytes(archive(tar_of(LAYERS[name])))
    done = cruet.run("load", tmp_path / "bad.tar", check=False)
    judged(cruet, done)
    if done.returncode == 0:
        out = tmp_path / "deep" / "er" / "out"
        out.parent.mkdir(parents=True)
        cruet.run("unpack", "bad", out, check=False)
        cruet.run("export", "bad", "-o", tmp_path / "bad.export", check=False)
        cruet.run("build", "-t", "onto", "-", input=b"FROM bad\nWORKDIR /w\n", check=False)
        cruet.sound()
    assert not list(tmp_path.rglob("outside")) or all(str(p).startswith(str(tmp_path / "deep/er/out/")) for p in tmp_path.rglob("outside"))


def test_size_claims(cruet, tmp_path):
    """Headers that promise what does not follow."""
    member = tarfile.TarInfo("huge")
    for size in (10 << 30, (8 << 30) - 1, 1 << 62):
        member.size = size
        layer = member.tobuf(tarfile.GNU_FORMAT) + b"x" * 512
        (tmp_path / "bad.tar").write_bytes(layer)
        done = cruet.run("import", "-t", "bad", tmp_path / "bad.tar", check=False)
        assert done.returncode > 2
        judged(cruet, done)


def test_gzip_that_expands(cruet, tmp_path):
    """10 GB of zeros in 10 MB of gzip: the claim is not believed, what really comes is bounded by the disk alone."""
    member = tarfile.TarInfo("zeros")
    member.size = 64 << 20
    body = member.tobuf() + bytes(64 << 20) + bytes(1024)
    (tmp_path / "z.tgz").write_bytes(gzip.compress(body, 9))
    cruet.run("import", "-t", "zeros", tmp_path / "z.tgz")
    cruet.sound()


SPOILT = [
    b"", b"{", b"[]", b"null", b"[" * 100000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b'[{"Config":1}]', b'[{"Config":"../../etc/passwd","Layers":[]}]',
    b'[{"Config":"/etc/passwd","Layers":["/etc/shadow"]}]', b'[{"Config":"c","Layers":["l.tar"]},{"Config":"c"}]', b'{"a":1,"a":2}', b'"\\ud800"', b"\xff\xfe",
    b'[{"Config":"x","RepoTags":["../x:y"],"Layers":[]}]', b"1e999", b"[" + b"1," * 200000 + b"1]",
]


@pytest.mark.parametrize("number", range(len(SPOILT)))
def test_manifest_json(cruet, tmp_path, number):
    (tmp_path / "bad.tar").write_bytes(archive(tar_of([("f", FILE, b"x")]), manifest=SPOILT[number]))
    done = cruet.run("load", tmp_path / "bad.tar", check=False)
    assert done.returncode > 2
    judged(cruet, done)


@pytest.mark.parametrize("number", range(len(SPOILT)))
def test_config_json(cruet, tmp_path, number):
    (tmp_path / "bad.tar").write_bytes(archive(tar_of([("f", FILE, b"x")]), config=SPOILT[number]))
    done = cruet.run("load", tmp_path / "bad.tar", check=False)
    assert done.returncode > 2
    judged(cruet, done)


def test_index_with_wrong_digests(based, tmp_path):
    based.run("save", "-o", tmp_path / "good.tar", "--format", "oci", "base")
    with tarfile.open(tmp_path / "good.tar") as good, tarfile.open(tmp_path / "bad.tar", "w") as bad:
        for member in good:
            data = good.extractfile(member).read() if member.isreg() else b""
            if member.name.startswith("blobs/") and len(data) > 2000:
                data = bytes([data[0]]) + bytes([data[1] ^ 1]) + data[2:]
            bad.addfile(member, io.BytesIO(data))
    based.run("rmi", "base")
    based.run("gc", "--all", check=False)
    done = based.run("load", tmp_path / "bad.tar", check=False)
    assert done.returncode > 2 and "sha256:" in done.err
    judged(based, done)


def test_random_dockerfiles(cruet):
    chance = random.Random(1)
    words = [b"FROM", b"RUN", b"COPY", b"ADD", b"ENV", b"ARG", b" ", b"\n", b"\\\n", b"<<EOF", b"EOF", b"scratch", b"$", b"${", b"}", b'"', b"'", b"--", b"=",
             b"[", b"]", b",", b"#", b"escape=`", b"\0", b"\xff", b"AS", b"--from=", b"x", b"/"]
    for _ in range(120):
        text = b"".join(chance.choice(words) if chance.random() < 0.9 else bytes([chance.randrange(256)]) for _ in range(chance.randrange(1, 60)))
        done = cruet.run("build", "-", input=text, check=False)
        assert 0 <= done.returncode < 64 and "internal error" not in done.err, text
        if done.returncode:
            assert "cruet: " in done.err
    cruet.sound()


def test_long_dockerfiles(cruet):
    for text in (b"FROM scratch\n" + b"ENV a=" + b"x" * (1 << 20), b"FROM scratch\n" + b"ENV a=$a$a$a\n" * 500, b"#" * (5 << 20),
                 b"FROM scratch\n" + b"LABEL a=b\n" * 20000, b"FROM scratch AS a\n" * 5000, b"FROM scratch\nENV a=1\nENV b=" + b"${a:-" * 5000):
        done = cruet.run("build", "-", input=text, check=False)
        assert done.returncode < 64 and (done.returncode == 0 or "cruet: " in done.err), (text[:60], done.returncode, done.err[:300])
    cruet.sound()


def test_nothing_printed_by_an_image_reaches_the_terminal_raw(cruet, tmp_path):
    name = "a\033[31mb\nc"
    (tmp_path / "bad.tar").write_bytes(archive(tar_of([(name, FILE, b"x"), (name + "/below", FILE, b"y")])))
    done = cruet.run("load", tmp_path / "bad.tar", check=False)
    assert "\033" not in done.err and "\033" not in done.out
