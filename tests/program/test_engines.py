"""Images of cruet in other people's engines: loaded, unpacked and run there."""
import json
import subprocess

import pytest

import trees

pytestmark = [pytest.mark.engines]
APP = """FROM base
RUN mkdir -p /srv/app && echo hello > /srv/app/text && chown -R 1000:1001 /srv/app && rm /home/app -r && ln /srv/app/text /srv/hard
COPY tool /usr/bin/tool
ENV WHO=world
USER app
WORKDIR /srv/app
ENTRYPOINT ["/usr/bin/tool"]
CMD ["from", "cmd"]
"""
TOOL = '#!/bin/sh\necho "$(cat text) $WHO $(id -u):$(id -g) $(pwd) $*"; test ! -e /home/app && stat -c %h text\n'
SAYS = "hello world 1000:1001 /srv/app from cmd\n2\n"


@pytest.fixture
def app(based, tmp_path):
    context = tmp_path / "context"
    context.mkdir()
    (context / "tool").write_text(TOOL)
    (context / "tool").chmod(0o755)
    based.build(APP, tag="app", context=context)
    assert based.run("run", "app").out == SAYS
    return based


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_docker_loads_and_runs(app, docker, tmp_path, compression):
    app.build("FROM app\nLABEL how=" + compression, tag="app", args=["--compression", compression])
    app.run("save", "-o", tmp_path / "app.tar", "--format", "docker", "app")
    docker.call("load", "-i", tmp_path / "app.tar")
    seen = json.loads(docker.call("image", "inspect", "app").stdout)[0]
    assert seen["Id"] == app.image_id("app")
    assert docker.call("run", "--rm", "--network", "host", "app").stdout.decode() == SAYS
    docker.call("rmi", "app")


def test_docker_gives_back_what_it_got(app, docker, tmp_path):
    app.run("save", "-o", tmp_path / "ours.tar", "--format", "docker", "app")
    docker.call("load", "-i", tmp_path / "ours.tar")
    docker.call("save", "-o", tmp_path / "theirs.tar", "app")
    app.run("tag", "app", "before")
    app.run("load", tmp_path / "theirs.tar")
    assert app.image_id("app") == app.image_id("before")
    docker.call("rmi", "app")


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_containerd_imports_and_runs(app, containerd, tmp_path, compression):
    app.build("FROM app\nLABEL how=" + compression, tag="app:" + compression, args=["--compression", compression])
    app.run("save", "-o", tmp_path / "app.tar", "--format", "oci", "app:" + compression)
    containerd.ctr("images", "import", tmp_path / "app.tar")
    name = "docker.io/library/app:" + compression
    assert app.digest("app:" + compression) in containerd.ctr("images", "ls").stdout.decode()
    assert containerd.ctr("run", "--rm", "--net-host", "--snapshotter", "native", name, compression).stdout.decode() == SAYS


def test_buildah_reads_the_archive_and_its_own_build_loads(app, tmp_path):
    buildah = ["buildah", "--root", tmp_path / "root", "--runroot", tmp_path / "runroot", "--storage-driver", "vfs"]

    def call(*args):
        done = subprocess.run([*map(str, buildah), *map(str, args)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    app.run("save", "-o", tmp_path / "app.tar", "--format", "oci", "app")
    container = call("from", f"oci-archive:{tmp_path}/app.tar")
    mounted = call("mount", container)
    app.run("unpack", "app", tmp_path / "ours")
    assert trees.directory(tmp_path / "ours") == trees.directory(mounted)
    call("config", "--label", "by=buildah", container)
    call("commit", "--format", "oci", container, f"oci-archive:{tmp_path}/theirs.tar:app:theirs")
    app.run("load", tmp_path / "theirs.tar")
    assert app.config("app:theirs")["config"]["Labels"]["by"] == "buildah"
    assert app.run("run", "app:theirs").out == SAYS
