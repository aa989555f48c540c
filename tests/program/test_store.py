"""Names, look-up, housekeeping."""
import fcntl
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


def test_logs_are_counted_and_old_ones_go(based):
    assert based.build('FROM base\nRUN ["/bin/sh", "-c", "echo out; false"]\n', check=False).returncode != 0
    logs = based.root / "logs"
    counted = based.json("df")["Logs"]
    assert len(os.listdir(logs)) == 1 and counted["Count"] == 1 and counted["Bytes"] > 0
    for n in range(60):
        path = logs / f"{n:016x}.log"
        path.write_text("x" * 5000)
        os.utime(path, (time.time() - n * 60,) * 2)
    for n in range(3):
        os.utime(logs / f"{n:016x}.log", (time.time() - (6.9 + n * 0.2) * 86400,) * 2)
    # 61 logs: the failed build's is the newest, 0 is 6.9 days old and not among the newest 50, 1 and 2 are too old
    before = based.json("df")
    assert before["Logs"]["Count"] == 61 and before["Reclaimable"]["Bytes"] >= 11 * 8192
    assert based.json("gc", "--dry-run")["LogsRemoved"] == 11 and len(os.listdir(logs)) == 61
    assert based.json("gc")["LogsRemoved"] == 11
    assert not {f"{n:016x}.log" for n in (0, 1, 2, *range(52, 60))} & set(os.listdir(logs))
    assert len(os.listdir(logs)) == 50 and based.json("df")["Logs"]["Count"] == 50
    # few logs: only age counts
    for name in sorted(os.listdir(logs))[3:]:
        (logs / name).unlink()
    os.utime(logs / sorted(os.listdir(logs))[0], (time.time() - 8 * 86400,) * 2)
    assert based.json("gc")["LogsRemoved"] == 1 and len(os.listdir(logs)) == 2
    assert based.json("gc", "--all")["LogsRemoved"] == 2 and os.listdir(logs) == []


def test_files_of_locks_go(based):
    based.build('FROM base\nRUN ["/bin/sh", "-c", "echo x > /x"]\nCOPY a /a\n', files={"a": "1"})
    locks = based.root / "locks"
    kept = {"store", "index", "created", "blocks", "gate"}
    extra = set(os.listdir(locks)) - kept
    assert extra and {n.split("-")[0] for n in extra} <= {"step", "layer", "tree"}
    assert based.json("gc", "--dry-run")["LocksRemoved"] == len(extra)
    assert set(os.listdir(locks)) >= extra
    with open(locks / sorted(extra)[0], "w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert based.json("gc")["LocksRemoved"] == len(extra) - 1
    assert set(os.listdir(locks)) <= kept | {sorted(extra)[0]}
    assert based.json("gc")["LocksRemoved"] == 1
    based.build('FROM base\nRUN ["/bin/sh", "-c", "echo x > /x"]\nCOPY a /a\n', files={"a": "2"})
    based.sound()


def test_gc_all_removes_untagged_images(based, base_tar):
    old = based.json("images")[0]
    based.run("import", "-t", "base", "--message", "second", base_tar)
    based.run("import", base_tar, "--message", "never named")
    assert sorted(str(i["Name"]) for i in based.json("images")) == ["None", "None", "base:latest"]
    assert based.json("gc")["ImagesRemoved"] == 0
    based.run("inspect", old["Id"])
    dry = based.json("gc", "--all", "--dry-run")
    assert (dry["ImagesRemoved"], dry["BlobsRemoved"]) == (2, 4) and len(based.json("images")) == 3
    done = based.json("gc", "--all")
    assert {**done, "LocksRemoved": 0} == {**dry, "LocksRemoved": 0}
    assert [i["Name"] for i in based.json("images")] == ["base:latest"]
    based.fails(7, "inspect", old["Id"])
    based.sound()
    assert "untagged images" in " ".join(based.run("gc", "--help").out.split())


def test_gc_all_helps_when_an_untagged_image_is_damaged(based, base_tar):
    old = based.json("images")[0]
    based.run("import", "-t", "base", "--message", "second", base_tar)
    (based.root / "blobs/sha256" / old["Digest"].split(":")[1]).write_text("{}")
    assert old["Digest"] in based.fails(9, "gc")
    assert based.json("gc", "--all")["ImagesRemoved"] == 1
    based.sound()


def test_damaged_image_can_be_removed_by_digest(based, base_tar):
    old = based.json("images")[0]
    based.run("import", "-t", "base", "--message", "second", base_tar)
    (based.root / "blobs/sha256" / old["Id"].split(":")[1]).write_text("{}")
    problem = based.run("gc", "--check", check=False)
    assert problem.returncode == 6 and old["Digest"] in problem.out
    based.run("rmi", old["Digest"])
    assert len(based.json("images")) == 1
    based.run("gc")
    based.sound()


@pytest.mark.root
def test_unpacked_files_are_private(based):
    based.build("FROM base\nRUN cp /bin/busybox /bin/sux && chmod 4755 /bin/sux\nRUN true\n")
    path = next(based.root.glob("trees/*/bin/sux"))
    assert path.stat().st_mode & 0o4000
    assert based.root.stat().st_mode & 0o777 == 0o700
    based.root.chmod(0o755)
    for name in ("trees", "mounts", "tmp"):
        assert (based.root / name).stat().st_mode & 0o077 == 0


def test_loading_again_mends_damage(based, tmp_path):
    based.run("save", "-q", "-o", tmp_path / "base.tar", "base")
    for blob in (based.root / "blobs/sha256").iterdir():
        content = bytearray(blob.read_bytes())
        content[len(content) // 2] ^= 1
        blob.chmod(0o644)
        blob.write_bytes(content)
    assert based.run("gc", "--check", check=False).returncode != 0
    based.run("load", "-q", tmp_path / "base.tar")
    based.sound()


def test_damaged_files_are_not_given_out(based, tmp_path):
    based.build("FROM base AS a\nCOPY f /f\n", "files", files={"f": b"0123456789" * 1000}, args=["--compression", "none"])
    layer = based.json("inspect", "files")[0]["Layers"][-1]["Digest"].split(":")[1]
    blob = based.root / "blobs/sha256" / layer
    content = bytearray(blob.read_bytes())
    content[2000] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(content)
    for done in (based.run("export", "files", check=False), based.run("unpack", "files", tmp_path / "out", check=False),
                 based.build("FROM scratch\nCOPY --from=files /f /g\n", "other", check=False)):
        assert done.returncode != 0 and "damaged" in done.err
    assert not (tmp_path / "out").exists()


def test_unfinished_records_go(based):
    based.build("FROM scratch\nLABEL a=b\n", "labelled")
    left = next((based.root / "cache/created").iterdir()) / ".tmp-1-abcdefgh"
    left.write_text("{")
    based.run("gc")
    assert not left.exists() and list(left.parent.iterdir())
