"""`cruet index`: images of several platforms under one name, out of builds that each made one; skopeo, docker and ctr read it."""
import json
import subprocess

import pytest

import conftest
import engines
import serving
from conftest import Cruet
from serving import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Repo, digest, image_manifest, index_of, text

pytestmark = pytest.mark.engines
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    yield from engines.started(engines.Registry, "/usr/bin/docker-registry", tmp_path_factory)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A store with app:ARCH and new:ARCH, each from a build of its own."""
    store = Cruet(tmp_path_factory.mktemp("built") / "store")
    for name in ("app", "new"):
        for arch in ("amd64", "arm64", "arm/v7"):
            tag = f"{name}:{arch.replace('/', '')}"
            store.build("FROM scratch\nCOPY arch /arch\n", tag=tag, files={"arch": f"{name} {arch}"}, args=["--platform", f"linux/{arch}"])
    return store


@pytest.fixture
def parts(built):
    """The store, and the digests of its images by name."""
    yield built, {n: built.digest(n) for n in ("app:amd64", "app:arm64", "app:armv7", "new:amd64", "new:arm64")}
    built.run("rmi", *[n for n in built.run("images", "--format", "names").out.split() if n.split(":")[0] not in ("app", "new")] or ["none:1"], check=False)


def raw(name):
    return subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", name], capture_output=True, check=True).stdout


def members(index):
    """(platform, digest) of each entry."""
    value = json.loads(index)
    return [("/".join(filter(None, (m["platform"][k] if k in m["platform"] else "" for k in ("os", "architecture", "variant")))), m["digest"])
            for m in value["manifests"]]


def read(cruet, tmp_path, name, arch):
    """What the image of that platform has in /arch."""
    target = tmp_path / f"tree-{arch.replace('/', '')}"
    cruet.run("pull", "-q", "--platform", f"linux/{arch}", name)
    cruet.run("unpack", "--platform", f"linux/{arch}", name, target)
    return (target / "arch").read_text()


def test_two_builds_become_one_image(parts, cruet, registry, docker, containerd, tmp_path):
    store, digests = parts
    name = f"{registry.host}/team/app:1"
    out = store.run("index", "create", f"docker://{name}", "app:amd64", "app:arm64", "app:armv7").out
    index = raw(f"docker://{name}")
    assert out == f"{name} {digest(index)}\n" and json.loads(index)["mediaType"] == OCI_INDEX
    assert members(index) == [("linux/amd64", digests["app:amd64"]), ("linux/arm64", digests["app:arm64"]), ("linux/arm/v7", digests["app:armv7"])]
    for arch in ("amd64", "arm64", "arm/v7"):
        assert read(cruet, tmp_path, name, arch) == f"app {arch}"
    for arch in ("amd64", "arm64", "arm/v7"):
        docker.call("pull", "-q", "--platform", f"linux/{arch}", name)
        assert json.loads(docker.call("image", "inspect", name).stdout)[0]["Id"] == store.image_id(f"app:{arch.replace('/', '')}")
    docker.call("rmi", name)
    containerd.ctr("images", "pull", "--plain-http", "--snapshotter", "native", "--platform", "linux/arm64", name)
    assert digest(index) in containerd.ctr("images", "ls", f"name=={name}").stdout.decode()
    containerd.ctr("images", "rm", name)
    subprocess.run(["skopeo", "copy", "-q", "--all", "--src-tls-verify=false", f"docker://{name}", f"oci:{tmp_path}/all:x"], check=True)
    assert f"app:1 {digest(index)}\n" in store.run("index", "create", f"docker://{name}", "app:amd64", "app:arm64", "app:armv7").out


def test_out_of_a_registry(parts, cruet, registry):
    """Each build pushed its own image, to another repository: what is there is mounted."""
    store, digests = parts
    names = [f"{registry.host}/parts/{arch}:1" for arch in ("amd64", "arm64")]
    for name in names:
        store.run("tag", f"app:{name.split('/')[2].split(':')[0]}", name)
        store.run("push", "-q", name)
    target = f"docker://{registry.host}/whole/app:1"
    traced = cruet.run("--debug=registry", "index", "create", target, *(f"docker://{n}" for n in names)).err
    assert "from=parts%2Famd64" in traced and "from=parts%2Farm64" in traced and "> PATCH" not in traced
    assert [d for _, d in members(raw(target))] == [digests["app:amd64"], digests["app:arm64"]]
    same = f"docker://{registry.host}/parts/amd64:both"
    cruet.run("index", "create", same, *(f"docker://{n}" for n in names))
    assert raw(same) == raw(target)
    assert cruet.run("images", "-q").out == ""


def test_in_the_store(parts, cruet, registry, tmp_path):
    store, digests = parts
    out = store.run("index", "create", "multi:1", "app:amd64", "app:arm64").out
    assert out == f"multi:1 {store.run('digest', 'multi:1').out}"
    assert members(store.run("manifest", "multi:1").stdout) == [("linux/amd64", digests["app:amd64"]), ("linux/arm64", digests["app:arm64"])]
    store.sound()
    name = f"{registry.host}/pushed/multi:1"
    store.run("tag", "multi:1", name)
    assert store.run("push", name).out.split()[1] == out.split()[1]
    assert read(cruet, tmp_path, name, "arm64") == "app arm64"
    store.run("copy", "multi:1", f"oci:{tmp_path}/layout:x")
    assert raw(f"oci:{tmp_path}/layout:x") == store.run("manifest", "multi:1").stdout


def test_through_layouts(parts, tmp_path):
    """Images out of an OCI layout, the index into one: it lists the index and nothing else."""
    store, digests = parts
    for arch in ("amd64", "arm64"):
        store.run("copy", f"app:{arch}", f"oci:{tmp_path}/in:{arch}")
    store.run("index", "create", f"oci:{tmp_path}/out:1", f"oci:{tmp_path}/in:amd64", f"oci:{tmp_path}/in:arm64")
    assert [d for _, d in members(raw(f"oci:{tmp_path}/out:1"))] == [digests["app:amd64"], digests["app:arm64"]]
    assert len(json.loads((tmp_path / "out/index.json").read_text())["manifests"]) == 1
    store.run("index", "append", f"oci:{tmp_path}/out:1", "app:armv7")
    assert len(members(raw(f"oci:{tmp_path}/out:1"))) == 3


@pytest.mark.parametrize("place", ["registry", "serve", "store"])
def test_append(parts, registry, tmp_path, place):
    """What is new comes behind, what is for a platform that is there takes its place."""
    store, digests = parts
    server = serving.Server(Cruet(tmp_path / "served")) if place == "serve" else None
    target = {"registry": f"docker://{registry.host}/append/app:1", "store": "append:1"}.get(place) or f"docker://{server.host}/append/app:1"
    store.run("index", "create", "-t", "a=1", "--annotation", "b=2", target, "app:amd64", "app:arm64")
    store.run("index", "append", "-t", "b=3", target, "new:amd64", "app:armv7")
    index = store.run("manifest", target).stdout
    assert members(index) == [("linux/amd64", digests["new:amd64"]), ("linux/arm64", digests["app:arm64"]), ("linux/arm/v7", digests["app:armv7"])]
    assert json.loads(index)["annotations"] == {"a": "1", "b": "3"}
    store.run("index", "append", target, "new:amd64")
    assert store.run("manifest", target).stdout == index
    if server:
        assert server.stop() == 0, server.errors


@pytest.mark.parametrize("place", ["registry", "store", "layout"])
def test_two_append_at_once(parts, registry, tmp_path, place):
    store, _ = parts
    for turn in range(4):
        target = {"registry": f"docker://{registry.host}/both/app:{turn}", "store": f"both:{turn}"}.get(place, f"oci:{tmp_path}/out:{turn}")
        store.run("index", "create", target, "app:amd64")
        both = [subprocess.Popen([conftest.CRUET, "index", "append", "-q", target, name], env=store.env, stdout=subprocess.DEVNULL)
                for name in ("app:arm64", "app:armv7")]
        assert [p.wait() for p in both] == [0, 0]
        assert len(members(raw(target) if place == "layout" else store.run("manifest", target).stdout)) == 3


def test_append_to_a_single_image(parts, registry):
    store, digests = parts
    name = f"{registry.host}/single/app:1"
    store.run("tag", "app:amd64", name)
    store.run("push", "-q", name)
    store.run("index", "append", f"docker://{name}", "app:arm64")
    assert members(raw(f"docker://{name}")) == [("linux/amd64", digests["app:amd64"]), ("linux/arm64", digests["app:arm64"])]


@pytest.fixture
def source(tmp_path):
    """A cruet serve with team/app: an index of BuildKit's kind, with an attestation for each platform; (name, index)."""
    server = serving.Server(Cruet(tmp_path / "served"))
    repo, entries = Repo(server, "team/app"), []
    for arch in ("amd64", "arm64"):
        image, _ = repo.image(files={"arch": arch.encode()})
        about, _ = repo.image(files={"provenance": arch.encode()})
        entries += [(image, OCI_MANIFEST, {"platform": {"os": "linux", "architecture": arch}}),
                    (about, OCI_MANIFEST, {"platform": {"os": "unknown", "architecture": "unknown"}, "annotations": {
                        "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": digest(image)}})]
    index, done = repo.manifest(text(index_of(*entries, annotations={"kept": "yes"})), "1", OCI_INDEX)
    assert done.status == 201
    yield repo, f"{server.host}/team/app", index
    assert server.stop() == 0, server.errors


def test_an_index_gives_all_that_it_names(parts, registry, source):
    store, digests = parts
    _, name, index = source
    target = f"docker://{registry.host}/from/index:1"
    store.run("index", "create", target, f"docker://{name}:1", "app:armv7")
    made = json.loads(raw(target))
    assert made["manifests"][:4] == json.loads(index)["manifests"] and made["manifests"][4]["digest"] == digests["app:armv7"]
    store.run("index", "create", "--platform", "linux/arm64", target, f"docker://{name}:1")
    assert json.loads(raw(target))["manifests"] == json.loads(index)["manifests"][2:]
    store.run("index", "create", "--platform", "linux/arm64,linux/arm/v7", target, f"docker://{name}:1", "app:armv7", "app:amd64")
    assert [p for p, _ in members(raw(target))] == ["linux/arm64", "unknown/unknown", "linux/arm/v7"]
    assert "'app:arm64'" in (told := store.fails(2, "index", "create", target, f"docker://{name}:1", "app:arm64")) and "linux/arm64" in told
    assert "linux/s390x" in store.fails(7, "index", "create", "--platform", "linux/s390x", target, f"docker://{name}:1")


def test_append_keeps_what_the_index_has(parts, source):
    """The attestation of what is replaced goes with it; annotations and the rest stay."""
    store, digests = parts
    _, name, index = source
    store.run("index", "append", f"docker://{name}:1", "app:amd64")
    made, old = json.loads(store.run("manifest", f"docker://{name}:1").stdout), json.loads(index)
    assert made["manifests"][0]["digest"] == digests["app:amd64"] and made["manifests"][1:] == old["manifests"][2:]
    assert made["annotations"] == {"kept": "yes"}


def test_platforms_come_from_configs(parts, source, registry):
    """os.version of Windows, by which its images are told apart; an index that does not say platforms."""
    store, _ = parts
    repo, name, _ = source
    for version in ("10.0.1", "10.0.2"):
        layer, config = serving.layer_tar({"v": version.encode()}), None
        config = serving.config_of(layer, os="windows", **{"os.version": version, "os.features": ["win32k"]})
        for content in (layer, config):
            repo.blob(content)
        repo.manifest(image_manifest(config, [layer]), version)
    target = f"docker://{registry.host}/windows/app:1"
    store.run("index", "create", target, f"docker://{name}:10.0.1", f"docker://{name}:10.0.2")
    assert [m["platform"] for m in json.loads(raw(target))["manifests"]] == [
        {"os": "windows", "architecture": "amd64", "os.version": v, "os.features": ["win32k"]} for v in ("10.0.1", "10.0.2")]
    plain, _ = repo.image(files={"x": b"x"})
    repo.manifest(text(index_of((plain, OCI_MANIFEST, {}))), "bare", OCI_INDEX)
    store.run("index", "create", target, f"docker://{name}:bare", "app:arm64")
    assert [p for p, _ in members(raw(target))] == ["linux/amd64", "linux/arm64"]


def test_media_type(parts, registry, docker, tmp_path):
    store, _ = parts
    target, images = f"{registry.host}/docker/list:1", []
    for arch in ("amd64", "arm64"):  # docker 20.10 wants its own kind of manifests in its own kind of list
        images.append(f"docker://{registry.host}/docker/{arch}:1")
        store.run("copy", f"app:{arch}", f"oci:{tmp_path}/{arch}:1")
        subprocess.run(["skopeo", "copy", "-q", "--format", "v2s2", "--dest-tls-verify=false", f"oci:{tmp_path}/{arch}:1", images[-1]], check=True)
    store.run("index", "create", "--media-type", "docker", f"docker://{target}", *images)
    seen = json.loads(docker.call("manifest", "inspect", "--insecure", target).stdout)
    assert seen == json.loads(raw(f"docker://{target}")) and seen["mediaType"] == DOCKER_LIST
    store.run("index", "append", f"docker://{target}", "app:armv7")
    assert json.loads(raw(f"docker://{target}"))["mediaType"] == DOCKER_LIST
    assert "annotations" in store.fails(2, "index", "append", "-t", "a=b", f"docker://{target}", "app:armv7")
    store.run("index", "append", "-t", "a=b", "--media-type", "oci", f"docker://{target}", "app:armv7")
    assert json.loads(raw(f"docker://{target}"))["mediaType"] == OCI_INDEX


def test_dry_run_writes_nothing(parts, registry):
    store, _ = parts
    for target in (f"docker://{registry.host}/dry/run:1", "dry:1"):
        shown = store.run("index", "create", "--dry-run", target, "app:amd64", "app:arm64").stdout
        store.fails(7, *(["digest", target] if "://" in target else ["inspect", target]))
        assert store.run("index", "create", target, "app:amd64", "app:arm64").out.split()[1] == digest(shown)


def test_mistakes(parts, registry, source):
    """One line each, and the target is not there afterwards."""
    store, digests = parts
    repo, name, _ = source
    repo.blob(b"{}")
    repo.manifest(text(image_manifest(b"{}", [], config_type=OCI_EMPTY, artifactType="application/x.chart")), "chart")
    target = f"docker://{registry.host}/wrong/app:1"
    for status, told, args in (
            (2, "did you mean 'cruet index create'?", ["craete", target, "app:amd64"]),
            (2, "it can create and append", ["list", target, "app:amd64"]),
            (2, "create|append TARGET IMAGE", ["create", target]),
            (2, "'app:amd64' and 'new:amd64' are both for linux/amd64", ["create", target, "app:amd64", "new:amd64"]),
            (2, "annotation 'a' is not KEY=VALUE", ["create", "-t", "a", target, "app:amd64"]),
            (2, "is a digest", ["create", f"{target.rsplit(':', 1)[0]}@{digests['app:amd64']}", "app:amd64"]),
            (7, "'nothing' is not in the store", ["create", target, "app:amd64", "nothing"]),
            (7, "MANIFEST_UNKNOWN", ["create", target, "app:amd64", f"docker://{name}:none"]),
            (7, "'cruet index create' makes a new one", ["append", target, "app:amd64"]),
            (7, "linux/riscv64", ["create", "--platform", "linux/riscv64", target, "app:amd64"]),
            (11, "an artifact", ["create", target, "app:amd64", f"docker://{name}:chart"]),
            (5, "connect", ["create", "docker://127.0.0.1:1/x:1", "app:amd64"])):
        err = store.fails(status, "index", *args)
        assert told in err and err.count("cruet:") == 1, err
    store.fails(7, "digest", target)
    store.run("index", "create", target, "app:amd64", "app:amd64")
    assert members(raw(target)) == [("linux/amd64", digests["app:amd64"])]


def test_an_index_with_gaps(parts, cruet, registry, tmp_path):
    """Only one platform was pulled: the others cannot be sent on, and it is said what can."""
    store, digests = parts
    name = f"{registry.host}/gaps/app:1"
    store.run("index", "create", f"docker://{name}", "app:amd64", "app:arm64")
    cruet.run("pull", "-q", "--platform", "linux/amd64", name)
    target = f"docker://{registry.host}/gaps/other:1"
    assert "--platform" in cruet.fails(7, "index", "create", target, name).split("hint:")[1]
    cruet.fails(7, "digest", target)
    cruet.run("index", "create", "--platform", "linux/amd64", target, name)
    assert members(raw(target)) == [("linux/amd64", digests["app:amd64"])]
