"""A registry made to do harm: one clear error, its own exit status, little memory, nothing wrong kept, no secret given away."""
import concurrent.futures
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tarfile

import pytest

import conftest
import serving
from conftest import Cruet, write
from fault_registry import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, REPO, Answer, FaultRegistry, Image, config_of, descriptor, digest, text

MEASURE = ("import os,sys\np = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)\n_, s, u = os.wait4(p, 0)\n"
           "open(sys.argv[1], 'w').write(str(u.ru_maxrss))\nos._exit(os.waitstatus_to_exitcode(s) & 255)")
MEBIBYTES = 640 if "asan" in conftest.CRUET else 64  # what is freed stays in quarantine there


@pytest.fixture
def registry():
    r = FaultRegistry()
    yield r
    r.close()


def sound(cruet):
    cruet.sound()
    for path in cruet.root.glob("blobs/sha256/*"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def measured(cruet, *args, env=None):
    note = cruet.root.with_suffix(".memory")
    cruet.run("images")
    done = subprocess.run([sys.executable, "-IS", "-c", MEASURE, note, conftest.CRUET, *map(str, args)], env=dict(cruet.env, **(env or {})),
                          capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL)
    done.err = done.stderr.decode(errors="surrogateescape")
    assert int(note.read_text()) < MEBIBYTES * 1024, f"{note.read_text()} KiB\n{done.err}"
    assert "\033" not in done.err and b"\033" not in done.stdout
    return done


def refused(cruet, statuses, *args, env=None):
    """Runs what must end with one error and leave nothing behind; returns the error."""
    done = measured(cruet, *args, env=env)
    found = [line for line in done.err.splitlines() if line.startswith("cruet: ")]
    assert done.returncode in statuses and len(found) == 1, (done.returncode, done.err[-2000:])
    assert len(found[0]) < 2000
    assert cruet.json("images") == []
    sound(cruet)
    return done.err


# ---- lengths and digests ----

def flipped(content, at=-20):
    at %= len(content)
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]


def wrong_blob(cruet, registry, kind, change, statuses):
    image = Image(50000)
    name = registry.add(image)
    blob = image.config if kind == "config" else image.layers[0]
    registry.fault("GET", digest(blob), times=None, status=200, **change(blob))
    refused(cruet, statuses, "pull", "-q", name)


@pytest.mark.parametrize("kind", ["layer", "config"])
@pytest.mark.parametrize("change", [
    lambda b: {"body": flipped(b)},  # a bit of gzip may spoil the stream before its digest is known
    lambda b: {"body": flipped(b, 10), "endless": b"x" * 65536},
], ids=["wrong", "endless"])
def test_wrong_blobs(cruet, registry, kind, change):
    wrong_blob(cruet, registry, kind, change, (6, 9))


def at_once(tmp_path, cases):
    """What waits between its tries waits beside the others: functions of a store and a registry of their own."""
    def one(number, case):
        registry = FaultRegistry()
        try:
            case(Cruet(tmp_path / f"store{number}"), registry)
        finally:
            registry.close()
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        for done in [pool.submit(one, *c) for c in enumerate(cases)]:
            done.result()


def test_what_stays_short(tmp_path):
    def push(location):
        def case(cruet, registry):
            odd_upload(cruet, registry, {"status": 202, "headers": [("Location", location)]})
        return case
    changes = [lambda b: {"body": b[:-10]}, lambda b: {"body": b[:-10], "length": len(b)}, lambda b: {"body": b"", "length": 0}]
    at_once(tmp_path, [lambda c, r, k=k, f=f: wrong_blob(c, r, k, f, (5, 6)) for k in ("layer", "config") for f in changes] +
            [lambda c, r, raw=raw: odd_head(c, r, raw, (5, 9)) for raw in ODD.values()] + [push(""), push("x" * 5000)])


def test_a_longer_blob_is_read_no_further(cruet, registry):
    """What follows the promised bytes is not even looked at."""
    image = Image(50000)
    name = registry.add(image)
    registry.fault("GET", digest(image.layers[0]), times=None, body=lambda q: image.layers[0] + b"x" * 1000000)
    measured(cruet, "pull", name)
    sound(cruet)


def test_a_stored_layer_of_a_lying_config(cruet, registry):
    """The layer has its digest, but is not what the config says."""
    image = Image(3000)
    other = config_of(Image(3000, seed=2).layers[0])
    registry.add(image)
    registry.blobs[digest(other)] = other
    name = registry.add_manifest(text({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(other, OCI_CONFIG),
                                       "layers": [descriptor(image.layers[0], OCI_LAYER)]}))
    assert "diffID" in refused(cruet, (6,), "pull", name)


@pytest.mark.parametrize("form,statuses", [
    ({"body": b" " * (10 << 20)}, (10,)),
    ({"body": b"[" + b"1," * (3 << 19) + b"1]", "headers": [("Docker-Content-Digest", None)]}, (10,)),
    ({"body": b'{"a":"' + b"x" * (4000 << 10) + b'"}', "headers": [("Docker-Content-Digest", None)]}, (9,)),
    ({"endless": b"{" * 65536}, (10,)),
    ({"endless": b"{" * 65536, "length": 4 << 30}, (10,)),
    ({"status": 404, "endless": b"x" * 65536}, (7,)),
    ({"status": 500, "endless": b"x" * 65536, "headers": [("Retry-After", "0")]}, (5,)),
], ids=["10 MB", "values", "text", "endless", "4 GB", "endless 404", "endless 500"])
def test_big_manifests(cruet, registry, form, statuses):
    name = registry.add(Image())
    registry.fault("GET", "/manifests/", times=None, **form)
    refused(cruet, statuses, "pull", name)


def manifest(config, layers, **members):
    return text({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers, **members})


def test_claims_of_four_gigabytes(cruet, registry):
    image = Image(3000)
    registry.add(image)
    config, layer = descriptor(image.config, OCI_CONFIG), descriptor(image.layers[0], OCI_LAYER)
    refused(cruet, (10,), "pull", registry.add_manifest(manifest(dict(config, size=4 << 30), [layer])))
    registry.fault("GET", digest(image.layers[0]), times=None, status=500, headers=[("Retry-After", "0")])
    refused(cruet, (5,), "pull", registry.add_manifest(manifest(config, [dict(layer, size=4 << 30)])))
    index = text({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        dict(descriptor(image.manifest, OCI_MANIFEST), size=4 << 30, platform={"os": "linux", "architecture": "amd64"})]})
    refused(cruet, (5, 6, 9, 10), "pull", registry.add_manifest(index, media_type=OCI_INDEX))


def test_ten_thousand_layers(cruet, registry):
    image = Image(3000)
    registry.add(image)
    told = refused(cruet, (10,), "pull", registry.add_manifest(manifest(descriptor(image.config, OCI_CONFIG), [descriptor(image.layers[0], OCI_LAYER)] * 10000)))
    assert "10000" in told and not registry.asked("GET", "/blobs/")


def test_a_gzip_bomb_fits_in_memory(cruet, registry):
    """Half a gigabyte of zeros in half a megabyte is streamed; a tar that never ends is bounded as well."""
    member = tarfile.TarInfo("zeros")
    member.size = 512 << 20
    piece = gzip.compress(bytes(16 << 20), 9)
    layer = gzip.compress(member.tobuf()) + piece * 32 + gzip.compress(bytes(1024))
    sums = hashlib.sha256(member.tobuf())
    for _ in range(32):
        sums.update(bytes(16 << 20))
    sums.update(bytes(1024))
    config = text({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sums.hexdigest()}"]}})
    for content in (layer, config):
        registry.blobs[digest(content)] = content
    name = registry.add_manifest(manifest(descriptor(config, OCI_CONFIG), [descriptor(layer, OCI_LAYER)]))
    assert measured(cruet, "pull", "-q", name).returncode == 0
    sound(cruet)


# ---- shapes ----

SHAPES = [b"", b"[]", b"null", b"1", b'"x"', b"{", b"{}", b"\xff\xfe", b'{"schemaVersion":2,"schemaVersion":2}', b"[" * 5000]
GOOD = Image(3000)
DESCRIPTOR = descriptor(GOOD.config, OCI_CONFIG)
MANIFESTS = SHAPES + [
    manifest([], []), manifest(DESCRIPTOR, {}), manifest(DESCRIPTOR, ["x"]), manifest(DESCRIPTOR, [{}]), manifest(dict(DESCRIPTOR, size=-1), []),
    manifest(dict(DESCRIPTOR, size=1.5), []), manifest(dict(DESCRIPTOR, digest="sha256:../../../etc/passwd"), []), manifest(dict(DESCRIPTOR, digest=7), []),
    manifest(dict(DESCRIPTOR, digest="md5:00"), []), manifest(dict(DESCRIPTOR, mediaType=[]), []), manifest(DESCRIPTOR, [], manifests=[]),
    manifest(DESCRIPTOR, [], schemaVersion="2"), manifest(DESCRIPTOR, [], annotations=[1]), manifest(DESCRIPTOR, [], mediaType=OCI_INDEX),
]


@pytest.mark.parametrize("number", range(len(MANIFESTS)))
def test_shapes_of_manifests(cruet, registry, number):
    registry.add(GOOD)
    refused(cruet, (6, 9, 10, 11), "pull", registry.add_manifest(MANIFESTS[number]))


CONFIGS = SHAPES + [text(c) for c in (
    {"rootfs": []}, {"rootfs": {"diff_ids": {}}}, {"rootfs": {"diff_ids": [1]}}, {"rootfs": {"diff_ids": ["x"]}}, {"rootfs": {"diff_ids": []}},
    {"rootfs": {"type": "layers", "diff_ids": [digest(b"")] * 2}}, {"config": [], "rootfs": {"type": "layers", "diff_ids": [digest(b"")]}})]


@pytest.mark.parametrize("number", range(len(CONFIGS)))
def test_shapes_of_configs(cruet, registry, number):
    registry.add(GOOD)
    config = CONFIGS[number]
    registry.blobs[digest(config)] = config
    refused(cruet, (6, 9, 10), "pull", registry.add_manifest(manifest(descriptor(config, OCI_CONFIG), [descriptor(GOOD.layers[0], OCI_LAYER)])))


INDEXES = SHAPES[:6] + [text(dict({"schemaVersion": 2, "mediaType": OCI_INDEX}, **i)) for i in (
    {"manifests": {}}, {"manifests": ["x"]}, {"manifests": [{}]}, {"manifests": [], "layers": []}, {"manifests": [dict(DESCRIPTOR, platform=[])]},
    {"manifests": [dict(DESCRIPTOR, platform={"os": 1})]})]


@pytest.mark.parametrize("number", range(len(INDEXES)))
def test_shapes_of_indexes(cruet, registry, number):
    refused(cruet, (9,), "pull", registry.add_manifest(INDEXES[number], media_type=OCI_INDEX))


def test_an_index_in_itself_and_too_deep(cruet, registry):
    content, media_type = GOOD.manifest, OCI_MANIFEST
    registry.add(GOOD)
    for _ in range(8):
        content, media_type = text({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            descriptor(content, media_type, platform={"os": "linux", "architecture": a}) for a in ("amd64", "arm64")]}), OCI_INDEX
        name = registry.add_manifest(content, media_type=OCI_INDEX)
    assert "nested" in refused(cruet, (10,), "pull", name)


@pytest.mark.parametrize("body", SHAPES[:6] + [b'{"tags":{}}', b'{"tags":[1]}', b'{"tags":"x"}', b'{"tags":["\\u001b[2J"]}', b'{"tags":["a b"]}', b'{"tags":["../x"]}'])
def test_shapes_of_tags(cruet, registry, body):
    registry.fault("GET", "/tags/list", times=None, status=200, body=body)
    refused(cruet, (9,), "ls", f"{registry.host}/{REPO}")


@pytest.mark.parametrize("body", SHAPES[:7] + [b'{"token":5}', b'{"token":["x"]}', b'{"token":""}', b'{"token":"a\\r\\nX-Evil: 1"}'])
def test_shapes_of_tokens(cruet, registry, body):
    registry.auth = "bearer"
    registry.fault("GET", "/token", times=None, status=200, body=body)
    told = refused(cruet, (4, 9), "pull", registry.add(GOOD))
    assert "token" in told and not [q for q in registry.asked() if "x-evil" in q.headers]


# ---- headers ----

MANY = b"".join(b"X-%d: 1\r\n" % i for i in range(5000))
HEADS = {
    "many": b"HTTP/1.1 200 OK\r\n" + MANY + b"Content-Length: 2\r\n\r\n{}",
    "long": b"HTTP/1.1 200 OK\r\nX: " + b"x" * (8 << 20) + b"\r\nContent-Length: 2\r\n\r\n{}",
    "no end": b"HTTP/1.1 200 OK\r\n" + b"x" * (8 << 20),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 200000 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "interim with headers": (b"HTTP/1.1 103 Early Hints\r\n" + MANY[:MANY.index(b"X-100:")] + b"\r\n") * 2000 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
}
ODD = {
    "no HTTP": b"\0\1\2 not a registry\r\n\r\n",
    "status": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
}


def odd_head(cruet, registry, raw, statuses):
    registry.fault("GET", "/manifests/", times=None, raw=raw)
    refused(cruet, statuses, "pull", "-q", registry.add(GOOD))


@pytest.mark.parametrize("name", HEADS)
def test_heads_of_answers(cruet, registry, name):
    odd_head(cruet, registry, HEADS[name], (10,))


def test_words_of_a_server_steer_no_terminal(cruet, registry):
    evil = "\033]0;owned\007 " + "x" * 5000
    name = registry.add(GOOD)
    registry.fault("GET", "/manifests/", raw=b"HTTP/1.1 404 \033[2J\r\nContent-Length: 0\r\nWarning: 299 - \"\033[31m\"\r\nX: \033[1m\r\n\r\n")
    registry.fault("GET", "/manifests/", status=404, body=json.dumps({"errors": [{"code": evil, "message": evil, "detail": evil}]}).encode())
    registry.fault("GET", "/manifests/", status=404, headers=[("Content-Type", "text/plain")], body=evil.encode())
    for _ in range(3):
        refused(cruet, (7,), "--debug=registry", "pull", name)
    registry.fault("GET", "/manifests/", headers=[("Warning", '299 - "\033[31mred"')])
    assert "299" in measured(cruet, "pull", name).err


def test_a_mirror_that_spoils_blobs_is_left(cruet, registry, tmp_path):
    """All layers at once; what is right comes from the registry."""
    image = Image(50000, 60000, 70000, 80000)
    mirror = FaultRegistry()
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nprefix = "example.test"\nlocation = "{registry.host}"\n'
                                              f'[[registry.mirror]]\nlocation = "{mirror.host}"\n')
    name = f"example.test/{registry.add(image).split('/', 1)[1]}"
    mirror.add(image)
    for layer in image.layers:
        mirror.fault("GET", digest(layer), times=None, body=flipped(layer))
    done = measured(cruet, "pull", "--progress", "plain", "--registries-conf", tmp_path / "registries.conf", name)
    assert done.returncode == 0 and done.err.count("warning: ") == 1 and mirror.host in done.err
    sound(cruet)
    registry.faults = list(mirror.faults)
    cruet.run("rmi", name)
    cruet.run("gc", "--all")
    assert "sha256" in refused(cruet, (6, 9), "pull", "-q", "--registries-conf", tmp_path / "registries.conf", name)
    mirror.close()


@pytest.mark.parametrize("body", [b"{}", b"no JSON", flipped(GOOD.manifest)], ids=["empty", "text", "flipped"])
def test_a_mirror_that_spoils_manifests_is_left(cruet, registry, tmp_path, body):
    """The one that sent it, which is not the first."""
    empty, mirror = FaultRegistry(), FaultRegistry()
    conf = tmp_path / "registries.conf"
    write(conf, f'[[registry]]\nprefix = "example.test"\nlocation = "{registry.host}"\n' + "".join(
        f'[[registry.mirror]]\nlocation = "{m.host}"\n' for m in (empty, mirror)))
    registry.add(GOOD)
    mirror.add(GOOD)
    mirror.fault("GET", "/manifests/", times=None, body=body)
    name = f"example.test/{REPO}@{GOOD.digest}"
    done = measured(cruet, "pull", "--progress", "plain", "--registries-conf", conf, name)
    assert done.returncode == 0 and done.err.count("what came was wrong") == 1 and len(mirror.asked()) <= 2
    assert "the mirror '" + mirror.host in done.err
    sound(cruet)
    registry.faults = list(mirror.faults)
    cruet.run("rmi", name)
    cruet.run("gc", "--all")
    refused(cruet, (6, 9), "pull", "-q", "--registries-conf", conf, name)
    empty.close()
    mirror.close()


def test_lies_about_digests(cruet, registry):
    lie = digest(b"a lie")
    name = registry.add(GOOD)
    registry.fault("GET", "/manifests/", times=None, headers=[("Docker-Content-Digest", lie)])
    assert lie in refused(cruet, (6,), "pull", name)
    by_digest = f"{registry.host}/{REPO}@{GOOD.digest}"
    registry.fault("HEAD", "/manifests/", times=None, headers=[("Docker-Content-Digest", lie)])
    refused(cruet, (6,), "digest", by_digest)
    registry.faults = registry.faults[1:]
    assert cruet.run("digest", by_digest).out == f"{GOOD.digest}\n"
    other = Image(3000, seed=5)
    registry.manifests[GOOD.digest] = (OCI_MANIFEST, other.manifest)
    for verb in ("pull", "manifest"):
        refused(cruet, (6,), verb, by_digest)


def test_lies_about_types(cruet, registry):
    index = text({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(GOOD.manifest, OCI_MANIFEST)]})
    refused(cruet, (9,), "pull", registry.add(GOOD, types=OCI_INDEX))
    refused(cruet, (9,), "pull", registry.add_manifest(index, media_type=OCI_MANIFEST))
    for odd in ("text/html", "", "application/json; charset=utf-8", "x" * 5000):
        assert measured(cruet, "pull", registry.add(GOOD, types=odd)).returncode == 0
    sound(cruet)


@pytest.mark.parametrize("media_type", ["application/vnd.docker.distribution.manifest.v1+prettyjws", "application/json"])
def test_manifests_of_schema_1(cruet, registry, tmp_path, media_type):
    """What a registry calls their digest is not that of their bytes."""
    old = text({"schemaVersion": 1, "name": REPO, "tag": "1", "fsLayers": [{"blobSum": digest(b"x")}], "signatures": []})
    name = registry.add_manifest(old, media_type=media_type)
    registry.fault("GET", "/manifests/", times=None, headers=[("Docker-Content-Digest", digest(b"payload"))])
    for args in (["pull", name], ["copy", f"docker://{name}", f"oci:{tmp_path}/x:1"], ["digest", name], ["pull", f"{registry.host}/{REPO}@{digest(old)}"]):
        assert "schema 1" in refused(cruet, (11,), *args)


# ---- where it sends us ----

PUBLIC = "registry.example"
INSIDE = ["169.254.169.254", "10.1.2.3", "127.0.0.1:1", "[::1]:1", "[::ffff:10.0.0.1]", "localhost", "LOCALHOST.", "127.1", "0x7f000001", "2130706433", "192.168.1.1", "[fd00::1]"]


@pytest.fixture
def public(registry, cruet):
    """Every host is played by the registry, as a proxy: public ones too."""
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        cruet.env.pop(name, None)
    cruet.env["http_proxy"] = f"http://{registry.host}"
    registry.auth = "basic"
    return registry


def flags(*more):
    return ["--plain-http", "--creds", "user:secret-password", *more]


def private_asked(registry):
    return [q.host for q in registry.asked() if q.host not in (PUBLIC, "cdn.example")]


@pytest.mark.parametrize("inside", INSIDE)
def test_no_redirect_into_a_private_network(cruet, public, inside):
    public.add(GOOD)
    for step in ("/manifests/", digest(GOOD.layers[0])):
        public.fault("GET", step, status=307, headers=[("Location", f"http://{inside}/latest/meta-data/")])
        told = refused(cruet, (12,), "pull", *flags(), f"{PUBLIC}/{REPO}:1")
        assert "private network" in told and not private_asked(public)


def test_secrets_stay_with_their_host(cruet, public):
    public.add(GOOD)
    layer = digest(GOOD.layers[0])
    for step, body in ((layer, GOOD.layers[0]), (f"{PUBLIC}/v2/.*/manifests/", GOOD.manifest)):
        public.fault("GET", step, status=302, headers=[("Location", f"http://cdn.example/{digest(body)}?sig=1")], skip=1 if "manifests" in step else 0)
        public.fault("GET", f"cdn.example/{digest(body)}", times=None, status=200, body=body)
    cruet.run("pull", *flags(), f"{PUBLIC}/{REPO}:1")
    moved = public.asked("GET", "^cdn.example")
    assert len(moved) == 2 and not any("authorization" in q.headers for q in moved)
    assert any("authorization" in q.headers for q in public.asked("GET", f"^{PUBLIC}"))


def stored(cruet, registry):
    """The image is in the store under a name of the public host, which has nothing of it."""
    auth, registry.auth = registry.auth, None
    direct = dict(cruet.env)
    direct.pop("http_proxy")
    cruet.run("pull", "-q", registry.add(GOOD), env=direct)
    cruet.run("tag", f"{registry.host}/{REPO}:1", f"{PUBLIC}/{REPO}:1")
    registry.auth = auth
    registry.blobs.clear()
    registry.manifests.clear()
    registry.requests.clear()
    return f"{PUBLIC}/{REPO}:1"


def test_an_upload_elsewhere_has_no_secrets(cruet, public):
    name = stored(cruet, public)
    public.fault("POST", "/uploads/", times=None, status=202, headers=[("Location", "http://cdn.example/put?state=1")])
    public.fault("PUT", "cdn.example", times=None, status=201, headers=[])
    cruet.run("push", *flags(), name)
    sent = public.asked("PUT", "^cdn.example")
    assert len(sent) == 2 and not any("authorization" in q.headers for q in sent)


@pytest.mark.parametrize("inside", INSIDE[:4])
def test_no_upload_into_a_private_network(cruet, public, inside):
    name = stored(cruet, public)
    public.fault("POST", "/uploads/", times=None, status=202, headers=[("Location", f"http://{inside}/x?state=secret-state")])
    told = cruet.fails(12, "push", "-q", *flags(), name)
    assert "private network" in told and "secret" not in told and not private_asked(public)


# In a network namespace, where a name may have any address: who is asked under which name stands in the file "asked".
NAMES = {"registry.example": "203.0.113.5", "registry.corp": "10.9.9.8", "cdn.example": "203.0.113.6", "inside.example": "10.9.9.9", "cloud.example": "169.254.169.254"}
NAMED = """
import http.server, os, subprocess, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers["Host"].split(":")[0]
        open("asked", "a").write(host + "\\n")
        redirected = host.startswith("registry") and "manifests" in self.path
        self.send_response(401 if redirected and sys.argv[2] == "token" else 307 if redirected else 200 if host.startswith("registry") else 404)
        self.send_header("Location", f"http://{sys.argv[3]}:5000/x")
        self.send_header("WWW-Authenticate", f'Bearer realm="http://{sys.argv[3]}:5000/token",service="s"')
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_HEAD = do_GET
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 5000), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.exit(subprocess.run([sys.argv[1], "pull", "-q", "--plain-http", f"{sys.argv[4]}:5000/app:1"]).returncode)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of one's own needs root")
@pytest.mark.parametrize("step", ["redirect", "token"])
@pytest.mark.parametrize("host, leads_to, reached", [
    ("registry.example", "cdn.example", True), ("registry.example", "inside.example", False), ("registry.example", "cloud.example", False),
    ("registry.corp", "inside.example", True), ("registry.corp", "10.9.9.9", True), ("registry.corp", "cloud.example", False)])
def test_no_name_leads_into_a_private_network(cruet, tmp_path, step, host, leads_to, reached):
    (tmp_path / "hosts").write_text("".join(f"{address} {name}\n" for name, address in NAMES.items()))
    setup = f"mount --bind {tmp_path}/hosts /etc/hosts; ip link set lo up; " + "".join(f"ip addr add {a}/32 dev lo; " for a in NAMES.values())
    env = {k: v for k, v in cruet.env.items() if "proxy" not in k.lower()}
    done = subprocess.run(["unshare", "-nm", "sh", "-ec", setup + 'exec "$@"', "sh", sys.executable, "-c", NAMED, conftest.CRUET, step, leads_to, host],
                          env=env, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    asked = (tmp_path / "asked").read_text().split()
    assert (leads_to in asked) == reached, (asked, done.stderr)
    assert reached == (b"private network" not in done.stderr) and done.returncode == (12 if not reached else 5 if step == "token" else 7), done.stderr


@pytest.mark.parametrize("location", ["ftp://cdn.example/x?sig=secret", "file:///etc/passwd", "http://user:secret@cdn.example/", "//", "http://", "http://a b/", "gopher://10.0.0.1/"])
def test_locations_that_are_none(cruet, public, location):
    public.add(GOOD)
    public.fault("GET", digest(GOOD.layers[0]), times=None, status=307, headers=[("Location", location)])
    told = refused(cruet, (5, 9, 12), "pull", *flags(), f"{PUBLIC}/{REPO}:1")
    assert "secret" not in told and not private_asked(public)


@pytest.mark.parametrize("realm", ["http://169.254.169.254/token", "http://10.0.0.1/token", "http://[::1]/token", "ftp://cdn.example/token", "x"])
def test_no_token_from_a_private_network(cruet, public, realm):
    public.add(GOOD)
    public.fault("GET", f"{PUBLIC}/v2/", times=None, status=401, headers=[("WWW-Authenticate", f'Bearer realm="{realm}",service="x"')])
    refused(cruet, (4, 5, 7, 9), "pull", *flags(), f"{PUBLIC}/{REPO}:1")
    assert not private_asked(public) and not public.asked("GET", "^cdn.example")


def test_credentials_go_only_where_the_registry_sends_for_a_token(cruet, public):
    """The password is for the token server, the token for the registry."""
    public.auth = "bearer"
    public.add(GOOD)
    public.fault("GET", f"{PUBLIC}/v2/", status=401, headers=[("WWW-Authenticate", 'Bearer realm="http://cdn.example/token",service="x"')])
    cruet.run("pull", *flags(), f"{PUBLIC}/{REPO}:1")
    assert {q.headers["authorization"].split()[0] for q in public.asked("GET", "^cdn.example")} == {"Basic"}
    assert {q.headers.get("authorization", "none").split()[0] for q in public.asked("GET", f"^{PUBLIC}")} == {"none", "Bearer"}


@pytest.mark.parametrize("insecure", [False, True])
def test_tls_is_left_for_an_insecure_registry_only(cruet, public, tmp_path, insecure):
    """The host answers a greeting of TLS in plain HTTP."""
    public.add(GOOD)
    cruet.env["https_proxy"] = cruet.env["http_proxy"]
    public.fault("CONNECT", "", times=None, raw=b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n")
    conf = tmp_path / "registries.conf"
    conf.write_text(f'[[registry]]\nprefix = "{PUBLIC}"\ninsecure = {str(insecure).lower()}\n')
    args = ["pull", "-q", "--registries-conf", conf, "--creds", "user:secret-password", f"{PUBLIC}/{REPO}:1"]
    if insecure:
        cruet.run(*args)
        assert len(public.asked("CONNECT")) == 1
    else:
        assert "--plain-http" in refused(cruet, (5,), *args) and not public.asked("GET")


def test_tls_is_not_left_for_plain_http(cruet, registry, tmp_path):
    """Neither for a blob, nor an upload, nor a token, nor the next page."""
    cert = serving.certificate(tmp_path)
    secure = FaultRegistry(cert)
    try:
        name = secure.add(GOOD)
        args = ["--ca-file", cert[0], "--creds", "user:secret-password"]
        away = [("Location", f"http://{registry.host}/x")]
        secure.fault("GET", "/blobs/", status=307, headers=away)
        assert "plain HTTP" in refused(cruet, (12,), "pull", *args, name)
        secure.fault("GET", "", status=401, headers=[("WWW-Authenticate", f'Bearer realm="http://{registry.host}/token"')])
        assert "does not" in refused(cruet, (4,), "pull", *args, name)
        secure.fault("GET", "/tags/", status=200, body=b'{"tags":["a"]}', headers=[("Link", f"<http://{registry.host}/v2/x>; rel=next")])
        assert "plain HTTP" in refused(cruet, (12,), "ls", *args, name.rsplit(":", 1)[0])
        cruet.run("pull", *args, name)
        secure.blobs.clear()
        secure.fault("POST", "/uploads/", times=None, status=202, headers=away)
        assert "plain HTTP" in cruet.fails(12, "push", *args, name)
        assert not registry.requests
    finally:
        secure.close()


def test_redirects_without_end(cruet, registry):
    name = registry.add(GOOD)
    registry.fault("GET", "/manifests/", times=None, status=302, headers=lambda q: [("Location", q.path + "x")])
    assert "redirects" in refused(cruet, (5,), "pull", name)
    assert len(registry.asked("GET", "/manifests/")) <= 10
    registry.faults.clear()
    registry.fault("GET", "/manifests/", times=None, status=302)
    refused(cruet, (9,), "pull", name)


@pytest.mark.parametrize("where", ["token", "registry", "both"])
def test_refused_for_ever(cruet, registry, where):
    registry.auth = "bearer"
    name = registry.add(GOOD)
    if where != "registry":
        registry.fault("GET", "/token", times=None, status=401)
    if where != "token":
        registry.token = "another"
        registry.fault("GET", "/token", times=None, status=200, body=b'{"token":"secret-token"}')
    told = refused(cruet, (4,), "pull", "--creds", "user:secret-password", name)
    assert len(registry.requests) < 12 and "secret" not in told


@pytest.mark.parametrize("value", ["", "Bearer", 'Bearer realm="', 'Bearer realm=""', "Basic", "Negotiate", ",", 'Bearer service="x"', "\x01", "Bearer realm=x, " * 2000, None])
def test_challenges(cruet, registry, value):
    registry.fault("GET", "", times=None, status=401, headers=[("WWW-Authenticate", value)])
    refused(cruet, (4, 9, 10), "pull", registry.add(GOOD))
    assert len(registry.requests) < 6


# ---- lists ----

@pytest.mark.parametrize("value", ['Bearer service="x"', 'Bearer realm="ftp://x/"'])
def test_a_challenge_that_gets_worse(cruet, registry, value):
    """Where tokens were given before is not forgotten over a 401 that does not say it."""
    name = registry.add(Image(2000, 3000))
    cruet.run("pull", "-q", name)
    registry.blobs.clear()
    registry.auth = "bearer"
    registry.give_token = lambda q: Answer(200, [], text({"token": registry.token, "expires_in": 1}))
    registry.fault("HEAD", "/blobs/", skip=1, status=401, headers=[("WWW-Authenticate", value)])
    cruet.run("push", "-q", name, timeout=60)
    assert len(registry.blobs) == 3


def test_indexes_that_name_the_same_again_and_again(cruet, registry):
    """Each is followed once, or three of them would be a billion."""
    image = Image(100)
    registry.add(image)
    name, content, kind = "", image.manifest, OCI_MANIFEST
    for tag in ("bottom", "middle", "top"):
        content, kind = text({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(content, kind)] * 1000}), OCI_INDEX
        name = registry.add_manifest(content, tag, OCI_INDEX)
    cruet.run("pull", "-q", "--all-platforms", name, timeout=60)
    assert len(registry.asked("GET", "/manifests/")) == 4
    cruet.sound()


def page(n, target):
    return {"status": 200, "headers": [("Link", f'<{target}>; rel="next"')], "body": text({"tags": [f"t{n}"]})}


def test_pages_in_a_circle(cruet, registry):
    repository = f"{registry.host}/{REPO}"
    for n in range(3):
        registry.fault("GET", rf"/tags/list\?page={n}", times=None, **page(n, f"/v2/{REPO}/tags/list?page={(n + 1) % 3}"))
    registry.fault("GET", r"/tags/list\?n=", times=None, **page(9, f"/v2/{REPO}/tags/list?page=0"))
    refused(cruet, (9,), "ls", repository)
    assert len(registry.asked("GET", "/tags/")) == 4


def test_pages_without_end(cruet, registry):
    body = text({"tags": [f"{i:0100}" for i in range(10000)]})
    registry.fault("GET", "/tags/", times=None, status=200, headers=lambda q: [("Link", f'<{q.path}1>; rel="next"')], body=body)
    refused(cruet, (10,), "ls", f"{registry.host}/{REPO}")
    assert len(registry.requests) < 100
    registry.faults.clear()
    registry.fault("GET", "/tags/", times=None, status=200, body=text({"tags": [f"{i:0128}" for i in range(100000)]}))
    refused(cruet, (10,), "ls", f"{registry.host}/{REPO}")


@pytest.mark.parametrize("link", ["<", "</x>; rel=next" * 1, "<http://10.0.0.1/v2/x>; rel=next", "<ftp://x/>; rel=next", "x" * 60000])
def test_links_that_lead_nowhere(cruet, public, link):
    public.fault("GET", "/tags/", times=None, status=200, headers=[("Link", link)], body=b'{"tags":["a"]}')
    refused(cruet, (7, 9, 12), "ls", *flags(), f"{PUBLIC}/{REPO}")
    assert not private_asked(public)


# ---- pushing to it ----

@pytest.mark.parametrize("change", [
    {"status": 201}, {"status": 202, "headers": [("Location", None)]}, {"status": 200}, {"status": 307, "headers": [("Location", "/x")]},
    {"status": 202, "endless": b"x" * 65536},
], ids=["201", "no Location", "200", "307", "endless"])
def test_odd_answers_to_uploads(cruet, registry, change):
    odd_upload(cruet, registry, change)


def odd_upload(cruet, registry, change):
    registry.add(GOOD, "seed")
    cruet.run("pull", "-q", f"{registry.host}/{REPO}:seed")
    registry.blobs.clear()
    registry.fault("POST", "/uploads/", times=None, **change)
    done = measured(cruet, "push", "-q", f"{registry.host}/{REPO}:seed")
    assert done.returncode in (5, 7, 9, 10) and done.err.count("cruet: ") == 1, (done.returncode, done.err)
    assert not registry.asked("PUT", "/manifests/")


def test_a_manifest_that_was_stored_as_another(cruet, registry):
    name = registry.add(GOOD)
    cruet.run("pull", name)
    registry.fault("PUT", "/manifests/", headers=[("Docker-Content-Digest", digest(b"another"))])
    assert digest(b"another") in cruet.fails(6, "push", name)
