"""pull from a registry that others wrote, filled by others."""
import hashlib
import json
import stat
import subprocess

import pytest

import engines
import trees

pytestmark = pytest.mark.engines
OCI = "busybox-musl.oci"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    yield from engines.started(engines.Registry, "/usr/bin/docker-registry", tmp_path_factory)


@pytest.fixture(scope="module")
def pushed(registry, shared, tmp_path_factory):
    """HOST/team/bb:1 with skopeo out of a real layout, and the digest that it has there."""
    name = f"{registry.host}/team/bb:1"
    digest = tmp_path_factory.mktemp("digest") / "digest"
    subprocess.run(["skopeo", "copy", "-q", "--dest-tls-verify=false", "--preserve-digests", "--digestfile", digest,
                    f"oci:{shared / 'images' / OCI}", f"docker://{name}"], check=True)
    return name, digest.read_text()


def blob_file(registry, digest):
    value = digest.split(":")[1]
    return registry.top / "data/docker/registry/v2/blobs/sha256" / value[:2] / value / "data"


def layer_of(registry, digest):
    return json.loads(blob_file(registry, digest).read_text())["layers"][0]


def test_pull(cruet, pushed):
    name, digest = pushed
    assert cruet.run("pull", name).out == f"{name} {digest}\n"
    assert cruet.run("run", name, "echo", "hi").out == "hi\n"
    assert cruet.digest(name) == digest
    cruet.sound()


def unpacked(cruet):
    """Trees of the store, by chainID; whiteouts (devices) have the time of their making."""
    return {d.name: {path: e if e[0] != stat.S_IFCHR else e[:5] for path, e in trees.directory(d).items()}
            for d in (cruet.root / "trees").iterdir() if d.name.strip("0")}


def test_unpacked_while_it_arrives(based, registry):
    """The same trees as are made afterwards: directories that were there, deleted files, hard links into lower layers."""
    name = f"{registry.host}/team/stack:1"
    based.build("FROM base\nRUN mkdir -p /d/e && echo 1 > /d/e/f && ln /d/e/f /d/g && chown 5:6 /d && chmod 1777 /d/e\n"
                "RUN rm /d/e/f && echo 2 > /d/e/h && ln /d/g /d/again\nRUN rm -r /d/e && mkdir /d/e && echo 3 > /d/e/i\n", tag=name)
    based.run("push", "-q", name)
    found = []
    for flags in ((), ("--unpack",)):
        based.run("rmi", name, "base", "test", check=False)
        based.run("gc", "--all")
        assert not unpacked(based)
        based.run("pull", *flags, name)
        before = len(unpacked(based))
        based.run("run", name, "cat", "/d/again", "/d/e/i")
        found.append(unpacked(based))
        assert before == (len(found[0]) if flags else 0)
    assert found[0] == found[1] and len(found[0]) == 4


def test_by_digest(cruet, pushed):
    name, digest = pushed
    repository = name.rsplit(":", 1)[0]
    assert digest in cruet.run("pull", f"{repository}@{digest}").out
    assert cruet.run("run", "--pull=never", f"{repository}@{digest}", "echo", "hi").out == "hi\n"
    assert cruet.run("images", "--format", "names").out.strip() in ("", "<none>:<none>")  # a digest is no tag
    wrong = "sha256:" + hashlib.sha256(b"nothing").hexdigest()
    assert "404" in cruet.fails(7, "pull", f"{repository}@{wrong}")


def test_what_is_known_is_not_fetched(cruet, pushed):
    name, digest = pushed
    cruet.run("pull", name)
    trace = cruet.run("--debug=registry", "pull", name).err
    assert "/manifests/1" in trace and "/blobs/" not in trace


def test_a_wrong_blob_never_lands(cruet, registry, pushed):
    name, digest = pushed
    layer = layer_of(registry, digest)
    data = blob_file(registry, layer["digest"])
    good = data.read_bytes()
    try:
        data.write_bytes(good[:5000] + bytes([good[5000] ^ 1]) + good[5001:])
        assert "sha256:" in cruet.fails(9, "pull", name)  # inflating it fails before all of it is here
        data.write_bytes(good[:-100])
        cruet.fails(5, "pull", name)  # it ends early, each time
    finally:
        data.write_bytes(good)
    root = cruet.root
    assert not (root / "blobs/sha256" / layer["digest"].split(":")[1]).exists()
    assert cruet.run("images", "-q").out == ""
    cruet.sound()
    cruet.run("pull", name)


def test_goes_on_where_it_was_cut_off(cruet, registry, pushed):
    name, digest = pushed
    layer = layer_of(registry, digest)
    half = blob_file(registry, layer["digest"]).read_bytes()[:layer["size"] // 2]
    partial = cruet.root / "tmp" / f"partial-{layer['digest'].split(':')[1]}"
    cruet.run("images")
    partial.parent.mkdir(exist_ok=True)
    partial.write_bytes(half)
    trace = cruet.run("--debug=registry", "pull", name).err
    start = int(trace.split("Range: bytes=")[1].split("-")[0])
    assert 0 < start <= len(half) and len(half) - start <= 2 * 65536
    assert cruet.run("run", name, "echo", "hi").out == "hi\n" and not partial.exists()


def test_a_bad_part_is_fetched_again(cruet, registry, pushed):
    name, digest = pushed
    layer = layer_of(registry, digest)
    cruet.run("images")
    partial = cruet.root / "tmp" / f"partial-{layer['digest'].split(':')[1]}"
    partial.parent.mkdir(exist_ok=True)
    partial.write_bytes(b"x" * (layer["size"] - 1))
    cruet.run("pull", name)
    cruet.sound()


def test_names_that_are_not_there(cruet, registry):
    told = cruet.fails(7, "pull", f"{registry.host}/none:1")
    assert "none" in told and "MANIFEST_UNKNOWN" in told
    assert "nobody.invalid" in cruet.fails(5, "pull", "nobody.invalid/x")
