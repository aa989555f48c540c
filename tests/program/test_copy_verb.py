"""`cruet copy` between registries, layouts, archives and the store; skopeo, docker and umoci read what it made."""
import json
import subprocess
import tarfile

import pytest

import engines
import serving
import trees
from conftest import Cruet
from serving import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Repo, descriptor, digest, image_manifest, index_of, text

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    yield from engines.started(engines.Registry, "/usr/bin/docker-registry", tmp_path_factory)


@pytest.fixture
def server(tmp_path):
    """A cruet serve whose store has team/app (two platforms, one signed) and other tags."""
    running = serving.Server(Cruet(tmp_path / "served"))
    yield running
    assert running.stop() == 0, running.errors


@pytest.fixture
def source(server):
    """Two platforms under one index with a signature and a cosign tag: (server, name, index bytes, manifests)."""
    repo = Repo(server, "team/app")
    manifests = [repo.image(files={"etc/arch": arch.encode()})[0] for arch in ("amd64", "arm64")]
    index = text(index_of(*((m, OCI_MANIFEST, {"platform": {"os": "linux", "architecture": a}})
                            for m, a in zip(manifests, ("amd64", "arm64")))))
    assert repo.manifest(index, "1", OCI_INDEX)[1].status == 201
    repo.blob(b"{}")
    repo.manifest(text(image_manifest(b"{}", [], config_type=OCI_EMPTY, artifactType="application/x.signature",
                                      subject=descriptor(index, OCI_INDEX))))
    repo.image(tag=digest(index).replace(":", "-") + ".sig", files={"signature": b"s"})
    return server, f"{server.host}/team/app", index, manifests


def inspect(name):
    return subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", name], capture_output=True, check=True).stdout


def test_registry_to_registry(cruet, source, registry):
    _, name, index, _ = source
    target = f"{registry.host}/copied/app"
    assert cruet.run("copy", f"docker://{name}:1", f"docker://{target}:2").out == f"2 {digest(index)}\n"
    assert inspect(f"docker://{target}:2") == index
    for arch in ("amd64", "arm64"):
        config = subprocess.run(["skopeo", "inspect", "--config", "--tls-verify=false", "--override-arch", arch, f"docker://{target}:2"],
                                capture_output=True, check=True).stdout
        assert json.loads(config)["os"] == "linux"
    assert not list((cruet.root / "blobs/sha256").iterdir())  # nothing went through the store


def test_what_is_there_is_not_sent_again_and_neighbours_are_mounted(cruet, source, registry):
    _, name, _, _ = source
    first, second = f"docker://{registry.host}/mounted/a:1", f"docker://{registry.host}/mounted/b:1"
    cruet.run("copy", f"docker://{name}:1", first)
    again = cruet.run("--debug=registry", "copy", f"docker://{name}:1", first).err
    assert "> POST" not in again and "> PATCH" not in again
    mounted = cruet.run("--debug=registry", "copy", first, second).err
    assert "from=mounted%2Fa" in mounted and "> PATCH" not in mounted and "/blobs/sha256" not in "".join(
        line for line in mounted.splitlines() if "> GET" in line)
    assert inspect(second) == inspect(first)


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
def test_layouts_and_back(cruet, source, registry, tmp_path, kind):
    _, name, index, manifests = source
    place = f"{kind}:{tmp_path}/x:v1"
    assert cruet.run("copy", f"docker://{name}:1", place).out == f"v1 {digest(index)}\n"
    assert inspect(place) == index
    target = f"docker://{registry.host}/back/{kind}:1"
    cruet.run("copy", place, target)
    assert inspect(target) == index
    cruet.run("copy", place, "local:1", "--platform", "linux/arm64")
    assert cruet.run("manifest", "local:1").stdout == manifests[1]
    assert "v1" in cruet.fails(7, "copy", f"{kind}:{tmp_path}/x:none", "local:2").split("hint:")[1]


def test_images_are_added_to_a_layout(cruet, source, tmp_path):
    _, name, index, manifests = source
    place = f"oci:{tmp_path}/layout"
    cruet.run("copy", f"docker://{name}:1", f"{place}:one")
    cruet.run("copy", "--platform", "linux/arm64", f"docker://{name}:1", f"{place}:two")
    cruet.run("copy", "--platform", "linux/amd64", f"docker://{name}:1", f"{place}:two")
    assert inspect(f"{place}:one") == index and inspect(f"{place}:two") == manifests[0]
    assert "say which" in cruet.fails(2, "copy", place, "local:1")
    assert "exists" in cruet.fails(15, "copy", f"{place}:one", f"oci-archive:{tmp_path}/layout/index.json")


def test_docker_archives(based, docker, registry, tmp_path):
    archive = f"docker-archive:{tmp_path}/a.tar:made/here:3"
    based.run("copy", "base", archive)
    docker.call("load", "-q", "-i", tmp_path / "a.tar")
    assert docker.call("run", "--rm", "--network", "host", "made/here:3", "echo", "hi").stdout == b"hi\n"
    names = based.run("images", "-q").out
    target = f"{registry.host}/from/docker:1"
    based.run("copy", archive, f"docker://{target}")
    based.run("copy", f"docker-archive:{tmp_path}/a.tar", f"docker://{target}")
    assert based.run("images", "-q").out == names
    based.run("copy", f"docker://{target}", "fetched")
    based.run("unpack", "fetched", tmp_path / "after")
    based.run("unpack", "base", tmp_path / "before")
    assert trees.directory(tmp_path / "before") == trees.directory(tmp_path / "after")


def test_all_tags(cruet, source, registry, tmp_path):
    server, name, index, _ = source
    repo = Repo(server, "team/app")
    for tag in ("2", "3"):
        repo.image(tag=tag, files={"tag": tag.encode()})
    target = f"{registry.host}/copied/all"
    cruet.run("copy", "--all-tags", f"docker://{name}", f"docker://{target}")
    assert cruet.run("ls", target).out == cruet.run("ls", name).out
    cruet.run("copy", "-a", f"docker://{name}", f"oci:{tmp_path}/all")
    cruet.run("copy", "-a", f"oci:{tmp_path}/all", f"docker://{registry.host}/copied/again")
    assert cruet.run("ls", f"{registry.host}/copied/again").out == cruet.run("ls", name).out
    for tag in ("1", "2", "3"):
        assert inspect(f"docker://{registry.host}/copied/again:{tag}") == inspect(f"docker://{name}:{tag}")


def test_all_tags_through_a_docker_archive(cruet, server, docker, tmp_path):
    repo = Repo(server, "team/many")
    wanted = {f"v{n}": repo.image(tag=f"v{n}", files={"tag": bytes([n])})[0] for n in range(3)}
    name = f"docker://{server.host}/team/many"
    assert "docker-archive:FILE:NAME" in cruet.fails(2, "copy", "-a", name, f"docker-archive:{tmp_path}/none.tar")
    archive = f"docker-archive:{tmp_path}/all.tar"
    cruet.run("copy", "-a", name, f"{archive}:my/app")
    docker.call("load", "-q", "-i", tmp_path / "all.tar")
    assert docker.call("images", "-q", "my/app").stdout.count(b"\n") == 3
    assert "say which" in cruet.fails(2, "copy", archive, f"oci:{tmp_path}/one")
    cruet.run("copy", f"{archive}:my/app:v1", f"oci:{tmp_path}/one:1")
    assert inspect(f"oci:{tmp_path}/one:1") == wanted["v1"]
    cruet.run("copy", "-a", archive, f"docker://{server.host}/team/back")
    assert {tag: inspect(f"docker://{server.host}/team/back:{tag}") for tag in cruet.run("ls", f"{server.host}/team/back").out.split()} == wanted


@pytest.mark.parametrize("through", ["registry", "layout", "archive"])
def test_referrers_come_along(cruet, source, registry, server, tmp_path, through):
    """To a registry without the API (docker-registry), and through a layout to one with it."""
    _, name, index, _ = source
    listed = cruet.json("referrers", f"{name}:1")
    assert len(listed) == 1
    target = {"registry": f"docker://{registry.host}/signed/app:1", "layout": f"oci:{tmp_path}/l:1", "archive": f"oci-archive:{tmp_path}/l:1"}[through]
    cruet.run("copy", "--referrers", f"docker://{name}:1", target)
    if through != "registry":
        source_place, target = target, f"docker://{server.host}/second/app:1"
        cruet.run("copy", "--referrers", source_place, target)
    assert cruet.json("referrers", target) == listed
    assert digest(index).replace(":", "-") + ".sig" in cruet.run("ls", target.rsplit(":", 1)[0]).out.split()


def signature(index, name):
    return text(image_manifest(b"{}", [], config_type=OCI_EMPTY, artifactType=f"application/x.{name}", subject=descriptor(index, OCI_INDEX)))


@pytest.mark.parametrize("through", ["registry", "layout"])
@pytest.mark.parametrize("api", [True, False])
def test_the_list_that_a_target_has_is_kept(cruet, source, registry, tmp_path, api, through):
    """Both have a list of referrers (a tag, where there is no API), with another signature each: then the target has both."""
    server, name, index, _ = source
    registry_path = f"{registry.host}/both/{through}{api}".lower()
    first = f"{registry_path}/first"
    second = f"{server.host}/both/second" if api else f"{registry_path}/second"
    cruet.run("copy", "--referrers", f"docker://{name}:1", f"docker://{first}:1")
    cruet.run("copy", f"docker://{name}:1", f"docker://{second}:1")
    there = serving.Server(Cruet(tmp_path / "other"))
    repo = Repo(there, "team/app")
    for arch in ("amd64", "arm64"):
        repo.image(files={"etc/arch": arch.encode()})
    assert repo.manifest(index, "1", OCI_INDEX)[1].status == 201
    repo.blob(b"{}")
    repo.manifest(signature(index, "second"))
    cruet.run("copy", "--referrers", f"docker://{there.host}/team/app:1", f"docker://{second}:1")
    there.stop()
    if through == "layout":  # whose list is a tag, too: nothing else says what refers
        cruet.run("copy", "--all-tags", f"docker://{first}", f"oci:{tmp_path}/l")
    place = f"docker://{first}" if through == "registry" else f"oci:{tmp_path}/l"
    done = cruet.run("copy", "--all-tags", "--referrers", place, f"docker://{second}")
    kinds = sorted(r["artifactType"] for r in cruet.json("referrers", f"docker://{second}:1"))
    assert kinds == ["application/x.second", "application/x.signature"]
    tag = digest(index).replace(":", "-")
    assert (tag in cruet.run("ls", second).out.split()) == (not api) and f"{tag} " not in done.out


def test_tags_are_listed_once(cruet, source, registry):
    server, name, _, _ = source
    Repo(server, "team/app").image(tag="2", files={"tag": b"2"})
    trace = cruet.run("--debug=registry", "copy", "-a", "--referrers", f"docker://{name}", f"docker://{registry.host}/listed/once").err
    assert sum("/tags/list" in line for line in trace.splitlines() if "> GET" in line) == 1


def test_recompression(cruet, source, registry, tmp_path):
    _, name, index, manifests = source
    target = f"docker://{registry.host}/zstd/app:1"
    out = cruet.run("copy", "--compression", "zstd", f"docker://{name}:1", target, "--digestfile", tmp_path / "digest").out
    assert (tmp_path / "digest").read_text() == out.split()[1] + "\n" and out.split()[1] != digest(index)
    for entry, old in zip(json.loads(inspect(target))["manifests"], manifests):
        manifest = json.loads(inspect(f"docker://{registry.host}/zstd/app@{entry['digest']}"))
        assert all(layer["mediaType"].endswith("+zstd") for layer in manifest["layers"])
        assert manifest["config"]["digest"] == json.loads(old)["config"]["digest"]
    subprocess.run(["skopeo", "copy", "-q", "--src-tls-verify=false", target, f"oci:{tmp_path}/read:1"], check=True)
    again = cruet.run("copy", "--compression", "gzip", target, f"docker://{registry.host}/zstd/back:1").out
    assert cruet.run("copy", "--compression", "gzip", f"docker://{registry.host}/zstd/back:1", f"oci:{tmp_path}/same:1").out == again


def test_what_is_wrong_does_not_land(cruet, source, registry, tmp_path):
    """A blob of the layout is damaged: nothing is named at the target, no archive appears."""
    _, name, _, manifests = source
    cruet.run("copy", f"docker://{name}:1", f"oci:{tmp_path}/bad:1")
    layer = json.loads(manifests[0])["layers"][0]["digest"].split(":")[1]
    path = tmp_path / "bad/blobs/sha256" / layer
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    cruet.fails(6, "copy", f"oci:{tmp_path}/bad:1", "local:1")
    assert cruet.json("images") == []
    cruet.fails(6, "copy", f"oci:{tmp_path}/bad:1", f"oci-archive:{tmp_path}/out.tar:1")
    cruet.fails(6, "copy", f"oci:{tmp_path}/bad:1", f"oci:{tmp_path}/out:1")
    told = cruet.fails(6, "copy", f"oci:{tmp_path}/bad:1", f"docker://{registry.host}/bad/app:1")
    assert digest(path.read_bytes()) in told and layer[:12] in told
    assert "NAME_UNKNOWN" in cruet.fails(7, "ls", f"{registry.host}/bad/app")
    assert not (tmp_path / "out.tar").exists() and not (tmp_path / "out/index.json").exists()
    path.unlink()
    cruet.fails(7, "copy", f"oci:{tmp_path}/bad:1", "local:1")


def test_a_target_with_another_digest(cruet, source, registry, tmp_path):
    """Nothing is put where something else is named."""
    _, name, index, manifests = source
    right, wrong = f"{registry.host}/named/app@{digest(index)}", f"{registry.host}/named/app:1@{digest(manifests[0])}"
    assert digest(index) in cruet.fails(2, "copy", f"docker://{name}:1", f"docker://{wrong}")
    assert "NAME_UNKNOWN" in cruet.fails(7, "ls", f"{registry.host}/named/app")
    cruet.fails(2, "copy", "--compression", "zstd", f"docker://{name}:1", f"docker://{right}")
    cruet.fails(2, "copy", f"docker://{name}:1", f"local:1@{digest(manifests[0])}")
    cruet.run("copy", f"docker://{name}:1", f"docker://{right}")
    cruet.run("copy", "--platform", "linux/amd64", f"docker://{name}:1", f"docker://{wrong}")
    assert inspect(f"docker://{right}") == index


def test_artifacts_are_no_docker_archives(cruet, server, tmp_path):
    repo = Repo(server, "team/chart")
    chart, config = b"a chart", b'{"name": "chart"}'
    for blob in (chart, config):
        repo.blob(blob)
    content, done = repo.manifest(text(image_manifest(config, [chart], config_type="application/vnd.cncf.helm.config.v1+json",
                                                      layer_type="application/vnd.cncf.helm.chart.content.v1.tar+gzip")), "1")
    assert done.status == 201
    name = f"docker://{server.host}/team/chart:1"
    assert "artifact" in cruet.fails(11, "copy", name, f"docker-archive:{tmp_path}/x.tar:chart:1")
    assert not (tmp_path / "x.tar").exists()
    cruet.run("copy", name, f"oci-archive:{tmp_path}/x.tar:1")
    cruet.run("copy", f"oci-archive:{tmp_path}/x.tar:1", f"docker://{server.host}/other/chart:2")
    assert inspect(f"docker://{server.host}/other/chart:2") == content


def test_the_store_both_ways(based, server, tmp_path):
    wanted = based.digest("base")
    based.run("copy", "base", f"docker://{server.host}/x/base:1")
    based.run("copy", f"docker://{server.host}/x/base:1", "again:7")
    based.run("copy", "again:7", "third")
    assert based.digest("again:7") == based.digest("third") == wanted
    based.run("copy", "base", f"oci-archive:{tmp_path}/a.tar:1")
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert "index.json" in tar.getnames()
    assert "'none'" in based.fails(7, "copy", "none", "other")
    assert "contradict" in based.fails(2, "copy", "base", "x", "--platform", "linux/amd64", "--all-platforms")


def test_two_sides_with_their_own_credentials(based, source, tmp_path):
    """Each side's are asked for by its own flag; TLS of one side is checked while the other's is not."""
    _, name, index, _ = source
    cert, key = serving.certificate(tmp_path)
    (tmp_path / "a").mkdir()
    users = [serving.htpasswd(tmp_path / "users1", "ann", "one"), serving.htpasswd(tmp_path / "users2", "bob", "two")]
    first = serving.Server(Cruet(tmp_path / "a/first"), "--htpasswd", users[0])
    second = serving.Server(Cruet(tmp_path / "a/second"), "--htpasswd", users[1], "--tls-cert", cert, "--tls-key", key)
    one, two = f"docker://{first.host}/x:1", f"docker://{second.host}/y:1"
    based.run("copy", "--dest-creds", "ann:one", f"docker://{name}:1", one)
    based.fails(4, "copy", "--src-creds", "ann:one", "--dest-tls-verify=false", one, two)
    based.fails(5, "copy", "--src-creds", "ann:one", "--dest-creds", "bob:two", one, two)
    based.run("copy", "--src-creds", "ann:one", "--dest-creds", "bob:two", "--dest-tls-verify=false", one, two)
    assert digest(index) in based.run("digest", "--creds", "bob:two", "--tls-verify=false", two).out
    assert first.stop() == second.stop() == 0
