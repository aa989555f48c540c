"""push to a registry that others wrote, read back by others."""
import json
import subprocess
import urllib.request

import pytest

import engines
import trees

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    yield from engines.started(engines.Registry, "/usr/bin/docker-registry", tmp_path_factory)


def inspect(name):
    done = subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"], capture_output=True, check=True)
    return json.loads(done.stdout)


def test_push(based, registry):
    name = f"{registry.host}/team/base:1"
    based.run("tag", "base", name)
    digest = based.digest("base")
    assert based.run("push", name).out == f"{name} {digest}\n"
    assert inspect(name)["Digest"] == digest


def test_a_second_time_nothing_is_sent(based, registry):
    name = f"{registry.host}/team/again:1"
    based.run("tag", "base", name)
    based.run("push", name)
    trace = based.run("--debug=registry", "push", name).err
    assert "> HEAD" in trace and "> POST" not in trace and "> PATCH" not in trace and trace.count("> PUT") == 1


def test_layers_of_a_neighbour_are_mounted(based, registry):
    first, second = f"{registry.host}/first/base:1", f"{registry.host}/second/app:1"
    based.run("tag", "base", first)
    based.run("push", first)
    based.build(f"FROM {first}\nLABEL x=1\n", tag=second)
    trace = based.run("--debug=registry", "push", second).err
    assert "mount=sha256%3A" in trace and "from=first%2Fbase" in trace and "> PATCH" not in trace
    assert inspect(second)["Digest"] == based.digest(second)


def test_round_trip(based, registry, tmp_path):
    """A big layer (a stream) and small ones (one request each) come back the same, by cruet and by skopeo."""
    name = f"{registry.host}/team/big:1"
    noise = b"".join(bytes([i * 7919 % 251, i % 256, i // 256 % 256]) * 11 for i in range(400000))
    based.build("FROM base\nCOPY noise /noise\nRUN echo hi > /hi\n", tag=name, files={"noise": noise}, args=["--compression", "none"])
    digest = based.digest(name)
    based.run("push", name)
    based.run("unpack", name, tmp_path / "before")
    subprocess.run(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}", f"oci:{tmp_path}/oci:x"], check=True)
    based.run("rmi", name)
    based.run("gc", "--all")
    assert based.run("pull", name).out == f"{name} {digest}\n"
    based.run("unpack", name, tmp_path / "after")
    assert trees.directory(tmp_path / "before") == trees.directory(tmp_path / "after")


def test_docker_pulls_what_was_pushed(based, registry, docker):
    name = f"{registry.host}/team/docker:1"
    based.run("tag", "base", name)
    based.run("push", name)
    docker.call("pull", "-q", name)
    assert docker.call("run", "--rm", "--network", "host", name, "echo", "hi").stdout == b"hi\n"


def test_errors(based, registry):
    assert "not in the store" in based.fails(7, "push", f"{registry.host}/none:1")
    based.run("tag", "base", "127.0.0.1:1/x:1")
    assert "connect" in based.fails(5, "push", "127.0.0.1:1/x:1").lower()
    with urllib.request.urlopen(f"http://{registry.host}/v2/_catalog") as answer:
        assert "none" not in json.load(answer)["repositories"]
