"""login and logout: where credentials are kept and how they go. The registry of login is a little one of its own."""
import base64
import http.server
import json
import os
import socket
import stat
import subprocess
import threading

import pytest

from conftest import CRUET


@pytest.fixture
def home(cruet, tmp_path):
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
        cruet.env.pop(name, None)
    cruet.env.update(HOME=str(tmp_path / "home"), XDG_RUNTIME_DIR=str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    return tmp_path


def keep(path, auths):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"other": 1, "auths": auths}))


def test_logout_removes_from_every_file(cruet, home):
    first, second = home / "run/containers/auth.json", home / "home/.docker/config.json"
    keep(first, {"ghcr.io": {"auth": "YTpi"}, "quay.io": {"auth": "YTpi"}})
    keep(second, {"https://ghcr.io/v2/": {"auth": "YTpi"}, "https://index.docker.io/v1/": {"auth": "YTpi"}})
    out = cruet.run("logout", "ghcr.io").out
    assert str(first) in out and str(second) in out
    assert json.loads(first.read_text()) == {"other": 1, "auths": {"quay.io": {"auth": "YTpi"}}}
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    cruet.run("logout")
    assert json.loads(second.read_text()) == {"other": 1, "auths": {}}
    assert "no credentials for 'ghcr.io'" in cruet.fails(7, "logout", "ghcr.io")
    cruet.run("logout", "--all")
    assert json.loads(first.read_text())["auths"] == {}
    cruet.fails(2, "logout", "--all", "ghcr.io")


def test_logout_of_a_named_file(cruet, home):
    path = home / "auth.json"
    keep(path, {"r/ns": {"auth": "YTpi"}, "r": {"auth": "YTpi"}})
    cruet.run("logout", "--authfile", path, "r/ns")
    assert list(json.loads(path.read_text())["auths"]) == ["r"]
    path.write_text('{"auths": {"r": {"auth": "c2VjcmV0')
    err = cruet.fails(9, "logout", "--authfile", path, "r")
    assert str(path) in err and "c2Vj" not in err


class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.headers.get("Authorization") == "Basic " + base64.b64encode(b"user:pass:word").decode()
        self.send_response(200 if good else 401)
        if not good:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass


@pytest.fixture
def registry(cruet):
    if "  login " not in cruet.run("help").out:
        pytest.skip("there is no login in this build")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


def test_login_keeps_what_is_right(cruet, home, registry):
    path = home / "run/containers/auth.json"
    cruet.fails(4, "login", "-u", "user", "--password-stdin", registry, input=b"wrong\n")
    assert not path.exists()
    out = cruet.run("login", "-u", "user", "--password-stdin", registry, input=b"pass:word\n").out
    assert str(path) in out
    auth = json.loads(path.read_text())["auths"][registry]["auth"]
    assert base64.b64decode(auth) == b"user:pass:word"
    assert "pass:word" not in out
    done = cruet.run("login", "-u", "user", "-p", "pass:word", registry)
    assert "warning" in done.err
    cruet.run("logout", registry)
    assert json.loads(path.read_text())["auths"] == {}


def test_login_that_cannot_be(cruet, home, registry):
    assert "user name is empty" in cruet.fails(2, "login", "-u", "", "-p", "x", registry)
    assert "password is empty" in cruet.fails(2, "login", "-u", "user", "-p", "", registry)
    assert "--username" in cruet.fails(2, "login", registry)
    assert "--password-stdin" in cruet.fails(2, "login", "-u", "user", registry)
    cruet.fails(2, "login", "--password-stdin", registry, input=b"x")
    cruet.fails(2, "login", "-u", "a:b", "--password-stdin", registry, input=b"x")
    cruet.fails(2, "login", "-u", "a", "--password-stdin", registry, input=b"\n")
    cruet.fails(2, "login", "-u", "a", "--password-stdin", "no such host", input=b"x")


@pytest.mark.parametrize("args", [
    ("login", "-u", "user", "-p", "hush-hush", "{host}"), ("login", "-u", "user", "--password=hush-hush", "{host}"), ("pull", "--creds", "user:hush-hush", "{host}/a"),
    ("copy", "--src-creds", "user:hush-hush", "--dest-creds=user:hush-hush", "docker://{host}/a", "docker://{host}/b")])
def test_no_secret_stays_in_the_list_of_processes(cruet, home, args):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        args = [a.format(host=f"127.0.0.1:{silent.getsockname()[1]}") for a in args]
        process = subprocess.Popen([CRUET, *args], env=cruet.env, stderr=subprocess.DEVNULL)
        silent.accept()
        line = open(f"/proc/{process.pid}/cmdline", "rb").read()
        process.kill()
        process.wait()
    assert b"hush" not in line and b"xxx" in line


def test_login_with_a_helper(cruet, home, registry):
    helper = home / "bin/docker-credential-keep"
    helper.parent.mkdir()
    helper.write_text('#!/bin/sh\ncat >"$HOME/kept"\n')
    helper.chmod(0o755)
    config = home / "home/.docker/config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"credHelpers": {registry: "keep"}}))
    cruet.env["PATH"] = f"{helper.parent}:{os.environ['PATH']}"
    cruet.run("login", "-u", "user", "--password-stdin", registry, input=b"pass:word")
    kept = json.loads((home / "home/kept").read_text())
    assert kept == {"ServerURL": registry, "Username": "user", "Secret": "pass:word"}
    assert json.loads(config.read_text()) == {"credHelpers": {registry: "keep"}, "auths": {registry: {}}}


KEY_RING = """#!/usr/bin/env python3
import json, os, sys
path = os.environ["HOME"] + "/ring-" + os.path.basename(sys.argv[0])
ring = json.load(open(path)) if os.path.exists(path) else {}
text = sys.stdin.read()
if sys.argv[1] == "store":
    ring[json.loads(text)["ServerURL"]] = json.loads(text)
elif sys.argv[1] == "list":
    print(json.dumps({server: entry["Username"] for server, entry in ring.items()}))
elif text not in ring:
    sys.exit("credentials not found in native keychain")
elif sys.argv[1] == "get":
    print(json.dumps(ring[text]))
else:
    del ring[text]
json.dump(ring, open(path, "w"))
"""


@pytest.fixture
def rings(cruet, home):
    """The helpers "first" and "second", each with a key ring; name → what is in it."""
    places = home / "bin"
    places.mkdir()
    (home / "home").mkdir()
    for name in ("first", "second"):
        (places / f"docker-credential-{name}").write_text(KEY_RING)
        (places / f"docker-credential-{name}").chmod(0o755)
    cruet.env["PATH"] = f"{places}:{os.environ['PATH']}"

    def ring(name):
        path = home / f"home/ring-docker-credential-{name}"
        return json.loads(path.read_text()) if path.exists() else {}

    return ring


def test_credential_helpers_of_registries_conf(cruet, home, registry, rings):
    """podman's way to name helpers for all hosts."""
    conf = home / "home/.config/containers/registries.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text('credential-helpers = ["first", "containers-auth.json", "second"]\n')
    login = ["login", "-u", "user", "--password-stdin"]
    assert "docker-credential-first" in cruet.run(*login, registry, input=b"pass:word").out
    assert rings("first")[registry]["Secret"] == "pass:word" and not (home / "run/containers/auth.json").exists()
    cruet.run("digest", f"docker://{registry}/app:1")
    # helpers know no namespaces
    cruet.run(*login, f"{registry}/team", input=b"pass:word")
    assert list(json.loads((home / "run/containers/auth.json").read_text())["auths"]) == [f"{registry}/team"]
    assert "docker-credential-first" in cruet.run("logout", registry).out and rings("first") == {}
    cruet.fails(4, "digest", f"docker://{registry}/app:1")
    cruet.run("digest", f"docker://{registry}/team:1")
    cruet.run("logout", f"{registry}/team")
    # the last that is asked
    conf.write_text('credential-helpers = ["second"]\n')
    cruet.run(*login, registry, input=b"pass:word")
    conf.write_text('credential-helpers = ["containers-auth.json", "second"]\n')
    cruet.run("digest", f"docker://{registry}/app:1")
    cruet.fails(4, "digest", f"docker://{registry}/app:1", env=dict(cruet.env, REGISTRY_AUTH_FILE=str(home / "none.json")))
    cruet.run("logout", registry)
    assert rings("second") == {}
    conf.write_text('credential-helpers = ["second"]\n')
    cruet.run(*login, registry, input=b"pass:word")
    cruet.run("logout", "--all")
    assert rings("second") == {}
    conf.write_text('credential-helpers = ["absent"]\n')
    assert "docker-credential-absent" in cruet.fails(4, "digest", f"docker://{registry}/app:1")
