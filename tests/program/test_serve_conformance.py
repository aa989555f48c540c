"""Every row of the two conformance suites of the OCI distribution specification (v1.1.1, and the redesign of 2026), each
a test against `cruet serve`."""
import json
import os

import pytest

import conftest
from serving import (OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Repo, Server, config_of, descriptor, digest, image_manifest,
                     index_of, layer_tar, text)

NONE = "sha256:" + "a" * 64
BLOBS = {"random": os.urandom(2048), "empty": b"", "braces": b"{}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(conftest.Cruet(tmp_path_factory.mktemp("serve") / "store"))
    yield s
    assert s.stop() == 0
    s.cruet.sound()


@pytest.fixture
def repo(server, request):
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.lower()).strip("-")
    while "--" in name:
        name = name.replace("--", "-")
    return Repo(server, f"conf/{name}")


def has_blob(repo, content):
    """HEAD and GET agree with what was pushed."""
    path = f"{repo.base}/blobs/{digest(content)}"
    head, got = repo.server.call("HEAD", path), repo.server.get(path)
    for answer in (head, got):
        assert answer.status == 200
        assert answer["Content-Length"] == str(len(content))
        assert answer["Docker-Content-Digest"] == digest(content)
    assert got.body == content and head.body == b""
    return True


def fresh():
    return os.urandom(1024)


# ---- the registry as such ----

def test_ping(server):
    assert server.get("/v2/").status == 200
    assert server.call("HEAD", "/v2/").status == 200


@pytest.mark.parametrize("path", ["/", "/v1/", "/v2/x", "/v3/", "/v2/app/nothing/x"])
def test_unknown_place(server, path):
    answer = server.get(path)
    assert answer.status == 404 and len(answer.codes()) == 1


@pytest.mark.parametrize("name", ["UPPER", "a//b", "../../etc", "a/%2e%2e/b", "-a", "a-", "a..b", "a___b", "x" * 256, "%00", "a%0ab"])
def test_bad_name(server, name):
    answer = server.get(f"/v2/{name}/tags/list")
    assert answer.status == 400 and answer.codes() == ["NAME_INVALID"]


# ---- pull ----

@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_missing_blob(server, method):
    answer = server.call(method, f"/v2/conf/missing/blobs/{NONE}")
    assert answer.status == 404
    if method == "GET":
        assert answer.codes() == ["BLOB_UNKNOWN"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("reference", [NONE, "nothing", ".INVALID_MANIFEST_NAME"])
def test_missing_manifest(repo, method, reference):
    repo.image("here")
    answer = repo.server.call(method, f"{repo.base}/manifests/{reference}")
    assert answer.status == 404
    if method == "GET":
        assert answer.codes() == ["MANIFEST_UNKNOWN"]


def test_unknown_repository(server):
    assert server.get("/v2/conf/no-such/manifests/latest").codes() == ["NAME_UNKNOWN"]
    answer = server.get("/v2/conf/no-such/tags/list")
    assert answer.status == 404 and answer.codes() == ["NAME_UNKNOWN"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_pull_manifest(repo, method, by):
    content, done = repo.image("v1")
    assert done.status == 201
    answer = repo.server.call(method, f"{repo.base}/manifests/{'v1' if by == 'tag' else digest(content)}")
    assert answer.status == 200
    assert answer["Content-Type"] == OCI_MANIFEST
    assert answer["Content-Length"] == str(len(content))
    assert answer["Docker-Content-Digest"] == digest(content)
    assert answer.body == (content if method == "GET" else b"")


@pytest.mark.parametrize("path", ["blobs/sha256:totallywrong", "blobs/md5:00", "manifests/sha256:totallywrong", "referrers/sha256:totallywrong"])
def test_malformed_digest(repo, path):
    repo.image("v1")
    answer = repo.server.get(f"{repo.base}/{path}")
    assert answer.status == 400 and answer.codes() == ["DIGEST_INVALID"]


def test_sha512_is_refused_clearly(repo):
    content = fresh()
    name = digest(content, "sha512")
    assert repo.server.get(f"{repo.base}/blobs/{name}").status == 404
    done = repo.put(repo.begin(), content, name)
    assert done.status == 400 and done.codes() == ["UNSUPPORTED"] and b"sha256" in done.body
    for query in (f"?digest={name}", "?digest-algorithm=sha512"):
        done = repo.server.call("POST", f"{repo.base}/blobs/uploads/{query}", content)
        assert done.status == 400 and done.codes() == ["UNSUPPORTED"]
    done = repo.server.call("PUT", f"{repo.base}/manifests/{name}", b"{}", {"Content-Type": OCI_MANIFEST})
    assert done.status == 400 and done.codes() == ["UNSUPPORTED"]
    answer = repo.server.get(f"{repo.base}/referrers/{name}")
    assert answer.status == 200 and answer.json()["manifests"] == []


RANGES = [
    ("bytes=500-1499", 206, 500, 1500), ("bytes=500-", 206, 500, 2048), ("bytes=-500", 206, 1548, 2048),
    ("bytes=2000-5000", 206, 2000, 2048), ("bytes=0-0", 206, 0, 1), ("bytes=-5000", 206, 0, 2048),
    ("bytes=500-0", 416, 0, 0), ("bytes=5000-10000", 416, 0, 0), ("bytes=-0", 416, 0, 0), ("bytes=2048-", 416, 0, 0),
    ("bytes=99999999999999999999-", 416, 0, 0), ("bytes=0-99999999999999999999", 206, 0, 2048),
    ("lines=1-2", 200, 0, 2048), ("bytes=1-2,5-6", 200, 0, 2048), ("bytes=x-y", 200, 0, 2048), ("bytes=", 200, 0, 2048),
]


@pytest.mark.parametrize("value,status,first,end", RANGES)
def test_range(repo, value, status, first, end):
    content = BLOBS["random"]
    repo.blob(content)
    answer = repo.server.get(f"{repo.base}/blobs/{digest(content)}", Range=value)
    assert answer.status == status
    if status == 416:
        assert answer["Content-Range"] == "bytes */2048" and len(answer.codes()) == 1
        return
    assert answer.body == content[first:end] and answer["Content-Length"] == str(end - first)
    assert answer["Content-Range"] == (f"bytes {first}-{end - 1}/2048" if status == 206 else None)
    assert answer["Accept-Ranges"] == "bytes"


def test_range_of_the_empty_blob(repo):
    repo.blob(b"")
    assert repo.server.get(f"{repo.base}/blobs/{digest(b'')}", Range="bytes=0-").status == 416


def test_if_range_and_if_none_match(repo):
    content = fresh()
    path = f"{repo.base}/blobs/{repo.blob(content)}"
    tag = repo.server.get(path)["ETag"]
    assert repo.server.call("GET", path, headers={"Range": "bytes=5-", "If-Range": tag}).status == 206
    assert repo.server.call("GET", path, headers={"Range": "bytes=5-", "If-Range": '"other"'}).status == 200
    answer = repo.server.call("GET", path, headers={"If-None-Match": tag})
    assert answer.status == 304 and answer.body == b""
    assert repo.server.call("GET", path, headers={"If-None-Match": '"other"'}).status == 200


# ---- push: blobs ----

@pytest.mark.parametrize("which", BLOBS)
def test_post_only(repo, which):
    content = BLOBS[which] + (fresh() if which == "random" else b"")
    done = repo.server.call("POST", f"{repo.base}/blobs/uploads/?digest={digest(content)}", content, {"Content-Type": "application/octet-stream"})
    assert done.status == 201
    assert done["Location"] == f"{repo.base}/blobs/{digest(content)}" and done["Docker-Content-Digest"] == digest(content)
    assert has_blob(repo, content)


@pytest.mark.parametrize("which", BLOBS)
def test_post_then_put(repo, which):
    content = BLOBS[which] + (fresh() if which == "random" else b"")
    done = repo.put(repo.begin(), content)
    assert done.status == 201
    assert repo.server.get(done["Location"]).body == content
    assert has_blob(repo, content)


def test_post_with_the_known_algorithm(repo):
    assert repo.server.call("POST", f"{repo.base}/blobs/uploads/?digest-algorithm=sha256").status == 202


def chunk(repo, where, first, content, **headers):
    return repo.server.call("PATCH", where, content, {"Content-Type": "application/octet-stream",
                                                      "Content-Range": f"{first}-{first + len(content) - 1}", **headers})


def test_chunked_single(repo):
    content = fresh()
    done = chunk(repo, repo.begin(), 0, content)
    assert done.status == 202 and done["Range"] == "0-1023"
    assert repo.put(done["Location"], b"", digest(content)).status == 201
    assert has_blob(repo, content)


def test_chunked_several(repo):
    content = os.urandom(10000)
    where = repo.begin()
    for first in range(0, 10000, 3000):
        done = chunk(repo, where, first, content[first:first + 3000])
        assert done.status == 202 and done["Range"] == f"0-{min(first + 3000, 10000) - 1}"
        where = done["Location"]
        state = repo.server.get(where)
        assert state.status == 204 and state["Range"] == done["Range"] and state["Location"] == where
    assert repo.put(where, b"", digest(content)).status == 201
    assert has_blob(repo, content)


def test_chunked_with_the_last_in_put(repo):
    content = fresh()
    done = chunk(repo, repo.begin(), 0, content[:400])
    done = repo.put(done["Location"], content[400:], digest(content), **{"Content-Range": "400-1023"})
    assert done.status == 201 and has_blob(repo, content)


def test_first_chunk_out_of_order(repo):
    content = fresh()
    where = repo.begin()
    done = chunk(repo, where, 500, content[500:])
    assert done.status == 416 and done.codes() == ["BLOB_UPLOAD_INVALID"]
    assert chunk(repo, where, 0, content).status == 202
    assert repo.put(where, b"", digest(content)).status == 201


def test_repeated_and_skipping_chunk(repo):
    content = fresh()
    where = repo.begin()
    assert chunk(repo, where, 0, content[:300]).status == 202
    for first in (0, 299, 301, 600):
        done = chunk(repo, where, first, content[first:first + 300])
        assert done.status == 416 and done["Range"] == "0-299" and done["Location"] == where
    assert chunk(repo, where, 300, content[300:]).status == 202
    assert repo.put(where, b"", digest(content)).status == 201 and has_blob(repo, content)


def test_out_of_order_put(repo):
    content = fresh()
    where = repo.begin()
    assert chunk(repo, where, 0, content[:300]).status == 202
    done = repo.put(where, content[400:], digest(content), **{"Content-Range": "400-1023"})
    assert done.status == 416
    done = repo.put(where, content[300:], digest(content), **{"Content-Range": "300-1023"})
    assert done.status == 201 and has_blob(repo, content)


@pytest.mark.parametrize("value", ["x", "5", "9-5", "0-99999999999999999999999", "-5"])
def test_malformed_content_range(repo, value):
    done = repo.server.call("PATCH", repo.begin(), b"12345", {"Content-Range": value})
    assert done.status == 400 and done.codes() == ["BLOB_UPLOAD_INVALID"]


def test_content_range_and_length_differ(repo):
    done = repo.server.call("PATCH", repo.begin(), b"12345", {"Content-Range": "0-9"})
    assert done.status == 400 and done.codes() == ["SIZE_INVALID"]


def test_streamed(repo):
    """No Content-Length and no Content-Range: chunked transfer encoding."""
    content = os.urandom(300000)
    where = repo.begin()
    done = repo.server.call("PATCH", where, iter([content[:1], content[1:200000], content[200000:]]), {"Transfer-Encoding": "chunked"})
    assert done.status == 202 and done["Range"] == "0-299999"
    assert repo.put(done["Location"], b"", digest(content)).status == 201 and has_blob(repo, content)


def test_cancelled_upload(repo):
    where = repo.begin()
    assert chunk(repo, where, 0, b"abc").status == 202
    assert repo.server.call("DELETE", where).status == 204
    for method in ("GET", "DELETE", "PATCH", "PUT"):
        done = repo.server.call(method, where + ("?digest=" + NONE if method == "PUT" else ""))
        assert done.status == 404 and done.codes() == ["BLOB_UPLOAD_UNKNOWN"]


@pytest.mark.parametrize("name", ["x", "..", "0" * 32, "../../index.json", "%2e%2e%2findex.json"])
def test_unknown_upload(repo, name):
    assert repo.server.get(f"{repo.base}/blobs/uploads/{name}").status in (400, 404)


def test_upload_belongs_to_its_repository(repo):
    where = repo.begin().replace("/conf/", "/other/")
    assert repo.server.get(where).status == 404


BAD_DIGESTS = ["post", "put", "chunked", "malformed", "missing"]


@pytest.mark.parametrize("how", BAD_DIGESTS)
def test_bad_digest(repo, how):
    content = fresh()
    if how == "post":
        done = repo.server.call("POST", f"{repo.base}/blobs/uploads/?digest={NONE}", content)
    elif how == "put":
        done = repo.put(repo.begin(), content, NONE)
    elif how == "chunked":
        where = repo.begin()
        chunk(repo, where, 0, content)
        done = repo.put(where, b"", NONE)
        assert repo.server.get(where).status == 404, "a PUT ends the upload"
    elif how == "malformed":
        done = repo.put(repo.begin(), content, "sha256:xyz")
    else:
        done = repo.server.call("PUT", repo.begin(), content)
    assert done.status == 400 and done.codes() == ["DIGEST_INVALID"]
    assert repo.server.get(f"{repo.base}/blobs/{digest(content)}").status == 404
    assert repo.server.get(f"{repo.base}/blobs/{NONE}").status == 404


@pytest.mark.parametrize("source", ["&from=conf/source", "", "&from=conf/no-such-place"])
def test_mount(repo, source):
    content = fresh()
    Repo(repo.server, "conf/source").blob(content)
    done = repo.server.call("POST", f"{repo.base}/blobs/uploads/?mount={digest(content)}{source}")
    assert done.status == 201 and done["Location"] == f"{repo.base}/blobs/{digest(content)}"
    assert has_blob(repo, content)


def test_mount_of_nothing_becomes_an_upload(repo):
    content = fresh()
    done = repo.server.call("POST", f"{repo.base}/blobs/uploads/?mount={digest(content)}&from=conf/source")
    assert done.status == 202
    assert repo.put(done["Location"], content).status == 201 and has_blob(repo, content)


# ---- push: manifests ----

def data_set(repo, which):
    """Pushes one of the suites' data sets; the last manifest's bytes and media type."""
    layer = layer_tar({"f": fresh()})
    config = config_of(layer)
    image = text(image_manifest(config, [layer]))
    for content in (layer, config, b"{}"):
        repo.blob(content)

    def push(value, media_type=OCI_MANIFEST):
        content, done = repo.manifest(value, media_type=media_type)
        assert done.status == 201, done.body
        assert done["Location"] == f"{repo.base}/manifests/{digest(content)}" and done["Docker-Content-Digest"] == digest(content)
        return content, media_type, done

    if which == "image":
        return push(image)
    if which == "docker image":
        return push(dict(image_manifest(config, [layer], "application/vnd.docker.container.image.v1+json",
                                        "application/vnd.docker.image.rootfs.diff.tar.gzip"),
                         mediaType="application/vnd.docker.distribution.manifest.v2+json"),
                    "application/vnd.docker.distribution.manifest.v2+json")
    if which == "no mediaType":
        return push({k: v for k, v in image_manifest(config, [layer]).items() if k != "mediaType"})
    if which == "no layers":
        empty = config_of()
        repo.blob(empty)
        return push(image_manifest(empty, []))
    if which == "artifact":
        return push(image_manifest(b"{}", [layer], OCI_EMPTY, "application/x.test", artifactType="application/x.example"))
    if which == "data field":
        return push(dict(image_manifest(config, [layer]), config=descriptor(config, OCI_CONFIG, data="e30=")))
    if which == "non-distributable":
        absent = fresh()
        value = image_manifest(config, [layer])
        value["layers"].append(descriptor(absent, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", urls=["https://example.com/x"]))
        return push(value)
    if which == "unknown fields":
        return push(image_manifest(config, [layer], **{"org.example.extra": {"a": [1, None]}}))
    push(image)
    if which == "index":
        return push(index_of((image, OCI_MANIFEST, {"platform": {"os": "linux", "architecture": "amd64"}})), OCI_INDEX)
    if which == "nested index":
        inner, _, _ = push(index_of((image, OCI_MANIFEST, {})), OCI_INDEX)
        return push(index_of((inner, OCI_INDEX, {})), OCI_INDEX)
    if which == "sparse index":
        return push(index_of((image, OCI_MANIFEST, {}), (b"elsewhere", OCI_MANIFEST, {})), OCI_INDEX)
    if which == "artifact index":
        return push(index_of((image, OCI_MANIFEST, {}), artifactType="application/x.example"), OCI_INDEX)
    if which == "subject":
        return push(image_manifest(b"{}", [layer], OCI_EMPTY, "application/x.test", artifactType="application/x.sig", subject=descriptor(image, OCI_MANIFEST)))
    if which == "missing subject":
        return push(image_manifest(b"{}", [layer], OCI_EMPTY, "application/x.test", subject=descriptor(b"never pushed", OCI_MANIFEST)))
    assert which == "index with subject"
    return push(index_of((image, OCI_MANIFEST, {}), subject=descriptor(image, OCI_MANIFEST), artifactType="application/x.list"), OCI_INDEX)


SETS = ["image", "docker image", "no mediaType", "no layers", "artifact", "data field", "non-distributable", "unknown fields", "index", "nested index",
        "sparse index", "artifact index", "subject", "missing subject", "index with subject"]


@pytest.mark.parametrize("which", SETS)
def test_data_set(repo, which):
    """Pushed by digest and by tag, pulled by both, listed, its subject noted, deleted with no trace."""
    content, media_type, done = data_set(repo, which)
    assert done["OCI-Subject"] == (json.loads(content).get("subject") or {}).get("digest")
    _, tagged = repo.manifest(content, "tagged", media_type)
    assert tagged.status == 201
    for reference in (digest(content), "tagged"):
        answer = repo.server.get(f"{repo.base}/manifests/{reference}")
        assert answer.status == 200 and answer.body == content and answer["Content-Type"] == media_type
    assert repo.server.get(f"{repo.base}/tags/list").json()["tags"] == ["tagged"]
    assert repo.server.call("DELETE", f"{repo.base}/manifests/tagged").status == 202
    assert repo.server.get(f"{repo.base}/manifests/tagged").status == 404
    assert repo.server.get(f"{repo.base}/manifests/{digest(content)}").status == 200
    assert repo.server.call("DELETE", f"{repo.base}/manifests/{digest(content)}").status == 202
    assert repo.server.get(f"{repo.base}/manifests/{digest(content)}").status == 404


@pytest.mark.parametrize("order", ["parents first", "children first"])
def test_index_and_its_manifests_can_be_deleted_in_any_order(repo, order):
    image, _ = repo.image()
    index, done = repo.manifest(index_of((image, OCI_MANIFEST, {})), "list", OCI_INDEX)
    assert done.status == 201
    names = [digest(index), digest(image)]
    for name in names if order == "parents first" else reversed(names):
        assert repo.server.call("DELETE", f"{repo.base}/manifests/{name}").status == 202
        assert repo.server.get(f"{repo.base}/manifests/{name}").status == 404


def test_several_tags_at_once(repo):
    content, done = repo.image()
    _, done = repo.manifest(content, query="?tag=a&tag=b")
    assert done.status == 201 and done.headers.get_all("OCI-Tag") == ["a", "b"]
    assert repo.server.get(f"{repo.base}/tags/list").json()["tags"] == ["a", "b"]
    for query, status in (("tag=a&tag=a", 201), ("tag=a&tag=.b", 400), ("tag=", 400), ("&".join(f"tag=t{i}" for i in range(10)), 201),
                          ("&".join(f"tag=u{i}" for i in range(17)), 414)):
        _, done = repo.manifest(content, query="?" + query)
        assert done.status == status, query
        if status == 201:
            assert done.headers.get_all("OCI-Tag") == list(dict.fromkeys(q[4:] for q in query.split("&")))
    assert repo.server.get(f"{repo.base}/tags/list").json()["tags"] == sorted(["a", "b", *(f"t{i}" for i in range(10))])


@pytest.mark.parametrize("body,media_type", [
    (b"", OCI_MANIFEST), (b"no json", OCI_MANIFEST), (b"[]", OCI_MANIFEST), (b"{}", OCI_MANIFEST), (b'{"schemaVersion":1}', OCI_MANIFEST),
    (b'{"schemaVersion":2,"schemaVersion":2}', OCI_MANIFEST), (b"[" * 100000, OCI_MANIFEST),
    (text({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}), OCI_MANIFEST),
    (text({"schemaVersion": 2, "manifests": [], "layers": []}), OCI_INDEX),
    (text({"schemaVersion": 2, "config": {"mediaType": "x", "digest": "sha256:x", "size": 1}}), OCI_MANIFEST),
    (text({"schemaVersion": 2, "manifests": []}), "text/plain"),
])
def test_malformed_manifest(repo, body, media_type):
    _, done = repo.manifest(body, "bad", media_type)
    assert done.status == 400 and done.codes() == ["MANIFEST_INVALID"]
    assert repo.server.get(f"{repo.base}/manifests/bad").status == 404


@pytest.mark.parametrize("reference,code", [(NONE, "DIGEST_INVALID"), ("sha256:xyz", "DIGEST_INVALID"), (".bad", "TAG_INVALID"), ("x" * 129, "TAG_INVALID")])
def test_manifest_under_a_wrong_reference(repo, reference, code):
    layer = layer_tar({"f": fresh()})
    config = config_of(layer)
    repo.blob(layer)
    repo.blob(config)
    done = repo.server.call("PUT", f"{repo.base}/manifests/{reference}", text(image_manifest(config, [layer])), {"Content-Type": OCI_MANIFEST})
    assert done.status == 400 and done.codes() == [code]


@pytest.mark.parametrize("absent", ["config", "layer"])
def test_manifest_whose_blob_is_absent(repo, absent):
    layer = layer_tar({"f": fresh()})
    config = config_of(layer)
    repo.blob(config if absent == "layer" else layer)
    _, done = repo.manifest(image_manifest(config, [layer]), "v1")
    assert done.status == 404 and done.codes() == ["MANIFEST_BLOB_UNKNOWN"]
    assert repo.server.get(f"{repo.base}/manifests/v1").status == 404


def padded(config, size):
    value = image_manifest(config, [])
    short = len(text(dict(value, annotations={"pad": ""})))
    return text(dict(value, annotations={"pad": "x" * (size - short)}))


def test_manifest_of_four_mebibytes(repo):
    config = config_of()
    repo.blob(config)
    content = padded(config, 4 << 20)
    _, done = repo.manifest(content, "big")
    assert done.status == 201
    assert repo.server.get(f"{repo.base}/manifests/big").body == content


@pytest.mark.parametrize("how", ["length", "chunked"])
def test_larger_manifest(repo, how):
    content = padded(config_of(), (4 << 20) + 1)
    headers = {"Content-Type": OCI_MANIFEST}
    if how == "chunked":
        done = repo.server.call("PUT", f"{repo.base}/manifests/big", iter([content]), dict(headers, **{"Transfer-Encoding": "chunked"}))
    else:
        done = repo.server.call("PUT", f"{repo.base}/manifests/big", content, headers)
    assert done.status == 413 and done.codes() == ["SIZE_INVALID"]


# ---- discovery ----

@pytest.fixture(scope="module")
def tagged(server):
    repo = Repo(server, "conf/tagged")
    content, _ = repo.image("t0")
    for tag in ("B", "a", "t1", "t10", "t2", "_x", "Z.z-9"):
        assert repo.manifest(content, tag)[1].status == 201
    return repo


TAGS = sorted(["t0", "B", "a", "t1", "t10", "t2", "_x", "Z.z-9"])


def test_tags(tagged):
    assert tagged.server.get(f"{tagged.base}/tags/list").json() == {"name": "conf/tagged", "tags": TAGS}


@pytest.mark.parametrize("n", range(1, 10))
def test_tags_in_pages(tagged, n):
    got, path = [], f"{tagged.base}/tags/list?n={n}"
    while path:
        answer = tagged.server.get(path)
        page = answer.json()["tags"]
        assert len(page) <= n
        got += page
        link = answer["Link"]
        assert (link is None) == (len(got) == len(TAGS))
        path = link and link[1:link.index(">")]
        assert not link or link.endswith('; rel="next"')
    assert got == TAGS


def test_no_tags_asked_for(tagged):
    answer = tagged.server.get(f"{tagged.base}/tags/list?n=0")
    assert answer.json()["tags"] == [] and answer["Link"] is None


@pytest.mark.parametrize("last,want", [("a", ["t0", "t1", "t10", "t2"]), ("t1", ["t10", "t2"]), ("t11", ["t2"]), ("zzz", []), ("", TAGS)])
def test_tags_behind_last(tagged, last, want):
    assert tagged.server.get(f"{tagged.base}/tags/list?last={last}").json()["tags"] == want
    assert tagged.server.get(f"{tagged.base}/tags/list?n=1&last={last}").json()["tags"] == want[:1]


def test_malformed_page_size(tagged):
    assert tagged.server.get(f"{tagged.base}/tags/list?n=x").status == 400


def test_catalog(tagged):
    names = tagged.server.get("/v2/_catalog").json()["repositories"]
    assert "conf/tagged" in names and names == sorted(names)
    first = tagged.server.get("/v2/_catalog?n=1")
    assert first.json()["repositories"] == names[:1]
    if len(names) > 1:
        assert first["Link"]


def test_referrers_of_nothing(server):
    answer = server.get(f"/v2/conf/no-such/referrers/{NONE}")
    assert answer.status == 200 and answer["Content-Type"] == OCI_INDEX
    assert answer.json() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


@pytest.mark.parametrize("subject", ["present", "absent"])
def test_referrers(repo, subject):
    image = fresh()
    if subject == "present":
        image, _ = repo.image("v1")
    repo.blob(b"{}")
    pushed = []
    for kind in ("application/x.sig", "application/x.sbom"):
        content, done = repo.manifest(image_manifest(b"{}", [], OCI_EMPTY, artifactType=kind, subject=descriptor(image, OCI_MANIFEST), annotations={"org.example.kind": kind}))
        assert done.status == 201 and done["OCI-Subject"] == digest(image)
        pushed.append(descriptor(content, OCI_MANIFEST, artifactType=kind, annotations={"org.example.kind": kind}))
    content, _ = repo.manifest(image_manifest(b"{}", [], "application/x.config", subject=descriptor(image, OCI_MANIFEST)))
    pushed.append(descriptor(content, OCI_MANIFEST, artifactType="application/x.config"))
    content, _ = repo.manifest(index_of(subject=descriptor(image, OCI_MANIFEST), artifactType="application/x.list"), media_type=OCI_INDEX)
    pushed.append(descriptor(content, OCI_INDEX, artifactType="application/x.list"))
    path = f"{repo.base}/referrers/{digest(image)}"
    answer = repo.server.get(path)
    assert answer["OCI-Filters-Applied"] is None
    key = lambda d: d["digest"]  # noqa: E731
    assert sorted(answer.json()["manifests"], key=key) == sorted(pushed, key=key)
    answer = repo.server.get(path + "?artifactType=application/x.sig")
    assert answer["OCI-Filters-Applied"] == "artifactType" and answer.json()["manifests"] == pushed[:1]
    assert repo.server.get(path + "?artifactType=no/such").json()["manifests"] == []
    assert repo.server.call("DELETE", f"{repo.base}/manifests/{pushed[0]['digest']}").status == 202
    assert sorted(repo.server.get(path).json()["manifests"], key=key) == sorted(pushed[1:], key=key)
    assert repo.server.get(f"/v2/conf/other/referrers/{digest(image)}").json()["manifests"] == []


def test_referrers_of_the_old_tag_scheme(repo):
    image, _ = repo.image("v1")
    repo.blob(b"{}")
    old, _ = repo.manifest(image_manifest(b"{}", [], OCI_EMPTY, artifactType="application/x.old"))
    _, done = repo.manifest(index_of((old, OCI_MANIFEST, {"artifactType": "application/x.old"})), digest(image).replace(":", "-"), OCI_INDEX)
    assert done.status == 201
    found = repo.server.get(f"{repo.base}/referrers/{digest(image)}").json()["manifests"]
    assert [d["digest"] for d in found] == [digest(old)]


def test_referrers_of_the_old_tag_scheme_are_filtered_by_what_they_are(repo):
    """The old index need not say their types, and may name one twice."""
    image, _ = repo.image("v1")
    repo.blob(b"{}")
    one, _ = repo.manifest(image_manifest(b"{}", [], "application/x.old"))
    two, _ = repo.manifest(image_manifest(b"{}", [], OCI_EMPTY, artifactType="application/x.new", subject=descriptor(image, OCI_MANIFEST)))
    repo.manifest(index_of(*((m, OCI_MANIFEST, {}) for m in (one, two, one))), digest(image).replace(":", "-"), OCI_INDEX)
    path = f"{repo.base}/referrers/{digest(image)}"
    for query, want in (("", [one, two]), ("?artifactType=application/x.old", [one]), ("?artifactType=application/x.new", [two]), ("?artifactType=x/y", [])):
        found = repo.server.get(path + query).json()["manifests"]
        assert sorted(d["digest"] for d in found) == sorted(map(digest, want))


def test_a_page_of_referrers_looks_at_so_many(repo):
    """Thousands that the old tag names and the registry lacks: an answer ends, and leads on to what is there."""
    image, _ = repo.image("one")
    repo.blob(b"{}")
    subject = descriptor(image, OCI_MANIFEST)
    own = text(image_manifest(b"{}", [], OCI_EMPTY, artifactType="application/x.own", subject=subject))
    repo.manifest(own, digest(own))
    absent = ((b"%d" % n, OCI_MANIFEST, {}) for n in range(5000))
    repo.manifest(index_of((own, OCI_MANIFEST, {}), *absent), digest(image).replace(":", "-"), OCI_INDEX)
    path, got, pages = f"{repo.base}/referrers/{digest(image)}", [], 0
    while path:
        answer = repo.server.get(path)
        got += [d["digest"] for d in answer.json()["manifests"]]
        link, pages = answer["Link"], pages + 1
        path = link and link[1:link.index(">")]
    assert got == [digest(own)] and pages == 2


# ---- management ----

def test_delete_tag_and_manifest(repo):
    content, _ = repo.image("v1")
    repo.manifest(content, "v2")
    assert repo.server.call("DELETE", f"{repo.base}/manifests/v1").status == 202
    assert repo.server.get(f"{repo.base}/tags/list").json()["tags"] == ["v2"]
    assert repo.server.call("DELETE", f"{repo.base}/manifests/v1").status == 404
    assert repo.server.call("DELETE", f"{repo.base}/manifests/{digest(content)}").status == 202
    for reference in ("v2", digest(content)):
        assert repo.server.get(f"{repo.base}/manifests/{reference}").status == 404
    assert repo.server.call("DELETE", f"{repo.base}/manifests/{digest(content)}").status == 404


def test_delete_in_one_repository_leaves_the_other(repo):
    content, _ = repo.image("v1")
    other = Repo(repo.server, "conf/delete-elsewhere")
    assert other.manifest(content, "v1")[1].status == 201
    assert other.server.call("DELETE", f"{other.base}/manifests/{digest(content)}").status == 202
    assert other.server.get(f"{other.base}/manifests/{digest(content)}").status == 404
    assert repo.server.get(f"{repo.base}/manifests/{digest(content)}").body == content


def test_a_tag_that_moves_leaves_its_manifest(repo):
    old, _ = repo.image("v1")
    new, _ = repo.image("v1", {"other": fresh()})
    assert repo.server.get(f"{repo.base}/manifests/v1").body == new
    assert repo.server.get(f"{repo.base}/manifests/{digest(old)}").body == old
    assert repo.server.call("DELETE", f"{repo.base}/manifests/{digest(old)}").status == 202
    assert repo.server.get(f"{repo.base}/manifests/{digest(old)}").status == 404


def test_delete_blob(repo):
    content = fresh()
    path = f"{repo.base}/blobs/{repo.blob(content)}"
    assert repo.server.call("DELETE", path).status == 202
    assert repo.server.get(path).status == 404
    assert repo.server.call("DELETE", path).status == 404


def test_delete_blob_in_use(repo):
    layer = layer_tar({"f": fresh()})
    config = config_of(layer)
    repo.blob(layer)
    repo.blob(config)
    content, done = repo.manifest(image_manifest(config, [layer]))
    assert done.status == 201
    for blob in (layer, config, content):
        done = repo.server.call("DELETE", f"{repo.base}/blobs/{digest(blob)}")
        assert done.status == 405 and done.codes() == ["UNSUPPORTED"] and digest(content).encode() in done.body
    assert repo.server.call("DELETE", f"{repo.base}/manifests/{digest(content)}").status == 202
    for blob in (layer, config):
        assert repo.server.call("DELETE", f"{repo.base}/blobs/{digest(blob)}").status == 202


@pytest.mark.parametrize("method,path", [("POST", "/v2/"), ("PUT", "/v2/app/tags/list"), ("DELETE", "/v2/_catalog"), ("PATCH", f"/v2/app/blobs/{NONE}"), ("POST", "/v2/app/manifests/x"), ("OPTIONS", "/v2/"), ("GET", "/v2/app/blobs/uploads/")])
def test_method_not_allowed(server, method, path):
    answer = server.call(method, path)
    assert answer.status == 405 and answer.codes() == ["UNSUPPORTED"]
    if path.count("/") > 2 or path == "/v2/":
        assert answer["Allow"]
