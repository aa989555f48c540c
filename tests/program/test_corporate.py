"""A company's network: a proxy that is the only way out, an authority of its own, certificates where the machine keeps them."""
import http.server
import json
import select
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


def with_tls(company, store):
    ca = tokens.authority(company)
    cert, key = tokens.issued(company, "server", f"subjectAltName=DNS:{NAME},IP:127.0.0.1", "extendedKeyUsage=serverAuth")
    server = serving.Server(conftest.Cruet(company / store), "--tls-cert", cert, "--tls-key", key)
    serving.Repo(server, "app").image("1")
    server.ca = ca
    yield server
    server.stop()


@pytest.fixture
def secure(company):
    """A registry with a certificate of the company, and an image in it."""
    yield from with_tls(company, "served")


@pytest.fixture
def secure_too(company):
    yield from with_tls(company, "served too")


@pytest.fixture
def plain(company):
    server = serving.Server(conftest.Cruet(company / "served"))
    serving.Repo(server, "app").image("1")
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


@pytest.mark.parametrize("form", ["http://{}@127.0.0.1:99999", "http://{}@[::1", "kind://{}@proxy.corp:1", "http://{}/@proxy.corp:1", "{}@pro xy"])
def test_a_proxy_that_is_none(cruet, form):
    cruet.env["https_proxy"] = form.format("user:secret-password")
    told = cruet.fails(5, "manifest", f"{NAME}/app:1")
    assert "is malformed" in told and "https_proxy=http://USER" in told and "secret" not in told


# ---- certificates ----

HOME = "{home}/.config/containers"
SYSTEM = """
for d in /etc/containers /etc/docker /etc/containerd; do mkdir -p $d && mount -t tmpfs none $d || exit 99; done
mkdir -p "$1" && cp "$2" "$1/" && shift 2 && exec "$@"
"""


def in_system(cruet, where, file, *args):
    """Runs cruet with the file in a directory of a system that has no other configuration."""
    return subprocess.run(["unshare", "-m", "sh", "-c", SYSTEM, "sh", str(where), str(file), conftest.CRUET, *map(str, args)],
                          env=cruet.env, capture_output=True, check=False, text=True)


@pytest.mark.root
@pytest.mark.parametrize("place, trusted", [
    ("/etc/containers/certs.d/{host}", True), ("/etc/docker/certs.d/{host}", True), ("/etc/containerd/certs.d/{host}", True),
    ("/etc/containerd/certs.d/{under}", True), ("/etc/containerd/certs.d/_default", True), (HOME + "/certs.d/{host}", True),
    ("/etc/containers/certs.d/{under}x", False), ("/etc/docker/certs.d/_default", False), ("/etc/docker/certs.d/127.0.0.1", False)])
def test_certificates_in_every_place(cruet, secure, place, trusted):
    where = place.format(host=secure.host, under=secure.host.replace(":", "_") + "_", home=cruet.env["HOME"])
    done = in_system(cruet, where, secure.ca, "digest", f"docker://{secure.host}/app:1")
    if trusted:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 5 and "--ca-file" in done.stderr


@pytest.mark.root
@pytest.mark.parametrize("name", ["{host}", "{under}", "_default"])
def test_hosts_toml_of_the_system(cruet, secure, name):
    hosts = secure.cruet.root.parent / "hosts.toml"
    hosts.write_text(f'[host."https://{secure.host}"]\n  capabilities = ["pull", "resolve", "referrers"]\n  ca = "{secure.ca}"\n')
    where = "/etc/containerd/certs.d/" + name.format(host=secure.host, under=secure.host.replace(":", "_") + "_")
    done = in_system(cruet, where, hosts, "digest", f"docker://{secure.host}/app:1")
    assert done.returncode == 0, done.stderr


@pytest.mark.root
def test_registries_conf_of_the_system(cruet, plain):
    conf = plain.cruet.root.parent / "registries.conf"
    conf.write_text(f'[[registry]]\nprefix = "{NAME}"\nlocation = "{plain.host}"\n')
    for where in ("/etc/containers", "/etc/containers/registries.conf.d"):
        done = in_system(cruet, where, conf, "digest", f"docker://{NAME}/app:1")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("directory", ["empty", "/etc/ssl/certs"])
def test_what_the_machine_trusts_stays_trusted(cruet, secure, directory):
    """SSL_CERT_FILE has the company's authority, a registry has another one beside it."""
    other = secure.cruet.root.parent / "other"
    other.mkdir()
    cruet.env.update(SSL_CERT_FILE=str(secure.ca), SSL_CERT_DIR=directory)
    cruet.run("digest", f"docker://{secure.host}/app:1")
    cruet.run("digest", "--ca-file", tokens.authority(other), f"docker://{secure.host}/app:1")


@pytest.mark.root
def test_daemon_json_of_docker(cruet, plain, secure_too, proxy):
    """Mirrors are Docker Hub's, insecure registries are asked over TLS with any certificate, then without."""
    conf = plain.cruet.root.parent / "daemon.json"
    serving.Repo(plain, "library/app").image("1")
    conf.write_text(json.dumps({"registry-mirrors": ["http://127.0.0.1:1", f"http://{plain.host}/"], "log-level": "warn"}))
    for name, status in (("app:1", 0), ("docker.io/library/app:1", 0), (f"{plain.host}/library/app:1", 0)):
        done = in_system(cruet, "/etc/docker", conf, "digest", f"docker://{name}")
        assert done.returncode == status, done.stderr
    conf.write_text(json.dumps({"insecure-registries": [NAME, f"{NAME}:5000"]}))
    for server, name in ((plain, f"{NAME}:5000"), (secure_too, NAME)):
        cruet.env["http_proxy"] = cruet.env["https_proxy"] = proxy(server.host).url
        done = in_system(cruet, "/etc/docker", conf, "digest", f"docker://{name}/app:1")
        assert done.returncode == 0, done.stderr
        done = in_system(cruet, "/etc/docker", conf, "digest", f"docker://{name}1/app:1")
        assert done.returncode == 5, done.stderr
    conf.write_text('{"registry-mirrors": ["m"]}')
    done = in_system(cruet, "/etc/docker", conf, "digest", f"docker://{plain.host}/app:1")
    assert done.returncode == 8 and "/etc/docker/daemon.json" in done.stderr


def test_hints_for_certificates(cruet, secure):
    told = cruet.fails(5, "digest", f"docker://{secure.host}/app:1")
    assert "hint: --ca-file" in told
    told = cruet.fails(5, "digest", "--ca-file", secure.ca, f"docker://localhost:{secure.host.split(':')[1]}/app:1")
    assert "hint: use a name that the certificate has" in told
    told = cruet.fails(5, "digest", "--plain-http", f"docker://{secure.host}/app:1")
    assert "TLS" in told.split("hint: ")[1]


def test_capitals_make_a_host(cruet, company):
    told = cruet.fails(5, "manifest", "MyTeam/app:1")
    assert "Could not resolve host: MyTeam" in told and "hint: 'MyTeam' was taken for the host" in told and "small letters" in told


# ---- what servers say ----

@pytest.fixture
def scripted(company):
    """Answers with what .script says: path → (status, headers, body); "Bearer good" gets a manifest."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.headers.get("Authorization") == "Bearer good"
            path = "manifest" if known else "token" if self.path.startswith("/token") else "v2"
            status, headers, body = self.server.script[path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.host = f"127.0.0.1:{server.server_port}"
        index = serving.text(serving.index_of())
        server.script = {"v2": (401, {"WWW-Authenticate": f'Bearer realm="http://{server.host}/token",service="s"'}, b""),
                         "manifest": (200, {"Content-Type": serving.OCI_INDEX}, index)}
        yield server
        server.shutdown()


@pytest.mark.parametrize("kind, body, words", [
    ("application/json", b'{"errors":[{"code":"DENIED","message":"locked","detail":"until noon"}]}', "DENIED: locked: until noon"),
    ("application/json", b'{"message":"a gateway\'s words"}', "a gateway's words"),
    ("text/plain; charset=utf-8", b"\n one line\nanother", "one line"),
    ("text/html", b"<html>\n<head><title> Blocked by policy 7 </title></head>", "Blocked by policy 7"),
    (None, b"no type\r\n", "no type"), ("text/html", b"<p>no title", None), ("image/png", b"\x89PNG", None), ("text/plain", b"  \n", None)])
def test_what_a_server_says(cruet, scripted, kind, body, words):
    scripted.script["v2"] = (403, {"Content-Type": kind} if kind else {}, body)
    told = cruet.fails(12, "manifest", f"{scripted.host}/app:1").splitlines()[0]
    assert told.endswith(f"answers 403: {words}" if words else "answers 403")


@pytest.mark.parametrize("status, body, code, words", [
    (401, b'{"details":"incorrect username or password"}', 4, "(status 401): incorrect username or password"),
    (400, b'{"error":"invalid_grant","error_description":"the token has expired"}', 4, "(status 400): the token has expired"),
    (404, b'{"message":"no such page"}', 5, "answers 404: no such page"),
    (200, b'{"token":"good","expires_in":"300"}', 0, ""), (200, b'{"token":"good","expires_in":1.5}', 0, ""),
    (200, b'{"access_token":"good","expires_in":-1}', 0, "")])
def test_what_a_token_server_says(cruet, scripted, status, body, code, words):
    scripted.script["token"] = (status, {"Content-Type": "application/json"}, body)
    done = cruet.run("manifest", "--creds", "user:secret-password", f"{scripted.host}/app:1", check=False)
    assert done.returncode == code and words in done.err and "secret" not in done.err


@pytest.mark.parametrize("offer, words", [({}, "no way"), ({"WWW-Authenticate": 'Digest realm="x"'}, "digest")])
def test_logins_of_another_kind(cruet, scripted, offer, words):
    """The credentials are not blamed: they were never sent."""
    scripted.script["v2"] = (401, offer, b"")
    told = cruet.fails(4, "manifest", "--creds", "user:secret-password", f"{scripted.host}/app:1")
    assert f"wants a login, but offers {words}" in told and "refuses" not in told
