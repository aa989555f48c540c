"""build with bases that lie in a registry, and build --push: only what is needed comes, and goes while steps still run."""
import json
import re
import subprocess

import pytest

import engines
import trees

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    yield from engines.started(engines.Registry, "/usr/bin/docker-registry", tmp_path_factory)


@pytest.fixture
def remote(based, registry, tmp_path):
    """A base of two layers in the registry, and an empty store."""
    based.cwd = tmp_path
    name = f"{registry.host}/bases/two:1"
    based.build("FROM base\nRUN echo second > /second\nENV FROM_BASE=yes\n", tag=name)
    based.run("push", "-q", name)
    based.run("unpack", name, based.cwd / "before")
    based.digest_of_base = based.digest(name)
    based.run("rmi", name, "base", "test", check=False)
    based.run("gc", "--all")
    assert based.run("images", "-q").out == ""
    based.name_of_base = name
    return based


def fetched(trace):
    """Digests of blobs whose bytes were asked for; a config is one of them."""
    return set(re.findall(r"> GET \S*/blobs/(sha256:[0-9a-f]+)", trace))


def layers_of(name):
    done = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"], capture_output=True, check=True)
    return [layer["digest"] for layer in json.loads(done.stdout)["layers"]]


def traced(cruet, dockerfile, *args, **kw):
    return cruet.build(dockerfile, args=["--debug=registry", *args], **kw).err


def test_a_base_comes_from_its_registry(remote):
    remote.build(f"FROM {remote.name_of_base}\nRUN cat /second > /third\n")
    assert remote.run("run", "test", "cat", "/third").out == "second\n"
    assert "FROM_BASE=yes" in remote.config("test")["config"]["Env"]
    remote.sound()
    # its layers are the image's now, but it has got no name of its own
    assert "bases/two" not in remote.run("images").out


def test_an_image_of_the_store_has_all_its_layers(remote):
    remote.build(f"FROM {remote.name_of_base}\nLABEL a=b\n")
    remote.sound()
    remote.run("unpack", "test", remote.cwd / "after")
    assert trees.directory(remote.cwd / "before") == trees.directory(remote.cwd / "after")


def test_metadata_is_pushed_without_the_base(remote, registry):
    """Not a byte of a layer comes or goes: the registry mounts them."""
    name = f"{registry.host}/apps/metadata:1"
    layers = layers_of(remote.name_of_base)
    trace = traced(remote, f"FROM {remote.name_of_base}\nLABEL a=b\nCMD [\"x\"]\n", "--push", tag=name)
    assert not fetched(trace) & set(layers)
    assert trace.count("mount=sha256%3A") == len(layers) and layers_of(name) == layers
    assert "only pushed" in trace and remote.run("images", "-q").out == ""


def test_linked_copies_are_pushed_without_the_base(remote, registry):
    name = f"{registry.host}/apps/linked:1"
    layers = layers_of(remote.name_of_base)
    for turn in range(2):  # the second time out of the cache
        trace = traced(remote, f"FROM {remote.name_of_base}\nCOPY --link --chown=7:8 f /app/f\n", "--push", tag=name, files={"f": "x"})
        assert not fetched(trace) & set(layers)
        assert layers_of(name)[:-1] == layers
    remote.run("pull", "-q", name)
    assert remote.run("run", name, "stat", "-c", "%u:%g", "/app/f").out == "7:8\n"


def test_copies_need_the_names_of_the_base_once(remote, registry):
    """What lies at a destination decides where a file goes: the index of the base is made once, and kept."""
    name = f"{registry.host}/apps/copied:1"
    layers = layers_of(remote.name_of_base)
    first = traced(remote, f"FROM {remote.name_of_base}\nCOPY f /second\n", "--push", tag=name, files={"f": "x"})
    assert fetched(first) >= set(layers) and "mount=sha256%3A" in first
    second = traced(remote, f"FROM {remote.name_of_base}\nCOPY f /second\n", "--push", tag=name, files={"f": "y"})
    assert not fetched(second) & set(layers)


def test_a_stage_out_of_the_cache_is_not_fetched(remote):
    """Everything of the build stage is known: after a gc that kept the cache not even its base is."""
    dockerfile = f"FROM {remote.name_of_base} AS build\nRUN echo made > /made\nFROM scratch\nCOPY --from=build /made /\n"
    remote.build(dockerfile)
    layers = layers_of(remote.name_of_base)
    assert not fetched(traced(remote, dockerfile)) & set(layers)


def test_copy_from_an_image_of_a_registry(remote):
    remote.build(f"FROM scratch\nCOPY --from={remote.name_of_base} /second /\n")
    remote.run("unpack", "test", remote.cwd / "out")
    assert (remote.cwd / "out/second").read_text() == "second\n"


def test_mount_from_an_image_of_a_registry(remote, base_tar):
    remote.run("import", base_tar, "local")
    remote.build(f"FROM local\nRUN --mount=from={remote.name_of_base},target=/m cat /m/second > /x\n")
    assert remote.run("run", "test", "cat", "/x").out == "second\n"


def test_outputs_other_than_the_store(remote):
    dockerfile = f"FROM {remote.name_of_base}\nLABEL a=b\n"
    remote.build(dockerfile, args=["-o", f"type=oci,dest={remote.cwd}/out.tar"])
    subprocess.run(["skopeo", "inspect", f"oci-archive:{remote.cwd}/out.tar"], capture_output=True, check=True)
    remote.build(dockerfile, args=["-o", remote.cwd / "tree"])
    assert (remote.cwd / "tree/second").read_text() == "second\n"


def test_local_names_win_unless_pull(remote, base_tar, registry):
    """As with docker: what the store has is taken, --pull asks the registry, --pull=never never does."""
    remote.run("import", base_tar, remote.name_of_base)
    remote.build(f"FROM {remote.name_of_base}\n", args=["--debug=registry"])
    assert "FROM_BASE=yes" not in remote.config("test")["config"].get("Env", [])
    remote.build(f"FROM {remote.name_of_base}\n", args=["--pull"])
    assert "FROM_BASE=yes" in remote.config("test")["config"]["Env"]
    remote.run("rmi", remote.name_of_base)
    (remote.cwd / "Dockerfile").write_text(f"FROM {remote.name_of_base}\n")
    assert "not in the store" in remote.fails(7, "build", "--pull=never", remote.cwd)
    (remote.cwd / "Dockerfile").write_text("FROM Bad:Name:here\n")
    for flags in ((), ("--pull",), ("--pull=never",)):
        assert "Bad:Name:here" in remote.fails(8, "build", *flags, remote.cwd)
    assert "always, missing" in remote.fails(2, "build", "--pull=sometimes", remote.cwd)


def test_base_by_digest(remote, registry):
    name = f"{registry.host}/bases/two@{remote.digest_of_base}"
    remote.build(f"FROM {name}\nRUN test -f /second\n")


def test_no_such_base(remote, registry):
    (remote.cwd / "Dockerfile").write_text(f"FROM {registry.host}/bases/none:1\n")
    err = remote.fails(7, "build", remote.cwd)
    assert "is not in the store" in err and "Dockerfile:1" in err and registry.host in err


def test_build_and_push(based, registry):
    """Many names, of two repositories: the image is in the store and in the registry, the same to the byte."""
    names = [f"{registry.host}/apps/{n}" for n in ("one:1", "one:2", "two:1")]
    based.build("FROM base\nCOPY f /f\nRUN echo x > /g\n", tag=names[0], files={"f": "f" * 100000},
                args=["--push", "-t", names[1], "-t", names[2]])
    for name in names:
        assert based.run("digest", f"docker://{name}").out.strip() == based.digest(name) == based.digest(names[0])


def test_output_type_registry(based, registry, tmp_path):
    name = f"{registry.host}/apps/output:1"
    based.build("FROM base\nLABEL a=b\n", tag=name, args=["-o", "type=registry"])
    assert len(layers_of(name)) == 1
    (tmp_path / "Dockerfile").write_text("FROM base\nLABEL a=c\n")
    based.run("build", "-o", f"type=image,name={name},push=true", tmp_path)
    assert based.config(name)["config"]["Labels"] == {"a": "c"}
    assert based.run("digest", f"docker://{name}").out.strip() == based.digest(name)


def test_layers_go_while_steps_run(based, registry):
    """A later step sees the first layer in the registry."""
    name, files = f"{registry.host}/apps/early:1", {"f": "f" * 1000}
    based.build("FROM base\nCOPY f /early\n", files=files)
    layer = json.loads(based.run("inspect", "--raw", "test").stdout)["layers"][-1]["digest"]
    url = f"http://{registry.host}/v2/apps/early/blobs/{layer}"
    based.build(f"FROM base\nCOPY f /early\nRUN for i in $(seq 100); do wget -q -O /blob {url} && exit 0; sleep 0.2; done; exit 1\n",
                tag=name, files=files, args=["--push"])
    assert layers_of(name)[-2] == layer


def test_push_needs_a_name_and_a_registry(based, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM base\nLABEL a=b\n")
    assert "--tag" in based.fails(2, "build", "--push", tmp_path)
    err = based.fails(5, "build", "--push", "-t", "127.0.0.1:1/x:1", tmp_path)
    assert "127.0.0.1:1" in err


def test_run_fetches_what_is_missing(remote):
    assert "not in the store" in remote.fails(125, "run", "--pull=never", remote.name_of_base, "true")
    assert remote.run("run", remote.name_of_base, "cat", "/second").out == "second\n"
    assert "bases/two" in remote.run("images").out
