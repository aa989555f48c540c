"""Other people's clients push to and pull from `cruet serve`; digests and trees are compared."""
import json
import os
import shutil
import subprocess

import pytest

import engines
import serving
import trees
from conftest import Cruet
from serving import Server

pytestmark = [pytest.mark.engines]


@pytest.fixture
def app(based):
    """The image app, and its digest."""
    based.build("FROM base\nRUN mkdir /srv && echo served > /srv/text && ln /srv/text /srv/hard\nLABEL a=b\nCMD [\"cat\", \"/srv/text\"]\n", tag="app:1")
    return based


@pytest.fixture
def server(app):
    s = Server(app)
    yield s
    assert s.stop() == 0
    app.sound()


def call(*args, **kw):
    done = subprocess.run([*map(str, args)], capture_output=True, text=True, check=False, **kw)
    assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def layers(server, name, tag):
    return [d["digest"] for d in server.get(f"/v2/{name}/manifests/{tag}").json()["layers"]]


def same_tree(cruet, tmp_path, a, b):
    cruet.run("unpack", a, tmp_path / "a")
    cruet.run("unpack", b, tmp_path / "b")
    assert trees.directory(tmp_path / "a") == trees.directory(tmp_path / "b")


def test_docker(app, server, docker, tmp_path):
    name = f"{server.host}/app:1"
    docker.call("pull", name)
    seen = json.loads(docker.call("image", "inspect", name).stdout)[0]
    assert seen["Id"] == app.image_id("app:1")
    assert seen["RepoDigests"] == [f"{server.host}/app@{app.digest('app:1')}"]
    assert docker.call("run", "--rm", "--network", "host", name).stdout == b"served\n"
    docker.call("tag", name, f"{server.host}/team/fromdocker:2")
    pushed = docker.call("push", f"{server.host}/team/fromdocker:2").stdout.decode()
    assert app.digest("team/fromdocker:2") in pushed
    assert app.image_id("team/fromdocker:2") == app.image_id("app:1")
    same_tree(app, tmp_path, "app:1", "team/fromdocker:2")
    assert app.run("run", "team/fromdocker:2").out == "served\n"
    docker.call("pull", f"{server.host}/app@{app.digest('app:1')}")
    docker.call("rmi", "-f", seen["Id"])


def test_docker_pushes_what_is_new(app, server, docker, tmp_path, base_tar):
    docker.call("import", base_tar, f"{server.host}/imported:1")
    docker.call("push", f"{server.host}/imported:1")
    assert app.run("run", "imported:1", "/bin/echo", "hi").out == "hi\n"
    docker.call("rmi", f"{server.host}/imported:1")
    docker.call("pull", f"{server.host}/imported:1")
    docker.call("rmi", f"{server.host}/imported:1")


def test_docker_with_a_password(app, docker, tmp_path):
    s = Server(app, "--htpasswd", serving.htpasswd(tmp_path / "users", "ann", "pw"))
    assert docker.call("pull", f"{s.host}/app:1", check=False).returncode != 0
    assert docker.call("login", s.host, "-u", "ann", "--password-stdin", input=b"wrong", check=False).returncode != 0
    docker.call("login", s.host, "-u", "ann", "--password-stdin", input=b"pw")
    docker.call("pull", f"{s.host}/app:1")
    docker.call("tag", f"{s.host}/app:1", f"{s.host}/private:1")
    docker.call("push", f"{s.host}/private:1")
    docker.call("rmi", f"{s.host}/app:1", f"{s.host}/private:1")
    docker.call("logout", s.host)
    assert s.stop() == 0


@pytest.mark.parametrize("how", ["flag", "hosts", "mirror"])
def test_containerd(app, server, containerd, tmp_path, how):
    """Told by a flag, by a hosts directory, and as the mirror of docker.io."""
    hosts = tmp_path / "hosts"
    folder = hosts / ("docker.io" if how == "mirror" else server.host)
    folder.mkdir(parents=True)
    (folder / "hosts.toml").write_text(f'server = "http://{server.host}"\n[host."http://{server.host}"]\n  capabilities = ["pull", "resolve", "push"]\n')
    flags = ["--plain-http"] if how == "flag" else ["--hosts-dir", hosts]
    name = "docker.io/library/app:1" if how == "mirror" else f"{server.host}/app:1"
    containerd.ctr("images", "pull", *flags, "--snapshotter", "native", name)
    listed = containerd.ctr("images", "ls", f"name=={name}").stdout.decode()
    assert app.digest("app:1") in listed
    assert containerd.ctr("run", "--rm", "--net-host", "--snapshotter", "native", name, f"serve-{how}").stdout == b"served\n"
    if how != "mirror":
        target = f"{server.host}/team/ctr:{how}"
        containerd.ctr("images", "tag", name, target)
        containerd.ctr("images", "push", *flags, target)
        assert app.digest(f"team/ctr:{how}") == app.digest("app:1")
        containerd.ctr("images", "rm", target)
    containerd.ctr("images", "rm", name)


@pytest.mark.parametrize("tls", [False, True])
def test_skopeo(app, tmp_path, tls):
    options = []
    if tls:
        cert, key = serving.certificate(tmp_path)
        options = ["--tls-cert", cert, "--tls-key", key]
        (tmp_path / "certs").mkdir()
        shutil.copy(cert, tmp_path / "certs/ca.crt")
    s = Server(app, *options, "--htpasswd", serving.htpasswd(tmp_path / "users", "ann", "pw"))
    src, dest = (["--src-cert-dir", tmp_path / "certs"], ["--dest-cert-dir", tmp_path / "certs"]) if tls else (["--src-tls-verify=false"], ["--dest-tls-verify=false"])
    src += ["--src-creds", "ann:pw"]
    dest += ["--dest-creds", "ann:pw"]
    call("skopeo", "copy", *src, f"docker://{s.host}/app:1", f"oci:{tmp_path}/layout:app")
    index = json.loads((tmp_path / "layout/index.json").read_text())
    assert index["manifests"][0]["digest"] == app.digest("app:1")
    call("skopeo", "copy", *dest, f"oci:{tmp_path}/layout:app", f"docker://{s.host}/team/skopeo:1")
    assert app.digest("team/skopeo:1") == app.digest("app:1")
    call("skopeo", "copy", *src, *dest, "--format", "v2s2", f"docker://{s.host}/app:1", f"docker://{s.host}/team/v2s2:1")
    assert s.call("GET", "/v2/team/v2s2/manifests/1", headers={"Authorization": "Basic YW5uOnB3"})["Content-Type"] == "application/vnd.docker.distribution.manifest.v2+json"
    same_tree(app, tmp_path, "app:1", "team/v2s2:1")
    flags = ["--cert-dir", tmp_path / "certs"] if tls else ["--tls-verify=false"]
    tags = json.loads(call("skopeo", "list-tags", *flags, "--creds", "ann:pw", f"docker://{s.host}/team/skopeo"))
    assert tags["Tags"] == ["1"]
    call("skopeo", "delete", *flags, "--creds", "ann:pw", f"docker://{s.host}/team/skopeo:1")
    assert "skopeo" not in app.run("images").out
    assert s.stop() == 0
    app.sound()


def test_skopeo_copies_an_index_with_all_it_names(app, server, tmp_path):
    repo = serving.Repo(server, "team/multi")
    manifest = server.get("/v2/app/manifests/1")
    repo.manifest(manifest.body)
    other, _ = repo.image(None, {"f": os.urandom(10)})
    index, done = repo.manifest(serving.index_of((manifest.body, serving.OCI_MANIFEST, {"platform": {"os": "linux", "architecture": "amd64"}}),
                                                 (other, serving.OCI_MANIFEST, {"platform": {"os": "linux", "architecture": "arm64"}})), "all", serving.OCI_INDEX)
    assert done.status == 201
    call("skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{server.host}/team/multi:all", f"oci:{tmp_path}/layout:all")
    call("skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{tmp_path}/layout:all", f"docker://{server.host}/team/copy:all")
    assert server.get("/v2/team/copy/manifests/all").body == index
    assert app.run("run", "team/copy:all").out == "served\n"


def test_buildah(app, server, tmp_path):
    buildah = ["buildah", "--root", tmp_path / "root", "--runroot", tmp_path / "runroot", "--storage-driver", "vfs"]
    container = call(*buildah, "from", "--tls-verify=false", f"docker://{server.host}/app:1")
    mounted = call(*buildah, "mount", container)
    app.run("unpack", "app:1", tmp_path / "ours")
    assert trees.directory(tmp_path / "ours") == trees.directory(mounted)
    call(*buildah, "config", "--label", "by=buildah", container)
    call(*buildah, "commit", "--format", "oci", "--tls-verify=false", container, f"docker://{server.host}/team/buildah:1")
    assert app.config("team/buildah:1")["config"]["Labels"]["by"] == "buildah"
    assert app.run("run", "team/buildah:1").out == "served\n"
    assert layers(server, "team/buildah", "1")[: 1] == layers(server, "app", "1")[:1]
    call(*buildah, "rmi", "-af")


def test_pull_through_of_a_registry(based, tmp_path):
    """What docker-registry has is handed on and kept: it answers when the upstream is gone."""
    upstream = engines.Registry(tmp_path / "upstream")
    name = f"{upstream.host}/team/base:1"
    based.run("tag", "base", name)
    digest = based.run("push", name).out.split()[1]
    mirror = Server(Cruet(tmp_path / "mirror"), "--mirror", upstream.host)
    call("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{mirror.host}/team/base:1", f"oci:{tmp_path}/one:x")
    upstream.close()
    call("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{mirror.host}/team/base:1", f"oci:{tmp_path}/two:x")
    assert mirror.get(f"/v2/team/base/manifests/{digest}").status == 200
    assert mirror.stop() == 0
