"""push to a registry that others wrote, read back by others."""
import http.client
import http.server
import json
import random
import subprocess
import threading
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


class Bounded(http.server.BaseHTTPRequestHandler):
    """What stands before a registry and lets no body of more than a MiB through."""
    protocol_version = "HTTP/1.1"
    registry = None

    def log_message(self, *args):
        pass

    def every(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > 1 << 20:
            self.send_error(413)
            self.close_connection = True
            while self.rfile.read(65536):
                pass
            return
        behind = http.client.HTTPConnection(self.registry)
        behind.request(self.command, self.path, self.rfile.read(length) if length else None, dict(self.headers))
        answer = behind.getresponse()
        body = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name != "Transfer-Encoding":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        behind.close()

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = every


def test_a_bound_of_bodies_before_the_registry(based, registry):
    handler = type("Handler", (Bounded,), {"registry": registry.host})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as bounded:
        threading.Thread(target=bounded.serve_forever, daemon=True).start()
        name = f"127.0.0.1:{bounded.server_port}/team/bounded:1"
        based.build("FROM scratch\nCOPY noise /\n", tag=name, files={"noise": random.Random(1).randbytes(10 << 20)})
        trace = based.run("--debug=registry", "push", name).err
        bounded.shutdown()
    assert trace.count("> PATCH") - trace.count("< 413") >= 10 and "Content-Range: 1048576-2097151" in trace
    assert inspect(f"{registry.host}/team/bounded:1")["Digest"] == based.digest(name)


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
