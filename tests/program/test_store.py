"""Names, look-up, housekeeping."""
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from conftest import CRUET


def test_tag_rmi_gc(based):
    based.run("tag", "base", "registry.example:5000/team/base:1", "other")
    names = {i["Name"] for i in based.json("images")}
    assert names == {"base:latest", "other:latest", "registry.example:5000/team/base:1"}
    assert based.run("images", "--format", "names").out.split() == sorted(names, key=based.run("images", "--format", "names").out.split().index)
    for name in ("base", "other", "registry.example:5000/team/base:1"):
        based.run("rmi", name)
    assert based.json("images") == []
    freed = based.json("gc", "--all")
    assert freed["BlobsRemoved"] == 3 and freed["BytesFreed"] > 0
    assert os.listdir(based.root / "blobs/sha256") == []
    based.sound()


def test_dry_run_changes_nothing(based):
    based.run("rmi", "base")
    before = sorted(os.listdir(based.root / "blobs/sha256"))
    assert based.json("gc", "--all", "--dry-run")["BlobsRemoved"] == 3
    assert sorted(os.listdir(based.root / "blobs/sha256")) == before


def test_lookup_forms(based):
    image = based.json("images")[0]
    for what in ("base", "base:latest", "docker.io/library/base:latest", image["Id"], image["Id"][7:19], image["Digest"],
                 "base@" + image["Digest"]):
        assert based.json("inspect", what)[0]["Id"] == image["Id"], what


def test_not_found_suggests(based):
    err = based.fails(7, "history", "bsae")
    assert "'bsae' is not in the store" in err and "did you mean 'base:latest'" in err
    based.fails(8, "tag", "base", "upper/CASE")
    based.fails(7, "rmi", "nothing")
    based.run("rmi", "--force", "nothing")


def test_id_with_several_names_needs_force(based):
    based.run("tag", "base", "second")
    image = based.json("images")[0]["Id"]
    assert "2 names" in based.fails(15, "rmi", image)
    based.run("rmi", "-f", image)
    assert based.json("images") == []


def test_history_and_df(based):
    history = based.json("history", "base")
    assert len(history) == 1 and history[0]["Comment"] == "Imported from -" and history[0]["Size"] > 500000
    usage = based.json("df")
    assert usage["Images"] == 1 and usage["Total"]["Bytes"] >= usage["Blobs"]["Bytes"] > 0
    assert "blobs" in based.run("df").out


def test_damage_is_found_and_nothing_is_lost(based):
    layer = based.json("inspect", "base")[0]["Layers"][0]["Digest"].split(":")[1]
    path = based.root / "blobs/sha256" / layer
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    done = based.run("gc", "--check", check=False)
    assert done.returncode == 6 and layer in done.out


def test_damaged_index_json(based):
    (based.root / "index.json").write_text('{"schemaVersion": 2, "manifests": 7}')
    assert "index.json is damaged" in based.fails(9, "images")


def test_gc_refuses_when_a_manifest_is_damaged(based):
    manifest = based.json("images")[0]["Digest"].split(":")[1]
    (based.root / "blobs/sha256" / manifest).write_text("{}")
    before = sorted(os.listdir(based.root / "blobs/sha256"))
    assert "damaged" in based.fails(9, "gc")
    assert sorted(os.listdir(based.root / "blobs/sha256")) == before


def test_many_processes_at_once(based, base_tar):
    """Tagging, importing and collecting side by side: every name given is there at the end."""
    def worker(n):
        for i in range(4):
            based.run("tag", "base", f"w{n}-{i}")
            if n == 0:
                based.run("gc")
    threads = [threading.Thread(target=worker, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    names = {i["Name"] for i in based.json("images")}
    assert {f"w{n}-{i}:latest" for n in range(6) for i in range(4)} <= names
    based.sound()


@pytest.mark.slow
def test_killed_imports_leave_a_sound_store(based, base_tar):
    for delay in [n / 400 for n in range(20)]:
        child = subprocess.Popen([CRUET, "import", "-t", "victim", str(base_tar)], env=based.env,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        based.sound()
    based.run("import", "-t", "victim", base_tar)
    based.run("gc")
    assert os.listdir(based.root / "tmp") == []
    assert not [n for n in os.listdir(based.root / "blobs/sha256") if n.startswith(".tmp-")]


@pytest.mark.root
def test_disk_full(cruet, base_tar, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", small], check=True)
    try:
        cruet.env["CRUET_ROOT"] = str(small / "store")
        err = cruet.fails(13, "import", "-t", "x", base_tar)
        assert "No space left" in err
        assert json.loads(cruet.run("images", "--format", "json").stdout) == []
        assert cruet.run("gc", "--check").returncode == 0
    finally:
        subprocess.run(["umount", small], check=True)
