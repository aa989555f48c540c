"""Images in and out: import, load, save, export, unpack; other tools as judges."""
import hashlib
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from conftest import CRUET, Cruet, write
from trees import directory

BROKEN = {"ggcr-no_manifest.tar": 11}


def shared_images(shared):
    return sorted(p for p in (shared / "images").iterdir())


def test_every_shared_image_survives_a_round_trip(cruet, shared, tmp_path):
    """load → save (docker, oci) → load into another store gives the same digests."""
    loaded = 0
    for path in shared_images(shared):
        if path.name in BROKEN:
            assert cruet.fails(BROKEN[path.name], "load", path)
            continue
        for image in cruet.json("load", "-q", path):
            what = image["Name"] or image["Digest"]
            config = cruet.json("inspect", what)[0]["Id"]
            loaded += 1
            for form in ("docker", "oci"):
                archive = tmp_path / f"{form}.tar"
                cruet.run("save", "-q", "-o", archive, "--format", form, what)
                other = Cruet(tmp_path / f"other-{form}")
                other.run("load", "-q", archive)
                again = other.json("inspect", image["Digest"])[0]
                assert again["Digest"] == image["Digest"] and again["Id"] == config, (path, form)
                if image["Name"]:
                    assert other.json("inspect", image["Name"])[0]["Digest"] == image["Digest"]
                other.sound()
                shutil.rmtree(other.root)
    assert loaded >= 12
    cruet.sound()


def test_docker_save_keeps_the_image_id(cruet, shared):
    cruet.run("load", shared / "images/alpine-3.10.2.docker-save.tar.gz")
    assert cruet.json("images")[0]["Id"].startswith("sha256:9617696764")


def test_save_is_deterministic(based, tmp_path):
    for form in ("docker", "oci"):
        sums = set()
        for n in range(2):
            out = tmp_path / f"{form}{n}.tar"
            based.run("save", "-q", "--format", form, "-o", out, "base")
            sums.add(hashlib.sha256(out.read_bytes()).hexdigest())
        assert len(sums) == 1


def test_import_keeps_the_tar(cruet, base_tar):
    cruet.run("import", "-t", "x", "--change", "ENV A=b", "--change", 'ENTRYPOINT ["/bin/sh"]', "--change", "EXPOSE 80",
              "-m", "by hand", base_tar)
    image = cruet.json("inspect", "x")[0]
    assert image["RootFS"]["Layers"] == ["sha256:" + hashlib.sha256(base_tar.read_bytes()).hexdigest()]
    assert image["Config"]["Entrypoint"] == ["/bin/sh"] and "A=b" in image["Config"]["Env"]
    assert image["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert cruet.json("history", "x")[0]["Comment"] == "by hand"
    assert cruet.fails(8, "import", "-t", "y", "--change", "NONSENSE x", base_tar)
    assert cruet.fails(8, "import", "-t", "Y", base_tar)
    assert [i["Name"] for i in cruet.json("images")] == ["x:latest"]


@pytest.mark.parametrize("compress", ["gzip", "bzip2", "xz", "zstd"])
def test_import_of_any_compression(cruet, base_tar, compress, tmp_path):
    if not shutil.which(compress):
        pytest.skip(f"no {compress} program")
    data = subprocess.run([compress, "-c", base_tar], capture_output=True, check=True).stdout
    cruet.run("import", "-t", "x", "-", input=data)
    layers = cruet.json("inspect", "x")[0]["RootFS"]["Layers"]
    assert layers == ["sha256:" + hashlib.sha256(base_tar.read_bytes()).hexdigest()]


@pytest.mark.parametrize("kind,level", [("gzip", "1"), ("gzip", "9"), ("zstd", "3"), ("none", None)])
def test_compression_flags(cruet, base_tar, kind, level):
    args = ["--compression", kind] + (["--compression-level", level] if level else [])
    digests = set()
    for _ in range(2):
        cruet.run("import", "-t", "x", *args, base_tar)
        layer = cruet.json("inspect", "x")[0]["Layers"][0]
        digests.add(layer["Digest"])
        data = (cruet.root / "blobs/sha256" / layer["Digest"].split(":")[1]).read_bytes()
    assert len(digests) == 1, "same input, same bytes"
    magic = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "none": b"./"}[kind]
    assert data.startswith(magic)
    if kind == "gzip":
        assert hashlib.sha256(subprocess.run(["gzip", "-dc"], input=data, capture_output=True, check=True).stdout).hexdigest() \
            == hashlib.sha256(base_tar.read_bytes()).hexdigest()
    cruet.fails(2, "import", "-t", "x", "--compression", kind, "--compression-level", "77", base_tar)


def test_export_and_unpack_agree(based, tmp_path):
    based.run("export", "base", "-o", tmp_path / "e.tar")
    with tarfile.open(tmp_path / "e.tar") as tar:
        names = {m.name for m in tar}
    based.run("unpack", "base", tmp_path / "u")
    assert names - {"."} == set(directory(tmp_path / "u"))
    assert "not empty" in based.fails(15, "unpack", "base", tmp_path / "u")


@pytest.mark.root
@pytest.mark.engines
def test_unpack_equals_umoci(cruet, shared, tmp_path):
    """Type, mode, owner, size, time, link, attributes and content of every entry."""
    compared = 0
    for path in shared_images(shared):
        if path.name in BROKEN or "ggcr" in path.name:
            continue
        for n, image in enumerate(cruet.json("load", "-q", path)):
            what = image["Name"] or image["Digest"]
            ours, layout, bundle = (tmp_path / f"{path.name}-{n}-{k}" for k in ("ours", "layout", "bundle"))
            cruet.run("unpack", what, ours)
            cruet.run("save", "-q", "--format", "oci-dir", "-o", layout, what)
            index = json.loads((layout / "index.json").read_text())
            index["manifests"][0].setdefault("annotations", {})["org.opencontainers.image.ref.name"] = "x"
            (layout / "index.json").write_text(json.dumps(index))
            done = subprocess.run(["umoci", "unpack", "--image", f"{layout}:x", bundle], capture_output=True, text=True, check=False)
            if done.returncode and "zstd" in done.stderr:
                continue  # this umoci reads no zstd
            assert done.returncode == 0, done.stderr
            assert directory(ours) == directory(bundle / "rootfs"), path
            compared += 1
    assert compared >= 4


@pytest.mark.engines
def test_skopeo_reads_the_store_and_the_archives(based, tmp_path):
    digest = based.digest("base")
    done = subprocess.run(["skopeo", "inspect", f"oci:{based.root}:docker.io/library/base:latest"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0 and json.loads(done.stdout)["Digest"] == digest, done.stderr
    based.run("save", "-q", "-o", tmp_path / "d.tar", "base")
    based.run("save", "-q", "--format", "oci", "-o", tmp_path / "o.tar", "base")
    for source in (f"docker-archive:{tmp_path}/d.tar", f"oci-archive:{tmp_path}/o.tar"):
        target = tmp_path / source.split(":")[0]
        done = subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", source, f"oci:{target}:x"], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr
        manifest = json.loads(subprocess.run(["skopeo", "inspect", "--raw", f"oci:{target}:x"], capture_output=True, check=True).stdout)
        config = json.loads((target / "blobs/sha256" / manifest["config"]["digest"].split(":")[1]).read_text())
        assert config["rootfs"]["diff_ids"] == based.config("base")["rootfs"]["diff_ids"]
        if source.startswith("oci-archive"):  # from docker's format skopeo writes a config of its own
            assert manifest["config"]["digest"] == based.image_id("base")


def test_load_from_a_pipe_and_a_directory(based, tmp_path):
    based.run("save", "-q", "-o", tmp_path / "a.tar", "base")
    based.run("save", "-q", "--format", "oci-dir", "-o", tmp_path / "dir", "base")
    for source in ({"input": (tmp_path / "a.tar").read_bytes()}, {"args": [tmp_path / "dir"]}):
        other = Cruet(tmp_path / f"s{len(source.get('args', []))}")
        other.run("load", "-q", *source.get("args", ["-"]), **({"input": source["input"]} if "input" in source else {}))
        assert other.digest("base") == based.digest("base")


@pytest.mark.parametrize("args", [["load", "{}"], ["load", "-i", "{}"], ["import", "{}"], ["copy", "docker-archive:{}", "x"], ["copy", "oci-archive:{}", "x"],
                                  ["copy", "oci:{}:1", "x"], ["build", "{}"]])
def test_what_is_not_there(cruet, tmp_path, args):
    write(tmp_path / "file", "")
    for missing in (tmp_path / "none", tmp_path / "file/none"):
        assert f"'{missing}' does not exist" in cruet.fails(7, *(a.format(missing) for a in args))


def test_truncated_archives(based, tmp_path):
    """Cut anywhere: one error, nothing named, the store sound."""
    based.run("save", "-q", "-o", tmp_path / "a.tar", "base")
    data = (tmp_path / "a.tar").read_bytes()
    victim = Cruet(tmp_path / "victim")
    for n in range(1, 12):
        cut = tmp_path / "cut.tar"
        cut.write_bytes(data[:len(data) * n // 12])
        done = victim.run("load", "-q", cut, check=False)
        assert done.returncode in (7, 9), done.err
        assert done.err.startswith("cruet: Loading") and done.err.count("cruet:") == 1
    assert victim.json("images") == []
    victim.sound()


def test_save_to_a_full_disk_leaves_no_file(based):
    done = based.run("save", "-q", "-o", "/dev/full", "base", check=False)
    assert done.returncode == 13
    assert "terminal" not in done.err
