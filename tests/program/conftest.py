"""Whole-program tests: cruet is run as a user runs it; real engines judge what it makes."""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import engines  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("CRUET_SHARED", ROOT.parent / "shared"))
CRUET = os.environ.get("CRUET", str(ROOT / "build" / "cruet"))


def pytest_configure(config):
    config.addinivalue_line("markers", "engines: needs dockerd, containerd or another engine")
    config.addinivalue_line("markers", "slow: takes more than ten seconds")
    config.addinivalue_line("markers", "root: needs root")


def pytest_collection_modifyitems(items):
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root") or item.get_closest_marker("engines"):
            item.add_marker(pytest.mark.skip(reason="needs root"))


class Cruet:
    """One store, and the program over it."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.env = dict(os.environ, CRUET_ROOT=str(root), NO_COLOR="1")
        self.env.pop("SOURCE_DATE_EPOCH", None)

    def run(self, *args, check=True, **kw):
        kw.setdefault("env", self.env)
        kw.setdefault("stdin", subprocess.DEVNULL if "input" not in kw else None)
        if kw["stdin"] is None:
            del kw["stdin"]
        done = subprocess.run([CRUET, *map(str, args)], capture_output=True, check=False, **kw)
        done.out = done.stdout.decode(errors="surrogateescape")
        done.err = done.stderr.decode(errors="surrogateescape")
        if check and done.returncode != 0:
            raise AssertionError(f"cruet {' '.join(map(str, args))} → {done.returncode}\n{done.out}\n{done.err}")
        return done

    def fails(self, status, *args, **kw):
        """Runs what must fail with this exit status; returns stderr."""
        done = self.run(*args, check=False, **kw)
        assert done.returncode == status, f"status {done.returncode}, not {status}\n{done.out}\n{done.err}"
        return done.err

    def build(self, dockerfile, tag="test", context=None, files=None, args=(), **kw):
        """Builds a Dockerfile given as text; files: name → text or bytes of the context."""
        with tempfile.TemporaryDirectory() as scratch:
            where = pathlib.Path(context or scratch)
            for name, content in (files or {}).items():
                write(where / name, content)
            path = pathlib.Path(scratch) / "Dockerfile.test"
            path.write_text(dockerfile)
            return self.run("build", "-t", tag, "-f", path, "--progress", "plain", *args, where, **kw)

    def json(self, *args):
        return json.loads(self.run(*args, "--format", "json").stdout)

    def config(self, name):
        return json.loads(self.run("inspect", "--config", name).stdout)

    def image_id(self, name):
        return self.json("images", name)[0]["Id"]

    def digest(self, name):
        return self.json("images", name)[0]["Digest"]

    def sound(self):
        done = self.run("gc", "--check", check=False)
        assert done.returncode == 0, done.out + done.err


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content)


@pytest.fixture
def serve(cruet):
    """Starts servers over the test's store; each must end well."""
    from serving import Server  # which needs what is above
    running = []

    def start(*args, **kw):
        running.append(Server(cruet, *args, **kw))
        return running[-1]

    yield start
    for s in running:
        if s.process.poll() is None:
            assert s.stop() == 0, s.errors
    cruet.sound()


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """broken("syncfs", "error=EIO:when=2") makes system calls of the program fail from then on; broken() ends it."""
    real = CRUET

    def start(*pairs):
        faults = [f"--inject={call}:{how}" for call, how in zip(pairs[::2], pairs[1::2])]
        wrapper = tmp_path / "broken-cruet"
        wrapper.write_text("#!/bin/sh\nexec " + shlex.join(
            ["strace", "-D", "-f", "-E", "ASAN_OPTIONS=detect_leaks=0", "-qq", "--seccomp-bpf", "-o", "/dev/null", f"--trace={','.join(pairs[::2])}", *faults, str(real)]) + ' "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setattr(sys.modules[__name__], "CRUET", str(wrapper) if pairs else real)

    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode if shutil.which("strace") else True:
        pytest.skip("no strace, or it may not trace")
    return start


@pytest.fixture
def cruet(tmp_path):
    c = Cruet(tmp_path / "store")
    yield c
    shutil.rmtree(tmp_path / "store", ignore_errors=True)


@pytest.fixture(scope="session")
def shared():
    if not (SHARED / "data").is_dir():
        pytest.skip(f"the shared test data is absent ({SHARED}/data)")
    return SHARED / "data"


@pytest.fixture(scope="session")
def alpine_tar(shared):
    found = sorted(shared.glob(f"alpine/alpine-minirootfs-*-{os.uname().machine}.tar.gz"))
    if not found:
        pytest.skip("no Alpine root file system for this machine")
    return found[0]


@pytest.fixture(scope="session")
def base_tar(tmp_path_factory):
    """A root file system of Debian's static busybox, for tests that need no Alpine."""
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("busybox-static is not installed")
    top = tmp_path_factory.mktemp("busybox")
    tree = top / "tree"
    for name in ("bin", "etc", "tmp", "root", "home/app"):
        (tree / name).mkdir(parents=True)
    (tree / "tmp").chmod(0o1777)
    shutil.copy(busybox, tree / "bin/busybox")
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (tree / "bin" / applet).symlink_to("busybox")
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\napps:x:1001:\nextra:x:1002:app\n")
    tar = top / "busybox.tar"
    subprocess.run(["tar", "--sort=name", "--mtime=@1000000000", "--owner=0", "--group=0", "-C", tree, "-cf", tar, "."],
                   check=True)
    return tar


@pytest.fixture
def based(cruet, base_tar):
    """A store with the image `base`."""
    cruet.run("import", "-t", "base", "--change", 'CMD ["/bin/sh"]', base_tar)
    return cruet


@pytest.fixture
def alpined(cruet, alpine_tar):
    """A store with the image `alpine`."""
    cruet.run("import", "-t", "alpine", "--change", 'CMD ["/bin/sh"]', alpine_tar)
    return cruet


@pytest.fixture(scope="session")
def docker(tmp_path_factory):
    yield from engines.started(engines.Docker, "/usr/sbin/dockerd", tmp_path_factory)


@pytest.fixture(scope="session")
def containerd(tmp_path_factory):
    yield from engines.started(engines.Containerd, "/usr/bin/containerd", tmp_path_factory)
