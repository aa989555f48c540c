"""The build engine: cache, stages, RUN and its mounts, outputs, failures."""
import fcntl
import json
import os
import pathlib
import resource
import subprocess
import tarfile
import tempfile
import threading

import pytest

RUN_FAILED = 14
root = pytest.mark.root


def cached(done):
    return done.err.count(" CACHED")


def ran(done, text):
    """Whether the step whose name contains text was really executed."""
    number = next(l.split()[0] for l in done.err.splitlines() if l.startswith("#") and text in l)
    return f"{number} CACHED" not in done.err


def tree(cruet, name, tmp_path):
    out = tmp_path / "tree.tar"
    cruet.run("export", name, "-o", out)
    with tarfile.open(out) as tar:
        return {m.name.removeprefix("./"): (m, tar.extractfile(m).read() if m.isreg() else None) for m in tar}


# ---- config only, no root file system ----

def test_scratch_config(cruet):
    cruet.build("FROM scratch\nENV A=1 B=$A\nLABEL x=y\nEXPOSE 80\nVOLUME /data\nUSER 5:6\nSTOPSIGNAL SIGINT\n"
                'SHELL ["/bin/bash","-c"]\nENTRYPOINT ["/e"]\nCMD run me\nHEALTHCHECK NONE\nONBUILD RUN x\n')
    config = cruet.config("test")
    c = config["config"]
    assert c["Env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1", "B="]
    assert c["Cmd"] == ["/bin/bash", "-c", "run me"] and c["Entrypoint"] == ["/e"] and c["ArgsEscaped"] is True
    assert c["Labels"] == {"x": "y"} and c["ExposedPorts"] == {"80/tcp": {}} and c["Volumes"] == {"/data": {}}
    assert c["User"] == "5:6" and c["OnBuild"] == ["RUN x"] and c["Healthcheck"] == {"Test": ["NONE"]}
    assert all(h["empty_layer"] for h in config["history"])
    assert config["history"][-1]["created"] == config["created"]
    assert config["rootfs"]["diff_ids"] == []


def test_history_counts_layers(cruet):
    cruet.build("FROM scratch\nCOPY a /a\nENV x=y\nWORKDIR /w\nWORKDIR /\nADD a /b\n", files={"a": "1"})
    config = cruet.config("test")
    layers = [h["created_by"] for h in config["history"] if not h.get("empty_layer")]
    assert layers == ["COPY a /a # buildkit", "WORKDIR /w", "ADD a /b # buildkit"]
    assert len(config["rootfs"]["diff_ids"]) == 3


def test_label_option_wins(cruet):
    cruet.build("FROM scratch\nLABEL a=file b=file\n", args=["--label", "a=cli", "--label", "c"])
    assert cruet.config("test")["config"]["Labels"] == {"a": "cli", "b": "file", "c": ""}


def test_workdir_is_owned_by_user(based, tmp_path):
    based.build("FROM base\nUSER app\nWORKDIR /srv/app\nWORKDIR sub\n")
    got = tree(based, "test", tmp_path)
    assert [(got[p][0].uid, got[p][0].gid, got[p][0].mode) for p in ("srv", "srv/app", "srv/app/sub")] \
        == [(1000, 1001, 0o755)] * 3
    assert based.config("test")["config"]["WorkingDir"] == "/srv/app/sub"


# ---- cache ----

def test_rebuild_is_cached_and_identical(cruet):
    text = "FROM scratch\nCOPY a /a\nENV x=y\nCMD z\n"
    first = cruet.build(text, files={"a": "1"})
    digest = cruet.digest("test")
    again = cruet.build(text, files={"a": "1"})
    assert ran(first, "COPY") and not ran(again, "COPY")
    assert cruet.digest("test") == digest


def test_content_decides(cruet, tmp_path):
    text = "FROM scratch\nCOPY a /a\n"
    cruet.build(text, files={"a": "1"})
    path = tmp_path / "context/a"
    path.parent.mkdir()
    path.write_text("1")
    os.utime(path, (1, 1))
    assert not ran(cruet.build(text, context=path.parent), "COPY"), "a touched file is the same file"
    path.chmod(0o755)
    assert ran(cruet.build(text, context=path.parent), "COPY"), "chmod must bust"
    path.write_text("2")
    assert ran(cruet.build(text, context=path.parent), "COPY")


def test_ignored_change_does_not_bust(cruet):
    text = "FROM scratch\nCOPY . /\n"
    cruet.build(text, files={"a": "1", "b": "1", ".dockerignore": "b\n.dockerignore\n"})
    done = cruet.build(text, files={"a": "1", "b": "2", ".dockerignore": "b\n.dockerignore\n"})
    assert not ran(done, "COPY")


def test_env_does_not_bust_copy(cruet):
    cruet.build("FROM scratch\nENV x=1\nCOPY a /a\n", files={"a": "1"})
    assert not ran(cruet.build("FROM scratch\nENV x=2\nCOPY a /a\n", files={"a": "1"}), "COPY")


def test_no_cache(cruet):
    text = "FROM scratch AS one\nCOPY a /a\nFROM scratch AS two\nCOPY --from=one a /b\n"
    cruet.build(text, files={"a": "1"})
    assert ran(cruet.build(text, files={"a": "1"}, args=["--no-cache"]), "COPY a /a")
    done = cruet.build(text, files={"a": "1"}, args=["--no-cache-filter", "two"])
    assert not ran(done, "COPY a /a") and ran(done, "COPY --from")


def test_missing_blob_is_a_miss(cruet):
    text = "FROM scratch\nCOPY a /a\n"
    cruet.build(text, files={"a": "1"})
    for blob in (cruet.root / "blobs/sha256").iterdir():
        blob.unlink()
    assert ran(cruet.build(text, files={"a": "1"}), "COPY")
    assert not ran(cruet.build(text, files={"a": "1"}), "COPY")


def test_other_compression_keeps_the_layer(cruet):
    text = "FROM scratch\nCOPY a /a\n"
    cruet.build(text, files={"a": "1" * 5000})
    layers = cruet.config("test")["rootfs"]["diff_ids"]
    cruet.build(text, files={"a": "1" * 5000}, args=["--compression", "zstd"])
    assert cruet.config("test")["rootfs"]["diff_ids"] == layers
    cruet.sound()


@root
def test_early_cut_off(based):
    """A step that runs again with the same result does not bust what follows."""
    text = "FROM base AS build\nARG N\nRUN : $N; echo same > /out; touch -d @0 /out / /root\nFROM base\n" \
           "COPY --from=build /out /out\nRUN cat /out > /copy\n"
    based.build(text, args=["--build-arg", "N=1"])
    done = based.build(text, args=["--build-arg", "N=2"])
    assert ran(done, "RUN :") and not ran(done, "RUN cat")


@root
def test_run_makes_trees_deeper_than_files_may_be_open(based):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    text = """FROM base
RUN test $(ulimit -n) = 512
RUN d=/deep; for i in $(seq 700); do d=$d/a; done; mkdir -p $d && echo x > $d/f
"""
    based.build(text, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard)))


@root
def test_run_cache(based):
    text = "FROM base\nRUN date +%N > /a\nRUN date +%N > /b\nCOPY f /f\nRUN cat /f\n"
    first = based.build(text, files={"f": "1"})
    assert ran(first, "RUN date") and "#" in first.err
    digest = based.digest("test")
    again = based.build(text, files={"f": "1"})
    assert not ran(again, "RUN date +%N > /b") and not ran(again, "RUN cat")
    assert based.digest("test") == digest
    changed = based.build(text, files={"f": "2"})
    assert not ran(changed, "RUN date +%N > /b") and ran(changed, "COPY") and ran(changed, "RUN cat")
    based.sound()


@root
def test_failed_run_leaves_no_record(based):
    text = "FROM base\nRUN echo before > /x\nRUN exit 3\n"
    for _ in range(2):
        done = based.build(text, check=False)
        assert done.returncode == RUN_FAILED and ran(done, "RUN exit")
    assert not ran(done, "RUN echo"), "what worked before the failure is kept"


@root
def test_arg_busts_run(based):
    text = "FROM base\nARG V=1\nRUN echo $V\n"
    based.build(text)
    assert not ran(based.build(text), "RUN")
    assert ran(based.build(text, args=["--build-arg", "V=2"]), "RUN")


@root
def test_two_builds_at_once_share_work(based, tmp_path):
    text = "FROM base\nRUN sleep 1; date +%N > /once\nRUN cat /once > /again\n"
    (tmp_path / "Dockerfile").write_text(text)
    done = []

    def one(tag):
        done.append(based.run("build", "-t", tag, "--progress", "plain", tmp_path))

    threads = [threading.Thread(target=one, args=[f"t{i}"]) for i in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(done) == 3 and len({based.digest(f"t{i}") for i in range(3)}) == 1
    based.sound()


# ---- stages ----

def test_unneeded_stage_is_not_built(cruet):
    done = cruet.build("FROM scratch AS a\nCOPY x /x\nFROM nowhere AS b\nRUN false\nFROM scratch\nCOPY --from=a /x /y\n",
                       files={"x": "1"})
    assert "nowhere" not in done.err


@root
def test_stages_run_in_parallel(based):
    # each waits for the other through a cache mount: one after the other they would never end
    stage = "FROM base AS {a}\nRUN --mount=type=cache,id=meet,target=/m touch /m/{a}; " \
            "for i in $(seq 100); do [ -e /m/{b} ] && exit 0; sleep 0.1; done; exit 1\nRUN touch /{a}\n"
    based.build(stage.format(a="x", b="y") + stage.format(a="y", b="x") +
                "FROM scratch\nCOPY --from=x /x /\nCOPY --from=y /y /\n")


@root
def test_failure_cancels_the_rest(based):
    done = based.build("FROM base AS slow\nRUN sleep 60\nFROM base AS bad\nRUN sleep 0.2; exit 7\n"
                       "FROM scratch\nCOPY --from=slow / /\nCOPY --from=bad / /\n", check=False, timeout=30)
    assert done.returncode == RUN_FAILED and "exited with status 7" in done.err and done.err.count("cruet:") == 1


def test_onbuild(cruet):
    cruet.build("FROM scratch\nONBUILD COPY a /from-trigger\nONBUILD ENV t=1\n", tag="parent")
    cruet.build("FROM parent\nENV own=$t\n", files={"a": "x"})
    config = cruet.config("test")
    assert "OnBuild" not in config["config"] or not config["config"]["OnBuild"]
    assert "own=1" in config["config"]["Env"]
    assert any(h["created_by"].startswith("COPY a /from-trigger") for h in config["history"])


def test_named_context(cruet, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/file").write_text("hi")
    cruet.build("FROM scratch\nCOPY --from=extra file /\n", args=["--build-context", f"extra={tmp_path}/more"])
    assert tree(cruet, "test", tmp_path)["file"][1] == b"hi"
    cruet.build("FROM scratch\nCOPY --from=extra file /copied\n", tag="second",
                args=["--build-context", "extra=docker-image://test"])
    assert tree(cruet, "second", tmp_path)["copied"][1] == b"hi"


def test_target_and_from_stage(cruet):
    text = "FROM scratch AS a\nENV x=1\nARG g=2\nFROM a AS b\nENV y=$x z=$g\n"
    cruet.build(text, args=["--target", "A"])
    assert not any(e.startswith("y=") for e in cruet.config("test")["config"]["Env"])
    cruet.build(text)
    assert {"x=1", "y=1", "z=2"} <= set(cruet.config("test")["config"]["Env"])


# ---- RUN ----

@root
def test_run_environment(based, tmp_path):
    based.build("FROM base\nENV E=image\nARG A=arg\nWORKDIR /w\nUSER app\n"
                "RUN id > /tmp/id; pwd > /tmp/pwd; env | sort > /tmp/env; hostname > /tmp/host\n",
                args=["--build-arg", "HTTP_PROXY=http://proxy"])
    got = tree(based, "test", tmp_path)
    assert got["tmp/id"][1].startswith(b"uid=1000(app) gid=1001(apps) groups=1001(apps),1002(extra)")
    assert got["tmp/pwd"][1] == b"/w\n" and got["tmp/host"][1] == b"buildkitsandbox\n"
    env = got["tmp/env"][1].decode().splitlines()
    assert {"E=image", "A=arg", "HOME=/home/app", "HTTP_PROXY=http://proxy"} <= set(env)
    assert not any("proxy" in json.dumps(h) for h in based.config("test")["history"])
    assert "RUN |1 A=arg /bin/sh -c id" in based.config("test")["history"][-1]["created_by"]


@root
def test_heredocs(based, tmp_path):
    based.build("FROM base\nARG X=1\nRUN <<EOF\necho one $X > /a\necho two >> /a\nEOF\n"
                "RUN <<'S'\n#!/bin/awk -f\nBEGIN { print \"awk\" > \"/b\" }\nS\n"
                "RUN cat <<A <<B > /c\nx\nA\ny\nB\nCOPY <<F <<'G' /d/\n$X\nF\n$X\nG\n")
    got = tree(based, "test", tmp_path)
    assert got["a"][1] == b"one 1\ntwo\n" and got["b"][1] == b"awk\n" and got["c"][1] == b"y\n"
    assert got["d/F"][1] == b"1\n" and got["d/G"][1] == b"$X\n"
    assert "dev/pipes" not in got


@root
def test_mounts(based, tmp_path):
    (tmp_path / "secret").write_text("hush")
    based.build("FROM base AS src\nRUN mkdir /s && echo stage > /s/f\nFROM base\n"
                "RUN --mount=type=bind,from=src,source=/s,target=/m cat /m/f > /o1; ! touch /m/x\n"
                "RUN --mount=type=bind,from=src,source=/s,target=/m,rw touch /m/new && ls /m > /o2\n"
                "RUN --mount=type=bind,target=/ctx cat /ctx/file > /o3\n"
                "RUN --mount=type=cache,target=/c echo 1 >> /c/n; wc -l < /c/n > /o4\n"
                "RUN --mount=type=cache,target=/c echo 2 >> /c/n; wc -l < /c/n > /o5\n"
                "RUN --mount=type=tmpfs,target=/t touch /t/x\n"
                "RUN --mount=type=secret,id=s cat /run/secrets/s > /o6; stat -c %a /run/secrets/s >> /o6\n"
                "RUN --mount=type=secret,id=e,env=SECRET echo $SECRET > /o7\n"
                "RUN --mount=type=secret,id=absent ls /run/secrets > /o8 2>&1 || true\n",
                files={"file": "context"},
                args=["--secret", f"id=s,src={tmp_path}/secret", "--secret", "id=e,env=CRUET_TEST_SECRET"],
                env=dict(based.env, CRUET_TEST_SECRET="from env"))
    got = tree(based, "test", tmp_path)
    assert got["o1"][1] == b"stage\n" and got["o2"][1] == b"f\nnew\n" and got["o3"][1] == b"context"
    assert (got["o4"][1], got["o5"][1]) == (b"1\n", b"2\n")
    assert got["o6"][1] == b"hush400\n" and got["o7"][1] == b"from env\n"
    for name in ("m", "ctx", "c", "t", "run/secrets", "run/secrets/s", "m/f"):
        assert name not in got, f"{name} leaked"
    blobs = [p.read_bytes() for p in (based.root / "cache").rglob("*") if p.is_file()]
    assert not any(b"hush" in b for b in blobs)


@root
def test_secrets_of_a_killed_build_are_removed(based, tmp_path):
    """Those that nobody holds; another build's stay."""
    (tmp_path / "s").write_text("hush")
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix=".cruet-secret-test-") as held:
        left = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm", prefix=".cruet-secret-test-"))
        (left / "0").write_text("hush")
        lock = os.open(held, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_SH)
        for old in (left, held):
            os.utime(old, (1, 1))
        based.build("FROM base\nRUN --mount=type=secret,id=s true\n", args=["--secret", f"id=s,src={tmp_path}/s"])
        assert os.path.exists(held) and not left.exists()
        os.close(lock)


def test_secret_is_not_in_the_key(based, tmp_path):
    text = "FROM base\nRUN --mount=type=secret,id=s,required true\n"
    (tmp_path / "s").write_text("one")
    assert "is required" in based.build(text, check=False).err
    based.build(text, args=["--secret", f"id=s,src={tmp_path}/s"])
    (tmp_path / "s").write_text("two")
    assert not ran(based.build(text, args=["--secret", f"id=s,src={tmp_path}/s"]), "RUN")
    text = text.replace("id=s", "id=s,mode=444")
    assert ran(based.build(text, args=["--secret", f"id=s,src={tmp_path}/s"]), "RUN")


@root
def test_bind_content_is_in_the_key(based):
    text = "FROM base\nRUN --mount=type=bind,source=used,target=/u cat /u\n"
    based.build(text, files={"used": "1", "other": "1"})
    assert not ran(based.build(text, files={"used": "1", "other": "2"}), "RUN")
    assert ran(based.build(text, files={"used": "2", "other": "2"}), "RUN")


@root
def test_bind_hides_ignored_files(based, tmp_path):
    based.build("FROM base\nRUN --mount=type=bind,target=/ctx ls -a /ctx > /list\n",
                files={"seen": "", "hidden": "", ".dockerignore": "hidden\n"})
    assert b"hidden" not in tree(based, "test", tmp_path)["list"][1]


# ---- reproducible ----

@root
def test_epoch(based, tmp_path):
    text = "FROM base\nRUN echo x > /x && mkdir /d\nCOPY f /f\nWORKDIR /w\nENV a=b\n"
    env = dict(based.env, SOURCE_DATE_EPOCH="1000")
    based.build(text, tag="one", files={"f": "1"}, env=env)
    based.build(text, tag="two", files={"f": "1"}, args=["--no-cache", "--jobs", "1"], env=env)
    assert based.digest("one") == based.digest("two")
    config = based.config("one")
    assert config["created"] == "1970-01-01T00:16:40Z"
    assert all(tree(based, "one", tmp_path)[p][0].mtime == 1000 for p in ("x", "d", "f", "w"))


def test_bad_epoch(cruet):
    done = cruet.build("FROM scratch\n", check=False, env=dict(cruet.env, SOURCE_DATE_EPOCH="yesterday"))
    assert done.returncode != 0 and "SOURCE_DATE_EPOCH" in done.err


# ---- results ----

def test_files_only_on_success(cruet, tmp_path):
    iid, meta = tmp_path / "iid", tmp_path / "meta"
    args = ["--iidfile", iid, "--metadata-file", meta]
    cruet.build("FROM scratch\nCOPY missing /\n", args=args, check=False)
    assert not iid.exists() and not meta.exists()
    cruet.build("FROM scratch\nENV a=b\n", args=args)
    got = json.loads(meta.read_text())
    assert iid.read_text() == got["containerimage.config.digest"] == cruet.image_id("test")
    assert got["containerimage.digest"] == cruet.digest("test") and got["image.name"] == "docker.io/library/test:latest"


def test_outputs(cruet, tmp_path):
    cruet.build("FROM scratch\nCOPY f /d/f\n", files={"f": "1"},
                args=["-o", f"type=tar,dest={tmp_path}/t.tar", "-o", f"{tmp_path}/local",
                      "-o", f"type=oci,dest={tmp_path}/oci.tar", "-o", f"type=docker,dest={tmp_path}/docker.tar",
                      "-o", f"type=oci,tar=false,dest={tmp_path}/layout"])
    assert (tmp_path / "local/d/f").read_text() == "1"
    with tarfile.open(tmp_path / "t.tar") as tar:
        assert "d/f" in tar.getnames()
    with tarfile.open(tmp_path / "oci.tar") as tar:
        assert "index.json" in tar.getnames()
    with tarfile.open(tmp_path / "docker.tar") as tar:
        assert json.load(tar.extractfile("manifest.json"))[0]["RepoTags"] in (["test:latest"],
                                                                             ["docker.io/library/test:latest"])
    assert json.loads((tmp_path / "layout/index.json").read_text())["manifests"]


def test_stdin(cruet, tmp_path):
    cruet.run("build", "-t", "a", "-", input=b"FROM scratch\nENV from=stdin\n")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/f").write_text("1")
    (tmp_path / "c/Dockerfile").write_text("FROM scratch\nCOPY f /f\n")
    tar = subprocess.run(["tar", "-C", tmp_path / "c", "-cz", "."], capture_output=True, check=True).stdout
    cruet.run("build", "-t", "b", "-", input=tar)
    assert tree(cruet, "b", tmp_path)["f"][1] == b"1"
    cruet.run("build", "-t", "c", "-f", "-", tmp_path / "c", input=b"FROM scratch\nCOPY f /g\n")
    assert tree(cruet, "c", tmp_path)["g"][1] == b"1"


# ---- failures ----

@root
def test_failure_is_explained(based):
    done = based.build("FROM base\n\nRUN echo last words; exit 42\n", check=False)
    assert done.returncode == RUN_FAILED
    message = done.err[done.err.index("cruet:"):]
    assert "Dockerfile.test:3:" in message and "exited with status 42" in message
    assert ">>> RUN echo last words" in message and "    last words" in message
    log = message.split("the whole output is in ")[1].split()[0]
    assert open(log).read() == "last words\n"


@pytest.mark.parametrize("text,words", [
    ("FROM nowhere\n", ["nowhere", "cruet load"]),
    ("FROM scratch AS build\nFROM scratch\nCOPY --from=buil /a /\n", ["buil", "stage 'build'", ":3:"]),
    ("FROM scratch\nRUN --security=insecure x\n", ["--security"]),
    ("FROM scratch\nRUN --mount=type=bind,targat=/x true\n", ["targat", "target"]),
    ("FROM scratch\nEXPOSE http\n", ["http", ":2:"]),
    ("FROM ${x}\n", ["blank"]),
])
def test_errors(cruet, text, words):
    done = cruet.build(text, args=["--pull=never"], check=False)
    assert done.returncode != 0
    message = done.err[done.err.index("cruet:"):]
    for word in words:
        assert word in message


def test_tags_are_checked_first(cruet):
    done = cruet.run("build", "-t", "UPPER", "/nonexistent", check=False)
    assert done.returncode != 0 and "UPPER" in done.err


def test_unconsumed_build_arg(cruet):
    done = cruet.build("FROM scratch\nARG used\n", args=["--build-arg", "used=1", "--build-arg", "stray=2"])
    assert "stray" in done.err and "used]" not in done.err


def test_copy_only_needs_no_root_filesystem(cruet):
    cruet.build("FROM scratch\nCOPY a /a\nWORKDIR /w\n", files={"a": "1"})
    assert not (cruet.root / "trees").exists() or not any((cruet.root / "trees").iterdir())


def test_of_an_archive_and_a_file_of_one_name_the_later_wins(based, tmp_path):
    for name in ("one", "two"):
        (tmp_path / "a.txt").write_text(name)
        subprocess.run(["tar", "-C", tmp_path, "-czf", tmp_path / f"{name}.tgz", "a.txt"], check=True)
    (tmp_path / "a.txt").write_text("file")
    for sources, wins in (("one.tgz a.txt", "file"), ("a.txt one.tgz", "one"), ("one.tgz a.txt two.tgz", "two"), ("two.tgz one.tgz a.txt", "file")):
        based.build(f"FROM base\nADD {sources} /d/\n", context=tmp_path)
        assert based.run("run", "test", "cat", "/d/a.txt").out == wins, sources


def test_a_secret_from_an_unset_variable_is_empty_unless_required(based):
    text = "FROM base\nRUN --mount=type=secret,id=s{} wc -c < /run/secrets/s; echo done\n"
    done = based.build(text.format(""), args=["--secret", "id=s,env=CRUET_TEST_UNSET"])
    assert "the secret is empty" in done.err and " 0\n" in done.err
    done = based.build(text.format(",required"), args=["--no-cache", "--secret", "id=s,env=CRUET_TEST_UNSET"], check=False)
    assert done.returncode == 7 and "is not set" in done.err


def test_what_is_missing_in_a_context_on_standard_input(cruet, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY nothing /\n")
    tar = subprocess.run(["tar", "-C", tmp_path, "-c", "Dockerfile"], capture_output=True, check=True).stdout
    assert "'nothing' is not in the context on standard input" in cruet.fails(7, "build", "-", input=tar)


def test_what_is_outside_of_the_context_has_a_way_in(cruet):
    assert "--build-context NAME=DIR" in cruet.build("FROM scratch\nCOPY ../outside /\n", check=False).err
