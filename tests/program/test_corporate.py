"""A company's network: a proxy that is the only way out, an authority of its own, certificates where the machine keeps them."""
import os
import select
import shutil
import socket
import socketserver
import subprocess
import threading

import pytest

import conftest
import serving
import tokens

NAME = "registry.corp.example"


class Proxy(socketserver.ThreadingTCPServer):
    """CONNECT and plain requests, whatever host they name, go to one server."""
    allow_reuse_address = daemon_threads = True

    def __init__(self, target):
        host, port = target.split(":")
        self.target, self.asked, self.refuses = (host, int(port)), [], None
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Tunnel(socketserver.BaseRequestHandler):
    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.request.recv(65536)
            if not data:
                return
            head += data
        method, target, _ = head.split(b"\r\n")[0].decode().split()
        self.server.asked.append((method, target.removeprefix("http://").split("/")[0]))
        if self.server.refuses:
            self.request.sendall(f"HTTP/1.1 {self.server.refuses} no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return
        with socket.create_connection(self.server.target) as server:
            if method == "CONNECT":
                self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                server.sendall(head.replace(f"http://{self.server.asked[-1][1]}".encode(), b"", 1))
            ends = {self.request: server, server: self.request}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)


@pytest.fixture
def company(cruet, tmp_path):
    for name in ("http", "https", "all", "no"):
        cruet.env.pop(f"{name}_proxy", None)
        cruet.env.pop(f"{name.upper()}_PROXY", None)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CONFIG_HOME", "CONTAINERS_REGISTRIES_CONF"):
        cruet.env.pop(name, None)
    cruet.env.update(HOME=str(tmp_path / "home"), XDG_RUNTIME_DIR=str(tmp_path / "run"))
    return tmp_path


@pytest.fixture
def secure(company):
    """A registry with a certificate of the company, and an image in it."""
    ca = tokens.authority(company)
    cert, key = tokens.issued(company, "server", f"subjectAltName=DNS:{NAME},IP:127.0.0.1", "extendedKeyUsage=serverAuth")
    server = serving.Server(conftest.Cruet(company / "served"), "--tls-cert", cert, "--tls-key", key)
    server.ca, server.digest = ca, serving.Repo(server, "app").image("1")
    yield server
    server.stop()


@pytest.fixture
def plain(company):
    server = serving.Server(conftest.Cruet(company / "served"))
    server.digest = serving.Repo(server, "app").image("1")
    yield server
    server.stop()


@pytest.fixture
def proxy():
    started = []

    def start(target):
        started.append(Proxy(target))
        return started[-1]

    yield start
    for p in started:
        p.shutdown()
        p.server_close()


# ---- the proxy ----

@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
def test_the_proxy_is_the_way_out(cruet, secure, proxy, variable):
    way = proxy(secure.host)
    cruet.env[variable] = way.url
    cruet.run("pull", "-q", "--ca-file", secure.ca, f"{NAME}/app:1")
    assert set(way.asked) == {("CONNECT", f"{NAME}:443")}
    del way.asked[:]
    cruet.run("digest", "--ca-file", secure.ca, f"docker://{secure.host}/app:1")
    assert not way.asked, "this machine is not on the other side of a proxy"
    cruet.env["no_proxy"] = "other.example,.corp.example:443"
    cruet.fails(5, "digest", "--ca-file", secure.ca, f"docker://{NAME}/app:1")
    assert not way.asked


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_plain_http_has_a_proxy_of_its_own(cruet, plain, proxy, variable):
    way = proxy(plain.host)
    cruet.env.update({variable: way.url, "https_proxy": "http://127.0.0.1:1"})
    cruet.run("digest", "--plain-http", f"docker://{NAME}:5000/app:1")
    assert way.asked == [("HEAD", f"{NAME}:5000")]
    cruet.run("digest", f"docker://{plain.host}/app:1")
    cruet.run("digest", f"docker://localhost:{plain.host.split(':')[1]}/app:1")
    assert len(way.asked) == 1


@pytest.mark.parametrize("status, tries", [(407, 1), (403, 1), (503, 3)])
def test_a_proxy_that_refuses(cruet, secure, proxy, status, tries):
    way = proxy(secure.host)
    way.refuses = status
    place = way.url.split("//")[1]
    cruet.env["https_proxy"] = f"http://user:secret-password@{place}"
    told = cruet.fails(5, "manifest", "--ca-file", secure.ca, "--debug=registry", f"{NAME}/app:1")
    assert f"the proxy '{place}' answers {status}" in told and "hint: " in told and "https_proxy" in told.split("hint: ")[1]
    assert len(way.asked) == tries and "secret" not in told


def test_a_proxy_that_is_not_there(cruet, company):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{s.getsockname()[1]}"
        cruet.env["https_proxy"] = f"http://user:secret-password@{place}"
        told = cruet.fails(5, "manifest", f"{NAME}/app:1")
    assert f"the proxy '{place}': " in told and "secret" not in told
