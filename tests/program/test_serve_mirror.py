"""`cruet serve --mirror` of a registry that can fail in every way."""
import base64
import http.client
import json
import socket
import threading

import pytest

import conftest
from fault_registry import REPO, FaultRegistry, Image
from serving import OCI_INDEX, OCI_MANIFEST, digest, index_of, text

BASE = f"/v2/{REPO}"


@pytest.fixture
def upstream():
    registry = FaultRegistry()
    yield registry
    registry.close()


@pytest.fixture
def mirror(serve, upstream):
    """Starts a server that mirrors upstream."""
    return lambda *args, **kw: serve("--mirror", upstream.host, *args, **kw)


def blobs(image):
    return [image.config, *image.layers]


def pull(server, image, reference):
    """As a client does: HEAD, manifest, HEAD and GET of each blob."""
    for method in ("HEAD", "GET"):
        answer = server.call(method, f"{BASE}/manifests/{reference}")
        assert answer.status == 200 and answer["Docker-Content-Digest"] == image.digest and answer["Content-Type"] == OCI_MANIFEST
    assert answer.body == image.manifest
    for content in blobs(image):
        path = f"{BASE}/blobs/{digest(content)}"
        head, got = server.call("HEAD", path), server.get(path)
        assert (head.status, head["Content-Length"], head.body) == (200, str(len(content)), b"")
        assert (got.status, got.body) == (200, content)


def names(cruet):
    found = json.loads((cruet.root / "index.json").read_text())["manifests"]
    return {d["annotations"]["org.opencontainers.image.ref.name"]: d["digest"] for d in found}


@pytest.mark.parametrize("host", ["https://docker.io", "docker.io/library", "", "UPPER CASE", "x"])
def test_what_is_no_host(cruet, host):
    error = cruet.fails(2, "serve", "--listen", "127.0.0.1:0", "--mirror", host)
    assert f"--mirror '{host}'" in error and "docker.io" in error


def test_a_mirror_of_itself(cruet):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{s.getsockname()[1]}"
    assert "itself" in cruet.fails(2, "serve", "--listen", address, "--mirror", address)


def test_an_image_is_handed_on_and_kept(cruet, upstream, mirror):
    image = Image(20000, 3000, 0)
    name = upstream.add(image)
    s = mirror()
    pull(s, image, "1")
    assert names(cruet) == {name: image.digest}
    before = len(upstream.asked())
    pull(s, image, image.digest)
    assert len(upstream.asked()) == before
    s.stop()
    upstream.close()
    s = mirror()
    pull(s, image, "1")
    answer = s.get(f"{BASE}/manifests/other")
    assert answer.status == 502 and answer.codes() == ["UNAVAILABLE"]
    answer = s.get(f"{BASE}/blobs/sha256:{'0' * 64}")
    assert answer.status == 502 and answer.codes() == ["UNAVAILABLE"]


def test_as_containerd_asks(upstream, mirror):
    image = Image(1000)
    upstream.add(image)
    s = mirror()
    assert s.get(f"{BASE}/manifests/1?ns={upstream.host}").body == image.manifest
    assert s.get(f"{BASE}/manifests/1?ns=ghcr.io").status == 404
    assert s.get(f"/v2/{upstream.host}/{REPO}/manifests/1").status in (200, 400), "a port is no part of a repository's name"


def test_each_platform_when_it_is_asked_for(cruet, upstream, mirror):
    """The first that is whole gives the index its name; the others come later, by digest."""
    images = [Image(5000, seed=1), Image(6000, seed=2), Image(7000, seed=3)]
    for number, image in enumerate(images):
        upstream.add(image, f"p{number}")
    index = text(index_of(*((i.manifest, OCI_MANIFEST, {"platform": {"os": "linux", "architecture": a}})
                            for i, a in zip(images, ("amd64", "arm64", "s390x")))))
    name = upstream.add_manifest(index, "multi", OCI_INDEX)
    s = mirror()
    for image in images[:2]:
        assert s.get(f"{BASE}/manifests/multi").body == index
        pull(s, image, image.digest)
        assert names(cruet)[name] == digest(index)
    cruet.run("gc")
    for image in images[:2]:
        assert s.get(f"{BASE}/manifests/{image.digest}").body == image.manifest
    pull(s, images[2], images[2].digest)


def test_wrong_bytes_do_not_land(cruet, upstream, mirror):
    image = Image(9000)
    upstream.add(image)
    layer = digest(image.layers[0])
    s = mirror()
    for spoilt in (bytes(len(image.layers[0])), image.layers[0][:-1] + b"x"):
        upstream.fault("GET", layer, body=spoilt)
        with pytest.raises(http.client.IncompleteRead):
            s.get(f"{BASE}/blobs/{layer}")
    assert not list((cruet.root / "blobs/sha256").iterdir())
    upstream.fault("GET", "manifests/sha256", body=image.manifest + b" ")
    answer = s.get(f"{BASE}/manifests/{image.digest}")
    assert answer.status >= 400 and answer.codes() == ["DIGEST_INVALID"]
    pull(s, image, "1")


def test_one_fetch_for_all_who_ask(upstream, mirror):
    image = Image(3_000_000)
    upstream.add(image)
    content = image.layers[0]
    upstream.fault("GET", digest(content), pace=(300_000, 0.05))
    s = mirror()
    got = []
    threads = [threading.Thread(target=lambda: got.append(s.get(f"{BASE}/blobs/{digest(content)}").body == content)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == [True] * 8 and len(upstream.asked("GET", digest(content))) == 1


def in_threads(count, work):
    got = []
    threads = [threading.Thread(target=lambda: got.append(work())) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return got


@pytest.mark.parametrize("by", ["tag", "digest", "tag of an image that is here"])
def test_one_question_for_all_who_ask(cruet, upstream, mirror, by):
    """A rate limit of upstream counts manifests."""
    image = Image(1000)
    upstream.add(image)
    if by.endswith("here"):
        s = mirror()
        pull(s, image, "1")
        s.stop()
    s = mirror()
    before = len(upstream.asked("GET", "manifests/"))
    upstream.fault("GET", "manifests/", delay=0.7)
    path = f"{BASE}/manifests/{image.digest if by == 'digest' else '1'}"
    assert in_threads(12, lambda: s.get(path).body) == [image.manifest] * 12
    assert s.get(path).body == image.manifest and s.call("HEAD", path).status == 200
    assert len(upstream.asked("GET", "manifests/")) == before + 1


def test_upstream_that_fails_is_not_asked_for_each_pull(upstream, mirror):
    image = Image(1000)
    upstream.add(image)
    s = mirror()
    pull(s, image, "1")
    s.stop()
    s = mirror()
    upstream.fault("GET", "manifests/", times=None, status=500, headers=[("Retry-After", "0")])
    assert s.get(f"{BASE}/manifests/1").body == image.manifest
    before = len(upstream.asked())
    assert in_threads(5, lambda: s.get(f"{BASE}/manifests/1").body) == [image.manifest] * 5
    assert len(upstream.asked()) == before
    assert in_threads(5, lambda: s.get(f"{BASE}/manifests/2").status) == [502] * 5


@pytest.mark.parametrize("status,want,code", [(404, 404, "MANIFEST_UNKNOWN"), (403, 403, "DENIED"), (401, 502, "DENIED"), (429, 429, "TOOMANYREQUESTS"), (500, 502, "UNAVAILABLE")])
def test_what_upstream_refuses(upstream, mirror, status, want, code):
    image = Image(100)
    upstream.add(image)
    s = mirror()
    pull(s, image, "1")
    upstream.fault("GET", "manifests/", times=None, status=status, headers=[("Retry-After", "0")])
    answer = s.get(f"{BASE}/manifests/2")
    assert answer.status == want and answer.codes() == [code] and upstream.host.encode() in answer.body
    assert (answer["Retry-After"] is not None) == (want == 429)
    assert s.get(f"{BASE}/manifests/1").body == image.manifest


def test_credentials_for_upstream(upstream, mirror, tmp_path):
    image = Image(100)
    upstream.add(image)
    upstream.auth = "bearer"
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {upstream.host: {"auth": base64.b64encode(b"user:secret-password").decode()}}}))
    s = mirror(env={"REGISTRY_AUTH_FILE": str(file)})
    pull(s, image, "1")
    assert "secret" not in s.log.read_text()


def test_a_server_ends_while_upstream_says_nothing(upstream, mirror):
    image = Image(1_000_000)
    upstream.add(image)
    layer = digest(image.layers[0])
    upstream.fault("GET", layer, times=None, hang=1000)
    s = mirror("--grace", "1")
    t = threading.Thread(target=lambda: pytest.raises(http.client.IncompleteRead, s.get, f"{BASE}/blobs/{layer}"))
    t.start()
    while not upstream.asked("GET", layer):
        pass
    assert s.stop() == 0
    t.join()


def test_a_fetch_without_a_thread(broken, upstream, mirror):
    """Others' images are served on; whoever wants the blob may ask again."""
    image = Image(100_000)
    upstream.add(image)
    broken("clone3", "error=EAGAIN:when=2")
    connection = mirror().connection()
    for content, status in ((image.config, 200), (image.layers[0], 429), (image.layers[0], 200)):
        connection.request("GET", f"{BASE}/blobs/{digest(content)}")
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == status and (body == content if status == 200 else answer.headers["Retry-After"] and b"no more threads" in body)
    connection.close()


@pytest.mark.slow
def test_memory_does_not_grow_with_names(upstream, mirror):
    """Neither what is known of repositories nor their tokens stay for good."""
    upstream.auth = "bearer"
    upstream.token = "x" * 15_000
    s = mirror()

    def ask(first):
        for i in range(first, first + 600):
            assert s.get(f"/v2/some/app{i}/manifests/none").status == 404
        return s.memory("VmRSS")

    before = ask(0)
    assert "asan" in conftest.CRUET or ask(1000) < before + 4
