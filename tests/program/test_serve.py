"""`cruet serve` over a real store: names, users, TLS, gc beside it, clients that are many, slow, hostile or gone."""
import base64
import hashlib
import json
import os
import random
import re
import resource
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

import conftest
import serving
from serving import (OCI_EMPTY, OCI_LAYER, OCI_MANIFEST, Repo, Server, config_of, descriptor, digest, image_manifest, layer_tar, text)


@pytest.fixture
def server(serve):
    return serve()


def raw(server, data, wait=5, read=True):
    """Sends these bytes and reads what comes until the server closes."""
    host, port = server.host.split(":")
    with socket.create_connection((host, int(port)), timeout=wait) as s:
        s.sendall(data)
        got = b""
        while read:
            try:
                piece = s.recv(65536)
            except (TimeoutError, ConnectionResetError):
                break
            if not piece:
                break
            got += piece
        return got


def in_time(holds):
    """What a server does after its answer may take a moment."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def in_threads(count, work):
    failed = []

    def run(number):
        try:
            work(number)
        except BaseException as e:  # noqa: B902
            failed.append(e)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]


# ---- names ----

@pytest.mark.parametrize("path", ["base", "library/base", "docker.io/library/base"])
def test_an_image_of_the_store_under_each_of_its_names(based, serve, path):
    s = serve()
    answer = s.get(f"/v2/{path}/manifests/latest")
    assert answer.status == 200 and answer["Docker-Content-Digest"] == based.digest("base")
    assert s.get(f"/v2/{path}/tags/list").json() == {"name": path, "tags": ["latest"]}


def test_other_hosts_and_the_servers_own_address(based, serve):
    s = serve()
    based.run("tag", "base", "ghcr.io/team/app:1")
    based.run("tag", "base", f"{s.host}/mine:2")
    assert s.get("/v2/ghcr.io/team/app/manifests/1").status == 200
    assert s.get("/v2/team/app/manifests/1").status == 404
    assert s.get("/v2/mine/manifests/2").status == 200
    assert s.get("/v2/mine/manifests/2", Host="elsewhere:5000").status == 404
    assert s.get("/v2/team/app/manifests/1?ns=ghcr.io").status == 200, "as containerd asks a mirror"
    assert s.get("/v2/ghcr.io/team/app/manifests/1?ns=quay.io").status == 404
    assert s.get("/v2/library/base/manifests/latest?ns=docker.io").status == 200
    assert s.get("/v2/_catalog").json()["repositories"] == ["base", "ghcr.io/team/app", "mine"]


@pytest.mark.root
def test_what_is_pushed_can_be_run(based, serve, tmp_path):
    """A running server sees what other processes do, and they what it got."""
    s = serve()
    based.build("FROM base\nRUN echo pushed > /said\nCMD [\"cat\", \"/said\"]\n", tag="built")
    layers = s.get("/v2/built/manifests/latest")
    assert layers.status == 200
    done = s.call("PUT", "/v2/team/app/manifests/1", layers.body, {"Content-Type": layers["Content-Type"]})
    assert done.status == 201
    assert based.run("run", "team/app:1").out == "pushed\n"
    based.run("rmi", "built")
    assert s.get("/v2/built/manifests/latest").status == 404
    based.run("gc")
    assert based.run("run", "team/app:1").out == "pushed\n"


def test_artifacts_are_no_damage(cruet, server):
    repo = Repo(server, "team/app")
    image, _ = repo.image("v1")
    repo.blob(b"{}")
    _, done = repo.manifest(image_manifest(b"{}", [], OCI_EMPTY, artifactType="application/x.sig", subject=descriptor(image, OCI_MANIFEST)), "signature")
    assert done.status == 201
    repo.blob(b"\x00 no JSON")
    assert repo.manifest(image_manifest(b"\x00 no JSON", [], "application/x.config"), "strange")[1].status == 201
    cruet.sound()
    done = cruet.run("images")
    assert "team/app" in done.out and done.err == "" and "signature" not in done.out and "strange" not in done.out
    cruet.run("gc")
    assert server.get("/v2/team/app/manifests/signature").status == 200


@pytest.mark.parametrize("before", ["http://x", "https://x:5000", "HTTP://x"])
def test_a_target_may_be_a_whole_url(based, server, before):
    """As proxies get it (RFC 9112 section 3.2.2). Its host is the one that counts."""
    based.run("tag", "base", "localhost:7/app:1")
    for path, status in (("/v2/", 200), ("", 404), ("?n=1", 404), ("/v2/base/manifests/latest", 200), ("/v2/app/manifests/1", 404)):
        got = raw(server, f"HEAD {before}{path} HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n".encode())
        assert got.startswith(f"HTTP/1.1 {status} ".encode()), (path, got)
    got = raw(server, b"HEAD http://localhost:7/v2/app/manifests/1 HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("config,layer_type", [(b"{}", OCI_LAYER), (b"\x00 no JSON", OCI_LAYER), (b"{}", "application/x.text"), (b"{}", None)])
def test_an_artifact_is_no_image(cruet, server, tmp_path, config, layer_type):
    repo = Repo(server, "team/chart")
    layer = layer_tar({"chart": b"x"})
    repo.blob(config)
    repo.blob(layer)
    assert repo.manifest(image_manifest(config, [layer] if layer_type else [], "application/x.config", layer_type,
                                        **({"artifactType": "application/x.chart"} if config == b"{}" else {})), "1")[1].status == 201
    kind = "application/x.chart" if config == b"{}" else "application/x.config"
    for verb in (["unpack", "team/chart:1", tmp_path / "out"], ["run", "--pull=never", "team/chart:1", "sh"], ["export", "team/chart:1"],
                 ["save", "-o", tmp_path / "a.tar", "team/chart:1"]):
        done = cruet.run(*verb, check=False)
        assert done.returncode == (125 if verb[0] == "run" else 11) and f"an artifact of the type '{kind}'" in done.err, done.err
        assert len([line for line in done.err.splitlines() if line.startswith("cruet: ")]) == 1
    done = cruet.build("FROM team/chart:1\nCOPY x /x\n", files={"x": b"x"}, check=False)
    assert done.returncode == 11 and f"an artifact of the type '{kind}'" in done.err
    assert "layers" not in done.err and not (tmp_path / "out").exists() and not (tmp_path / "a.tar").exists()


def test_untagged_manifests_stay_until_gc_all(cruet, server):
    repo = Repo(server, "team/app")
    image, _ = repo.image("v1")
    repo.blob(b"{}")
    alone, _ = repo.image(None, {"other": b"x"})
    signature, _ = repo.manifest(image_manifest(b"{}", [], OCI_EMPTY, subject=descriptor(image, OCI_MANIFEST)))
    cruet.run("gc")
    for content in (image, alone, signature):
        assert server.get(f"{repo.base}/manifests/{digest(content)}").status == 200
    cruet.run("gc", "--all")
    assert server.get(f"{repo.base}/manifests/{digest(alone)}").status == 404
    for content in (image, signature):
        assert server.get(f"{repo.base}/manifests/{digest(content)}").status == 200, "the subject of a signature is named"
    cruet.sound()


# ---- gc beside the server ----

def test_gc_runs_beside_an_idle_server_and_spares_what_is_being_pushed(cruet, server):
    repo = Repo(server, "team/app")
    layer = layer_tar({"f": os.urandom(100)})
    config = config_of(layer)
    repo.blob(layer)
    where = repo.begin()
    assert server.call("PATCH", where, config[:10]).status == 202
    start = time.monotonic()
    cruet.run("gc", "--all")
    assert time.monotonic() - start < 5
    done = repo.put(where, config[10:], digest(config))
    assert done.status == 201
    _, done = repo.manifest(image_manifest(config, [layer]), "v1")
    assert done.status == 201


def test_pushes_go_on_while_gc_waits_for_a_build(cruet, server):
    """Another process holds the store as a build does: gc waits for it, pushes do not."""
    holder = subprocess.Popen(["flock", "-s", cruet.root / "locks/store", "sleep", "3"])
    time.sleep(0.2)
    gc = subprocess.Popen([conftest.CRUET, "gc"], env=cruet.env, stdout=subprocess.DEVNULL)
    repo, slowest = Repo(server, "team/app"), 0
    while holder.poll() is None:
        start = time.monotonic()
        repo.blob(os.urandom(100))
        slowest = max(slowest, time.monotonic() - start)
    assert gc.wait(20) == 0 and slowest < 2


def test_gc_frees_what_was_pushed_and_forgotten(cruet, server):
    repo = Repo(server, "team/app")
    content = os.urandom(1000)
    repo.blob(content)
    where = repo.begin()
    server.call("PATCH", where, b"abc")
    server.stop()
    old = time.time() - 3 * 3600
    for folder in ("pending", "uploads"):
        for path in (cruet.root / "registry" / folder).iterdir():
            os.utime(path, (old, old))
    cruet.run("gc")
    assert not list((cruet.root / "blobs/sha256").iterdir())
    assert not list((cruet.root / "registry/uploads").iterdir()) and not list((cruet.root / "registry/pending").iterdir())


def test_a_blob_that_a_client_was_told_of_is_spared(based, serve):
    s = serve()
    manifest = s.get("/v2/base/manifests/latest").json()
    based.run("rmi", "base")
    blobs = [manifest["config"]["digest"], manifest["layers"][0]["digest"]]
    for blob in blobs:
        assert s.call("HEAD", f"/v2/app/blobs/{blob}").status == 200
    based.run("gc", "--all")
    done = s.call("PUT", "/v2/app/manifests/1", text(manifest), {"Content-Type": OCI_MANIFEST})
    assert done.status == 201


@pytest.mark.slow
def test_gc_while_many_push_and_pull(cruet, server):
    stop = time.monotonic() + 8
    collected = 0

    def push(number):
        repo = Repo(server, f"load/app{number}")
        count = 0
        while time.monotonic() < stop:
            content, done = repo.image(f"t{count % 3}", {"f": os.urandom(20000)})
            assert done.status == 201, done.body
            for d in [json.loads(content)["config"], *json.loads(content)["layers"]]:
                got = server.get(f"{repo.base}/blobs/{d['digest']}")
                assert got.status == 200 and digest(got.body) == d["digest"]
            if count % 4 == 3:
                assert server.call("DELETE", f"{repo.base}/manifests/{digest(content)}").status == 202
            count += 1

    pushers = threading.Thread(target=in_threads, args=(6, push))
    pushers.start()
    while time.monotonic() < stop - 1:
        cruet.run("gc", *(["--all"] if collected % 2 else []))
        collected += 1
    pushers.join()
    assert collected >= 3
    cruet.sound()


# ---- users and TLS ----

def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_htpasswd(based, serve, tmp_path):
    users = serving.htpasswd(tmp_path / "users", "ann", "s3cret:with colon")
    s = serve("--htpasswd", users)
    for headers in ({}, basic("ann", "wrong"), basic("bob", "s3cret:with colon"), {"Authorization": "Bearer x"}, {"Authorization": "Basic %%"}):
        for path in ("/v2/", "/v2/base/manifests/latest", "/metrics", "/nowhere"):
            answer = s.call("GET", path, headers=headers)
            assert answer.status == 401 and answer.codes() == ["UNAUTHORIZED"]
            assert answer["WWW-Authenticate"] == 'Basic realm="cruet"'
            if path == "/v2/":
                continue
            break
    good = basic("ann", "s3cret:with colon")
    assert s.call("GET", "/v2/", headers=good).status == 200
    start = time.monotonic()
    for _ in range(50):
        assert s.call("GET", "/v2/base/manifests/latest", headers=good).status == 200
    assert time.monotonic() - start < 1, "a password that was right is not hashed again"
    users.unlink()
    serving.htpasswd(users, "bob", "new")
    assert s.call("GET", "/v2/", headers=basic("bob", "new")).status == 200
    assert s.call("GET", "/v2/", headers=good).status == 401
    assert b" ann " in s.log.read_bytes() and b"s3cret" not in s.log.read_bytes()


@pytest.mark.parametrize("kind,word", [("-m", "MD5"), ("-s", "SHA-1")])
def test_weak_hashes_are_refused(cruet, tmp_path, kind, word):
    users = serving.htpasswd(tmp_path / "users", "ann", "pw", kind)
    error = cruet.fails(11, "serve", "--listen", "127.0.0.1:0", "--htpasswd", users)
    assert word in error and "users:1" in error and "htpasswd -B" in error


def test_tls(based, serve, tmp_path):
    cert, key = serving.certificate(tmp_path)
    s = serve("--tls-cert", cert, "--tls-key", key)
    assert s.url.startswith("https://")
    content = os.urandom(3_000_000)
    Repo(s, "team/app").blob(content)
    done = subprocess.run(["curl", "-s", "--cacert", cert, f"{s.url}/v2/team/app/blobs/{digest(content)}"], capture_output=True, check=True)
    assert done.stdout == content
    assert subprocess.run(["curl", "-s", f"{s.url}/v2/"], capture_output=True, check=False).returncode == 60
    name = f"{s.url.split('//')[1]}/base"
    assert "certificate" in based.fails(5, "ls", name)
    for flags, more in ((["--ca-file", cert], {}), ([], {"SSL_CERT_FILE": str(cert)}), (["--tls-verify=false"], {})):
        assert based.run("ls", *flags, name, env={**based.env, **more}).out == "latest\n"
    assert b"HTTP" not in raw(s, b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", 2)[:4]


def test_bad_certificates(cruet, tmp_path):
    cert, key = serving.certificate(tmp_path)
    assert "belong together" in cruet.fails(2, "serve", "--listen", "127.0.0.1:0", "--tls-cert", cert)
    assert "no certificate" in cruet.fails(9, "serve", "--listen", "127.0.0.1:0", "--tls-cert", key, "--tls-key", cert)
    cruet.fails(7, "serve", "--listen", "127.0.0.1:0", "--tls-cert", tmp_path / "none", "--tls-key", key)


# ---- the command ----

@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "::1:80", "a:b:80"])
def test_bad_addresses(cruet, address):
    assert "HOST:PORT" in cruet.fails(2, "serve", "--listen", address)


def test_address_in_use(cruet, server):
    error = cruet.fails(1, "serve", "--listen", server.host)
    assert "Address already in use" in error and "another program" in error


@pytest.mark.parametrize("flags,words", [
    ([], "can pull every image and blob of the store, push and delete; nobody is asked for a password; the connection is not encrypted"),
    (["--read-only", "--mirror", "quay.io"], "blob of the store and what you may pull from quay.io; nobody is asked")])
def test_another_address_says_what_is_open(cruet, flags, words):
    s = subprocess.Popen([conftest.CRUET, "serve", "--listen", "0.0.0.0:0", *flags], env=cruet.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = s.stdout.readline().decode()
    s.terminate()
    _, errors = s.communicate(timeout=20)
    assert line.startswith("listening on http://0.0.0.0:") and s.returncode == 0
    assert b"whoever reaches" in errors and words.encode() in errors


def test_ipv6(cruet):
    s = subprocess.Popen([conftest.CRUET, "serve", "--listen", "[::1]:0"], env=cruet.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = s.stdout.readline().decode()
    if "listening" not in line:
        s.wait()
        pytest.skip("no IPv6 here")
    done = subprocess.run(["curl", "-sg", line.split()[-1] + "/v2/"], capture_output=True, check=False)
    s.terminate()
    s.communicate(timeout=20)
    assert done.stdout == b"{}" and s.returncode == 0


def test_read_only(based, serve):
    s = serve("--read-only")
    manifest = s.get("/v2/base/manifests/latest")
    assert manifest.status == 200
    for method, path in (("POST", "/v2/base/blobs/uploads/"), ("PUT", "/v2/base/manifests/x"), ("DELETE", "/v2/base/manifests/latest"),
                         ("DELETE", f"/v2/base/blobs/{manifest.json()['config']['digest']}")):
        answer = s.call(method, path)
        assert answer.status == 405 and b"read-only" in answer.body
    assert not (based.root / "registry").exists(), "nothing is written"


def test_log_and_metrics(based, serve):
    s = serve()
    s.get("/v2/base/manifests/latest")
    s.get('/v2/base/manifests/no"pe%22')
    s.get("/v2/base/manifests/nope")
    wanted = r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /v2/base/manifests/latest HTTP/1\.1" 200 \d+$'
    time.sleep(0.3)
    lines = s.log.read_text().splitlines()
    assert len(lines) == 3 and any(re.match(wanted, line) for line in lines) and any("no\\x22pe%22" in line for line in lines)
    answer = s.get("/metrics")
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    values = dict(line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))
    assert values['cruet_http_requests_total{route="manifest",method="GET",code="2xx"}'] == "1"
    assert values['cruet_http_requests_total{route="manifest",method="GET",code="4xx"}'] == "2"
    assert values["cruet_repositories"] == "1" and values["cruet_http_in_flight"] == "1"
    assert 1 << 20 < int(values["process_resident_memory_bytes"]) < 64 << 20


def test_sigterm_lets_running_answers_end(cruet, serve):
    s = serve("--limit-rate", "1m")
    content = os.urandom(1_500_000)
    Repo(s, "team/app").blob(content)
    got = []
    t = threading.Thread(target=lambda: got.append(s.get(f"/v2/team/app/blobs/{digest(content)}").body))
    t.start()
    time.sleep(0.4)
    assert s.stop() == 0
    t.join()
    assert got == [content]


def test_sigterm_does_not_wait_for_ever(cruet, serve):
    s = serve("--grace", "1", "--fail", "stall=10,on=blob")
    content = os.urandom(1000)
    Repo(s, "team/app").blob(content)
    threading.Thread(target=lambda: pytest.raises(Exception, s.get, f"/v2/team/app/blobs/{digest(content)}"), daemon=True).start()
    time.sleep(0.3)
    start = time.monotonic()
    assert s.stop() == 0
    assert 0.5 < time.monotonic() - start < 5


# ---- faults on demand ----

def test_faults(cruet, serve):
    content = os.urandom(5000)
    path = f"/v2/team/app/blobs/{digest(content)}"
    s = serve("--fail", "status=503,on=blob,every=2")
    Repo(s, "team/app").blob(content)
    assert [s.get(path).status for _ in range(4)] == [200, 503, 200, 503]
    assert s.get(path).status == 200 and s.get(path)["Retry-After"] == "1"
    s = serve("--fail", "cut=100,on=blob,count=1")
    got = raw(s, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert got.split(b"\r\n\r\n", 1)[1] == content[:100]
    assert s.get(path).body == content
    s = serve("--fail", "corrupt=7")
    assert s.get(path).body == content[:7] + bytes([content[7] ^ 255]) + content[8:]
    s = serve("--fail", "stall=50,on=blob", "--grace", "1")
    got = raw(s, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), wait=1)
    assert got.split(b"\r\n\r\n", 1)[1] == content[:50]
    s = serve("--delay", "300ms", "--limit-rate", "10k")
    start = time.monotonic()
    assert s.get(path).body == content
    assert 0.7 < time.monotonic() - start < 3
    assert "--fail knows" in cruet.fails(2, "serve", "--fail", "explode")


# ---- clients that are many ----

def test_one_blob_by_many_at_once(cruet, server):
    content = os.urandom(2_000_000)

    def push(number):
        repo = Repo(server, f"team/app{number % 3}")
        where = repo.begin()
        half = len(content) // 2
        assert server.call("PATCH", where, content[:half]).status == 202
        assert repo.put(where, content[half:], digest(content)).status == 201
        assert digest(server.get(f"{repo.base}/blobs/{digest(content)}").body) == digest(content)

    in_threads(16, push)
    assert len(list((cruet.root / "blobs/sha256").iterdir())) == 1
    assert not list((cruet.root / "registry/uploads").iterdir())


def test_tags_pushed_at_once(cruet, server):
    content, _ = Repo(server, "team/app").image("first")

    def push(number):
        repo = Repo(server, f"team/app{number % 4}")
        for i in range(5):
            assert repo.manifest(content, f"t{number}-{i}")[1].status == 201

    in_threads(8, push)
    for n in range(4):
        tags = server.get(f"/v2/team/app{n}/tags/list").json()["tags"]
        assert sorted(tags) == sorted(f"t{k}-{i}" for k in (n, n + 4) for i in range(5))


def test_one_upload_by_two_at_once(server):
    repo = Repo(server, "team/app")
    where = repo.begin()
    host, port = server.host.split(":")
    with socket.create_connection((host, int(port))) as s:
        s.sendall(f"PATCH {where} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc".encode())
        time.sleep(0.3)
        answer = server.call("PATCH", where, b"xyz")
        assert answer.status == 409 and answer.codes() == ["BLOB_UPLOAD_INVALID"]
        s.sendall(b"def")
    time.sleep(0.3)
    state = server.get(where)
    assert state.status == 204 and state["Range"] == "0-5", "what a cut connection sent stays"
    assert server.call("PATCH", where, b"ghi", {"Content-Range": "6-8"}).status == 202
    assert repo.put(where, b"", digest(b"abcdefghi")).status == 201


def test_delete_during_a_pull(cruet, serve):
    s = serve("--limit-rate", "1m")
    content = os.urandom(1_000_000)
    Repo(s, "team/app").blob(content)
    path = f"/v2/team/app/blobs/{digest(content)}"
    got = []
    t = threading.Thread(target=lambda: got.append(s.get(path).body))
    t.start()
    time.sleep(0.3)
    assert s.call("DELETE", path).status == 202
    assert s.get(path).status == 404
    t.join()
    assert got == [content]


@pytest.mark.slow
def test_memory_with_many_clients(cruet, server):
    """64 clients pull a blob of 100 MB, half of them slowly, and 16 push one."""
    content = os.urandom(1000) * 100_000
    repo = Repo(server, "team/app")
    path = f"{repo.base}/blobs/{repo.blob(content)}"
    host, port = server.host.split(":")

    def pull(number):
        if number >= 64:
            other = Repo(server, "team/other")
            other.put(other.begin(), content[: 20_000_000 + number])
            return
        with socket.create_connection((host, int(port))) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            got, room = 0, bytearray(1 << 20)
            while True:
                n = s.recv_into(room, len(room), socket.MSG_TRUNC)
                if n == 0:
                    break
                got += n
                if number % 2:
                    time.sleep(0.002)
            assert got > len(content)

    in_threads(80, pull)
    if "asan" not in conftest.CRUET:
        assert server.memory() <= 32


def test_restart_continues_an_upload(cruet, serve):
    s = serve()
    repo = Repo(s, "team/app")
    content = os.urandom(100_000)
    where = repo.begin()
    assert s.call("PATCH", where, content[:60_000]).status == 202
    s.kill()
    s = serve()
    repo = Repo(s, "team/app")
    assert s.get(where)["Range"] == "0-59999"
    assert repo.put(where, content[60_000:], digest(content)).status == 201
    assert s.get(f"/v2/team/app/blobs/{digest(content)}").body == content


@pytest.mark.parametrize("call", ["fdatasync", "syncfs"])
def test_what_a_disk_does_not_take_is_not_acknowledged(broken, serve, call):
    """A blob is on the disk before its client hears of it, and all of an image before the manifest's does."""
    broken(call, "error=EIO")
    repo = Repo(serve(), "team/app")
    done = repo.put(repo.begin(), b"x" * 1000) if call == "fdatasync" else repo.image("1")[1]
    assert done.status == 500 and done.codes() == ["UNKNOWN"], done.body
    if call == "fdatasync":
        assert repo.server.get(f"/v2/team/app/blobs/{digest(b'x' * 1000)}").status == 404


def test_what_the_power_cut_off_before_it_was_acknowledged(cruet, serve):
    repo = Repo(serve(), "team/app")
    repo.image()
    [kept] = cruet.root.glob("registry/kept/*")
    before = kept.read_bytes()
    os.truncate(kept, 0)
    cruet.run("gc")
    assert repo.image()[1].status == 201
    assert kept.read_bytes() == before


@pytest.mark.slow
def test_killed_during_pushes(cruet):
    """A server that is killed at any moment leaves a sound store and nothing wrong in it."""
    chance = random.Random(3)
    for number in range(20):
        server = Server(cruet)
        pushed = []

        def push(n, server=server, pushed=pushed):
            repo = Repo(server, f"team/app{n}")
            for i in range(100):
                try:
                    content, done = repo.image(f"t{i % 4}", {"f": os.urandom(50_000)})
                except (OSError, AssertionError, serving.http.client.HTTPException):
                    return
                if done.status == 201:
                    pushed.append((f"team/app{n}", digest(content)))

        threads = [threading.Thread(target=push, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        time.sleep(chance.uniform(0.02, 0.6))
        server.kill()
        for t in threads:
            t.join()
        if number % 5 == 4:
            cruet.sound()
            again = Server(cruet)
            for name, manifest in pushed:
                assert again.get(f"/v2/{name}/manifests/{manifest}").status == 200
            assert again.stop() == 0
    for path in (cruet.root / "blobs/sha256").iterdir():
        if not path.name.startswith(".tmp-"):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    cruet.run("gc", "--all")
    cruet.sound()


# ---- clients that are hostile ----

def test_header_flood(server):
    for flood in (b"X-A: b\r\n" * 20000, b"X: " + b"a" * 300000 + b"\r\n"):
        got = raw(server, b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + flood + b"\r\n")
        assert got == b"" or got.startswith(b"HTTP/1.1 4"), got[:100]
    got = raw(server, b"GET /" + b"a" * 300000 + b" HTTP/1.1\r\n\r\n")
    assert got == b"" or got.startswith(b"HTTP/1.1 4"), got[:100]
    assert server.get("/v2/").status == 200
    assert server.memory() < 40 or "asan" in conftest.CRUET


@pytest.mark.parametrize("data", [
    b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET /v2/ HTTP/9.9\r\n\r\n", b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"PUT /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /v2/a/blobs/" + urllib.parse.quote("../../../../etc/passwd").encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v2/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_malformed_requests(server, data):
    got = raw(server, data, wait=1)
    assert got == b"" or got.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505")), got[:200]
    assert b"root:" not in got
    assert server.get("/v2/").status == 200


def test_upload_longer_than_allowed(serve):
    s = serve("--max-blob", "1m")
    repo = Repo(s, "team/app")
    answer = s.call("PATCH", repo.begin(), b"x" * 1_100_000)
    assert answer.status == 413 and answer.codes() == ["SIZE_INVALID"]
    assert repo.blob(b"x" * 1_000_000)


def test_a_body_that_does_not_come_is_not_waited_for(serve):
    s = serve("--idle-timeout", "1")
    repo = Repo(s, "team/app")
    where = repo.begin()
    start = time.monotonic()
    raw(s, f"PATCH {where} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc".encode(), wait=10)
    raw(s, b"GET /v2/ HTTP/1.1\r\nHost:", wait=10)
    assert time.monotonic() - start < 8
    assert s.get(where)["Range"] == "0-2"


def drip(server, head, piece, wait=60):
    """Sends the head, then the piece again and again; true if the server ends it."""
    host, port = server.host.split(":")
    with socket.create_connection((host, int(port))) as s:
        s.sendall(head)
        s.settimeout(0.2)
        end = time.monotonic() + wait
        while time.monotonic() < end:
            try:
                s.sendall(piece)
                if not s.recv(65536):
                    return True
            except TimeoutError:
                pass
            except OSError:
                return True
    return False


@pytest.mark.parametrize("what", ["head", "second head", "body", "body that nobody wants"])
def test_a_byte_now_and_then_does_not_keep_a_connection(serve, what):
    s = serve("--idle-timeout", "1")
    where = Repo(s, "team/app").begin()
    head = {"head": b"GET /v2/ HTTP/1.1\r\n", "second head": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\nGET /v2/ HTTP/1.1\r\n",
            "body": f"PATCH {where} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode(),
            "body that nobody wants": b"PUT /v2/UPPER/manifests/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"}[what]
    assert drip(s, head, b"X: y\r\n" if "head" in what else b"x")
    if what == "body":
        assert s.get(where).status == 204, "the upload can be gone on with"


def test_an_answer_that_is_hardly_read(cruet, serve):
    s = serve("--idle-timeout", "1")
    content = os.urandom(20_000_000)
    path = f"/v2/team/app/blobs/{Repo(s, 'team/app').blob(content)}"
    host, port = s.host.split(":")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        slow.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        end, values = time.monotonic() + 60, {}
        while time.monotonic() < end and values.get("cruet_http_connections") != "1":
            slow.recv(20)
            time.sleep(0.2)
            values = dict(line.rsplit(" ", 1) for line in s.get("/metrics").body.decode().splitlines() if not line.startswith("#"))
        assert values["cruet_http_connections"] == "1"


def test_two_lengths_are_none(server):
    """Who stands before the server may have gone by the other one."""
    where = Repo(server, "team/app").begin()
    for more in ("Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: 5\r\nContent-Length: 3", "Content-Length: 5\r\nContent-Length: 5"):
        got = raw(server, f"PATCH {where} HTTP/1.1\r\nHost: x\r\n{more}\r\n\r\n0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n".encode(), wait=2)
        assert got.startswith(b"HTTP/1.1 400") and got.count(b"HTTP/1.1") == 1 and b"SIZE_INVALID" in got
    assert server.get(where)["Range"] == "0-0"


def test_what_is_no_digest_is_refused_before_the_body(server):
    repo = Repo(server, "team/app")
    for name in ("sha256:xyz", "sha512:" + "0" * 128, ""):
        where = repo.begin()
        for target in (f"PUT {where}?digest={name}", f"POST {repo.base}/blobs/uploads/?digest={name}"):
            got = raw(server, f"{target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n".encode())
            assert got.startswith(b"HTTP/1.1 400"), got[:100]
        assert server.get(where).status == 404


def test_cut_in_what_was_refused_already(serve):
    """Neither the upload nor the room for manifests stays taken."""
    s = serve("--max-blob", "1000")
    repo = Repo(s, "team/app")
    where = repo.begin()
    raw(s, f"PATCH {where} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n".encode() + b"x" * 5000, read=False)
    repo.blob(b"{}")
    big = text(image_manifest(b"{}", [], OCI_EMPTY, annotations={"pad": "x" * 3_000_000}))
    for _ in range(5):
        head = b"PUT /v2/team/app/manifests/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        raw(s, head + b"500000\r\n" + b"x" * 0x480000, read=False)
    in_time(lambda: s.get(where).status == 204)
    in_time(lambda: repo.manifest(big, "big")[1].status == 201)


def test_slow_readers_of_large_manifests_and_lists(server):
    repo = Repo(server, "team/app")
    repo.blob(b"{}")
    subject = descriptor(b"nothing", OCI_MANIFEST)
    for i in range(3):
        _, done = repo.manifest(image_manifest(b"{}", [], OCI_EMPTY, subject=subject, annotations={"pad": str(i) * 900_000}), f"big{i}")
        assert done.status == 201
    host, port = server.host.split(":")
    for path in ("manifests/big1", f"referrers/{subject['digest']}"):
        waiting = [socket.create_connection((host, int(port))) for _ in range(60)]
        for one in waiting:
            one.sendall(f"GET /v2/team/app/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        heads = [one.recv(12) for one in waiting]
        assert heads.count(b"HTTP/1.1 200") == 60 if "manifests" in path else set(heads) == {b"HTTP/1.1 200", b"HTTP/1.1 429"}
        for one in waiting:
            one.close()
    if "asan" not in conftest.CRUET:
        assert server.memory() < 64
    in_time(lambda: server.get(f"/v2/team/app/{path}").status == 200)


def test_long_targets_are_logged_in_one_line_each(server):
    for target in ("/v2/?" + '"' * 30000, "/v2/" + "a" * 9000):
        assert raw(server, f"GET {target} HTTP/1.0\r\n\r\n".encode()).startswith(b"HTTP/1.1 414")
    in_time(lambda: server.log.read_bytes().count(b"\n") == 2)
    lines = server.log.read_text().splitlines()
    assert all(re.match(r'127\.0\.0\.1 - - \[.*\] "GET /v2/.*\.\.\. HTTP/1\.0" 414 \d+$', line) for line in lines)


def test_uploads_leave_files_to_others(server):
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (120, 120))
    repo = Repo(server, "team/app")
    begun = [server.call("POST", f"{repo.base}/blobs/uploads/") for _ in range(60)]
    assert [a.status for a in begun] == [202] * 40 + [429] * 20
    assert begun[-1].codes() == ["TOOMANYREQUESTS"] and int(begun[-1]["Retry-After"]) > 0
    assert repo.put(begun[0]["Location"], b"x").status == 201
    assert repo.blob(b"y")


def test_connections_are_bounded(serve):
    s = serve("--max-connections", "10", "--idle-timeout", "2")
    host, port = s.host.split(":")
    open_ones = [socket.create_connection((host, int(port))) for _ in range(30)]
    time.sleep(0.3)
    assert serving.open_descriptors(s.pid) < 40
    for one in open_ones:
        one.close()
    time.sleep(0.3)
    assert s.get("/v2/").status == 200


def test_full_disk(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", mount], check=True)
    try:
        cruet = conftest.Cruet(mount / "store")
        s = Server(cruet)
        repo = Repo(s, "team/app")
        answer = s.call("PATCH", repo.begin(), os.urandom(6_000_000))
        assert answer.status == 507 and b"No space left" in answer.body
        assert s.call("DELETE", repo.begin()).status == 204
        assert s.stop() == 0
        cruet.sound()
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


# ---- many manifests ----

def test_a_manifest_of_many_tags_is_deleted_at_once(cruet, server):
    repo = Repo(server, "team/app")
    image, _ = repo.image("t")
    file = cruet.root / "index.json"
    index = json.loads(file.read_text())
    one = index["manifests"][0]
    index["manifests"] = [dict(one, annotations={k: f"docker.io/team/app:t{i}" for k in one["annotations"]}) for i in range(8000)]
    (cruet.root / "new").write_text(json.dumps(index))
    (cruet.root / "new").rename(file)
    assert len(server.get(f"{repo.base}/tags/list").json()["tags"]) == 8000
    assert server.call("DELETE", f"{repo.base}/manifests/{digest(image)}").status == 202
    assert server.get(f"{repo.base}/tags/list").status == 404 and json.loads(file.read_text())["manifests"] == []


@pytest.mark.slow
def test_ten_thousand_referrers(cruet, serve):
    """The first question reads each manifest once, the next ones take no time; pages hold them all."""
    s = serve()
    repo = Repo(s, "team/app")
    image, _ = repo.image("v1")
    repo.blob(b"{}")
    subject = descriptor(image, OCI_MANIFEST)
    wanted = set()
    kept = cruet.root / "registry/kept"
    name = hashlib.sha256(b"docker.io/team/app").hexdigest()[:16]
    for i in range(10_000):
        content = text(image_manifest(b"{}", [], OCI_EMPTY, artifactType=f"application/x.{i % 10}", subject=subject, annotations={"n": str(i)}))
        own = digest(content)
        (cruet.root / "blobs/sha256" / own[7:]).write_bytes(content)
        (kept / f"{name}-{own[7:]}").write_text(json.dumps({"repository": "docker.io/team/app", "digest": own, "mediaType": OCI_MANIFEST, "size": len(content)}))
        wanted.add(own)
    path, got = f"{repo.base}/referrers/{digest(image)}", []
    s.get(path)
    start = time.monotonic()
    while path:
        answer = s.get(path)
        got += [d["digest"] for d in answer.json()["manifests"]]
        link = answer["Link"]
        path = link and link[1:link.index(">")]
        assert len(answer.body) <= 4 << 20
    assert len(got) == 10_000 and set(got) == wanted
    slow = 10 if "asan" in conftest.CRUET else 1
    assert time.monotonic() - start < 3 * slow
    start = time.monotonic()
    answer = s.get(f"{repo.base}/referrers/{NONE}")
    assert answer.json()["manifests"] == [] and time.monotonic() - start < 0.5 * slow
    start = time.monotonic()
    for _ in range(20):
        assert s.get(f"{repo.base}/manifests/{got[5000]}").status == 200
    assert time.monotonic() - start < 2 * slow
    assert "asan" in conftest.CRUET or s.memory() < 32


NONE = "sha256:" + "a" * 64
