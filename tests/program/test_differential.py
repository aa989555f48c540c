"""The same Dockerfiles built by cruet and by BuildKit inside docker.io, compared entry by entry."""
import io
import os
import re
import tarfile
import time

import pytest

import trees
from conftest import Cruet
from differential_cases import CASES

pytestmark = [pytest.mark.engines]
WHEN = 1_500_000_000  # of all files of a context


def fill(top, files):
    """Makes the context of a case."""
    for number, (name, what) in enumerate(files.items()):
        path = os.path.join(top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        kind = what[0] if isinstance(what, tuple) else "file"
        mode = what[-1] if kind in ("dir", "fifo") else what[2] if isinstance(what, tuple) and kind == "file" else 0o644
        if kind == "dir":
            os.makedirs(path, exist_ok=True)
        elif kind == "link":
            os.symlink(what[1], path)
        elif kind == "hard":
            os.link(os.path.join(top, what[1]), path)
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "tar":
            make_tar(path, *what[1:])
        else:
            text = what[1] if isinstance(what, tuple) else what
            with open(path, "wb") as out:
                out.write(text.encode() if isinstance(text, str) else text)
        if kind not in ("link", "hard"):
            os.chmod(path, mode)
    for folder, folders, names in os.walk(top, topdown=False):
        for name in sorted(names + folders):
            os.utime(os.path.join(folder, name), (WHEN, WHEN + len(name)), follow_symlinks=False)
    os.utime(top, (WHEN, WHEN))


def make_tar(path, members, compression):
    kinds = {"dir": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}
    with tarfile.open(path, f"w:{compression}") as tar:
        for name, kind, text, mode, uid, gid in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid, member.gid, member.mtime = kinds[kind], mode, uid, gid, WHEN - 5
            body = text.encode() if kind == "file" else b""
            member.size = len(body)
            if kind in ("link", "hard"):
                member.linkname = text
            tar.addfile(member, io.BytesIO(body))


def richer(source, target):
    """The base of all cases: the busybox tree with links, hard links and directories of odd modes."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)

        def add(name, kind, text="", mode=0o755, uid=0, gid=0):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid, member.gid, member.mtime = kind, mode, uid, gid, 1_000_000_000
            member.size = len(text) if kind == tarfile.REGTYPE else 0
            member.linkname = "" if kind == tarfile.REGTYPE else text
            new.addfile(member, io.BytesIO(text.encode()))

        for name in ("dev", "proc", "sys", "run", "var", "srv", "srv/strict", "opt", "hard"):
            add(name, tarfile.DIRTYPE, mode=0o700 if name == "srv/strict" else 0o755)
        add("etc/hosts", tarfile.REGTYPE, "", 0o644)
        add("etc/resolv.conf", tarfile.REGTYPE, "", 0o644)
        add("etc/mtab", tarfile.SYMTYPE, "/proc/mounts")
        add("run/thing", tarfile.REGTYPE, "thing", 0o600, 3, 4)
        add("var/run", tarfile.SYMTYPE, "/run")
        add("srv/strict/old", tarfile.REGTYPE, "old", 0o644)
        add("hard/one", tarfile.REGTYPE, "hard", 0o644)
        add("hard/two", tarfile.LNKTYPE, "hard/one", 0o644)
        add("lnk", tarfile.SYMTYPE, "hard/one")


class Pair:
    """cruet and docker with the same base images."""

    def __init__(self, cruet, docker, top):
        self.cruet, self.docker, self.top = cruet, docker, top
        self.start, self.base = int(time.time()) - 5, set()

    def share(self, name):
        archive = self.top / "share.tar"
        self.cruet.run("save", "-o", archive, "--format", "docker", name)
        self.docker.call("load", "-i", archive)
        self.base |= set(trees.merged(trees.Archive(archive).docker()[1]))

    def build(self, case, context):
        args = [a.replace("@", f"{context}/") for a in case.args]
        common = ["--network", "host", "--no-cache", "-f", self.top / "Dockerfile", *args, context]
        (self.top / "Dockerfile").write_bytes(case.text.encode())
        ours = self.cruet.run("build", "-t", "ours", "--progress", "plain", *common, check=False)
        theirs = self.docker.call("build", "-t", "theirs", "--progress", "plain", *common, check=False)
        return ours, theirs

    def images(self):
        ours, theirs = self.top / "ours.tar", self.top / "theirs.tar"
        self.cruet.run("save", "-o", ours, "--format", "docker", "ours")
        self.docker.call("save", "-o", theirs, "theirs")
        return trees.Archive(ours).docker(), trees.Archive(theirs).docker()


@pytest.fixture(scope="module")
def pair(docker, base_tar, tmp_path_factory):
    top = tmp_path_factory.mktemp("pair")
    cruet = Cruet(top / "store")
    richer(base_tar, top / "base.tar")
    cruet.run("import", "-t", "base", "--change", 'CMD ["/bin/sh"]', top / "base.tar")
    cruet.build('FROM base\nONBUILD ENV child=1\nONBUILD COPY f /onbuild/\nONBUILD RUN echo "$child" > /built\n', tag="onbuild")
    both = Pair(cruet, docker, top)
    both.share("base")
    both.share("onbuild")
    return both


def plain(config):
    """The runtime config without what means nothing, in one spelling."""
    return {k: v for k, v in (config.get("config") or {}).items() if v not in (None, "", [], {}, False)}


def shape(text):
    """A line of history without what later versions of BuildKit print in another way than docker.io's does."""
    text = re.sub(r"^(COPY|ADD) (--ch(own|mod)=\S+ )+", r"\1 ", text)
    text = re.sub(r"^(ARG \w+)=.*", r"\1", text)
    text = re.sub(r"^RUN \|\d+ .*?(/bin/sh -c)", r"RUN \1", text)
    if text.startswith("HEALTHCHECK"):
        text = re.sub(r'(("\S*s" ){3})"\S*s" ', r"\1", text)
    if text.startswith("EXPOSE"):
        text = " ".join(["EXPOSE", *sorted(re.findall(r"\d+/\w+", text))])
    return text


def history(config):
    """What each step was and whether it made a layer; that ONBUILD has a line of its own is ours alone."""
    lines = [(shape(h.get("created_by", "")), bool(h.get("empty_layer"))) for h in config["history"]]
    return [line for line in lines if not line[0].startswith("ONBUILD")]


def tree_difference(pair, ours, theirs, ignore):
    """Times of the build itself are not comparable; a directory that only got a new entry keeps its time with cruet."""
    for path in set(ours) & set(theirs):
        a, b = ours[path], theirs[path]
        recent = [t["mtime"] >= pair.start for t in (a, b)]
        if all(recent) or (a["type"] == "5" and (recent[1] or path in pair.base)):
            a, b = dict(a, mtime=None), dict(b, mtime=None)
            ours[path], theirs[path] = a, b
    for path in ignore:
        ours.pop(path, None)
        theirs.pop(path, None)
        for tree in (ours, theirs):
            for below in [p for p in tree if p.startswith(path + "/")]:
                del tree[below]
    return trees.difference(ours, theirs)


@pytest.mark.parametrize("case", CASES, ids=lambda c: re.sub(r"[^a-zA-Z0-9]+", "_", c.name))
def test_same_as_docker(pair, tmp_path, case):
    context = tmp_path / "context"
    context.mkdir()
    fill(str(context), case.files)
    ours, theirs = pair.build(case, context)
    said = f"cruet ({ours.returncode}): {ours.err}\ndocker ({theirs.returncode}): {theirs.stderr.decode(errors='replace')}"
    if case.fails or case.ours_fails:
        assert ours.returncode > 0 and (theirs.returncode > 0) == case.fails, said
        assert "internal error" not in ours.err and "\n" in ours.err
        return
    assert ours.returncode == 0 and theirs.returncode == 0, said
    (our_config, our_layers), (their_config, their_layers) = pair.images()
    differs = tree_difference(pair, trees.merged(our_layers), trees.merged(their_layers), case.ignore)
    assert differs == []
    assert plain(our_config) == plain(their_config)
    assert history(our_config) == history(their_config)
    assert len(our_layers) == len(their_layers)
    for key in ("os", "architecture"):
        assert our_config[key] == their_config[key]
