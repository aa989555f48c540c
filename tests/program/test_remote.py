"""ls, digest, manifest, delete, referrers: on a docker-registry and on `cruet serve`, with skopeo as the judge."""
import json
import subprocess
import urllib.error
import urllib.request

import pytest

import engines
import serving
from conftest import Cruet
from serving import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Repo, descriptor, digest, image_manifest, index_of, text

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def docker_registry(tmp_path_factory):
    yield from engines.started(engines.Registry, "/usr/bin/docker-registry", tmp_path_factory)


@pytest.fixture(params=["docker-registry", "cruet serve"])
def host(request, tmp_path):
    """Address of a registry."""
    if request.param == "docker-registry":
        yield request.getfixturevalue("docker_registry").host
        return
    server = serving.Server(Cruet(tmp_path / "served"))
    yield server.host
    assert server.stop() == 0, server.errors


def skopeo(*args):
    return subprocess.run(["skopeo", *args], capture_output=True, check=True).stdout


def pushed(based, host, *names):
    for name in names:
        based.run("tag", "base", f"{host}/{name}")
        based.run("push", "-q", f"{host}/{name}")
        based.run("rmi", f"{host}/{name}")
    return based.digest("base")


def test_ls(based, host):
    names = [f"team/listed:v{n}" for n in range(5)]
    pushed(based, host, *names)
    repository = f"{host}/team/listed"
    assert based.run("ls", repository).out == "v0\nv1\nv2\nv3\nv4\n"
    assert based.json("ls", f"docker://{repository}") == {
        "Repository": repository, "Tags": sorted(json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{repository}"))["Tags"])}
    assert "NAME_UNKNOWN" in based.fails(7, "ls", f"{host}/team/none")
    assert "takes a repository" in based.fails(2, "ls", f"{repository}:v1")


def test_ls_asks_for_every_page(cruet, tmp_path):
    """More tags than a page has: the server gives a hundred at a time."""
    server = serving.Server(Cruet(tmp_path / "served"))
    repo = Repo(server, "many")
    first, _ = repo.image(tag="t0000")
    for n in range(1, 1101):
        assert repo.manifest(first, tag=f"t{n:04}")[1].status == 201
    trace = cruet.run("--debug=registry", "ls", f"{server.host}/many")
    assert trace.out.split() == [f"t{n:04}" for n in range(1101)]
    assert trace.err.count("> GET") >= 2
    assert server.stop() == 0, server.errors


def test_digest_and_manifest(based, host):
    wanted = pushed(based, host, "team/one:1")
    name = f"{host}/team/one:1"
    for form in (name, f"docker://{name}", f"{host}/team/one@{wanted}"):
        assert based.run("digest", form).out == f"{wanted}\n"
        assert based.run("manifest", form).stdout == skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}")
    trace = based.run("--debug=registry", "digest", name).err
    assert "> HEAD" in trace and "> GET" not in trace.split("> HEAD")[1]
    assert "MANIFEST_UNKNOWN" in based.fails(7, "digest", f"{host}/team/one:none")


def test_the_stores_image_comes_first(based, host):
    pushed(based, host, "team/both:1")
    name = f"{host}/team/both:1"
    remote = based.run("digest", name).out
    based.build("FROM base\nLABEL local=1\n", tag=name)
    assert based.run("digest", name, "base").out.split()[1] == based.digest("base")
    assert based.run("digest", name).out != remote == based.run("digest", f"docker://{name}").out
    assert digest(based.run("manifest", name).stdout) == based.run("digest", name).out.strip()


def push_bytes(host, repository, reference, content, media_type):
    """What no image is, as ORAS and cosign put it there."""
    q = urllib.request.Request(f"http://{host}/v2/{repository}/manifests/{reference}", content, {"Content-Type": media_type}, method="PUT")
    urllib.request.urlopen(q).close()


def push_blob(host, repository, content):
    q = urllib.request.Request(f"http://{host}/v2/{repository}/blobs/uploads/", b"", method="POST")
    with urllib.request.urlopen(q) as answer:
        where = answer.headers["Location"]
    where = where if "://" in where else f"http://{host}{where}"
    q = urllib.request.Request(f"{where}{'&' if '?' in where else '?'}digest={digest(content)}", content,
                               {"Content-Type": "application/octet-stream"}, method="PUT")
    urllib.request.urlopen(q).close()


def test_platforms_of_an_index(based, host):
    pushed(based, host, "team/multi:amd64")
    name = f"{host}/team/multi"
    first = based.run("manifest", f"{name}:amd64").stdout
    based.build("FROM base\nLABEL other=1\n", tag=f"{name}:other")
    based.run("push", "-q", f"{name}:other")
    other = based.run("manifest", f"docker://{name}:other").stdout
    index = text(index_of((first, OCI_MANIFEST, {"platform": {"os": "linux", "architecture": "amd64"}}),
                          (other, OCI_MANIFEST, {"platform": {"os": "linux", "architecture": "arm64"}})))
    push_bytes(host, "team/multi", "1", index, OCI_INDEX)
    assert based.run("digest", f"{name}:1").out == digest(index) + "\n"
    assert based.run("manifest", f"{name}:1").stdout == index
    assert based.run("digest", "--platform", "linux/arm64", f"{name}:1").out == digest(other) + "\n"
    assert based.run("manifest", "--platform", "linux/arm64", f"{name}:1").stdout == other
    assert "linux/s390x" in based.fails(7, "digest", "--platform", "linux/s390x", f"{name}:1")


def test_delete(based, host):
    wanted = pushed(based, host, "team/gone:1", "team/gone:2")
    name = f"{host}/team/gone"
    done = based.run("delete", f"{name}:1", check=False)
    if done.returncode:  # docker-registry 2.8 takes digests only; the way is told
        assert f"cruet delete {name}@{wanted}" in done.err
        assert based.run("ls", name).out == "1\n2\n"
    else:
        assert done.out == f"deleted {name}:1\n" and based.run("ls", name).out == "2\n"
    assert based.run("digest", f"{name}:2").out == f"{wanted}\n"
    assert based.run("delete", f"docker://{name}@{wanted}").out == f"deleted {name}@{wanted}\n"
    based.fails(7, "digest", f"docker://{name}:2")
    based.fails(7, "delete", f"{name}@{wanted}")
    assert based.digest("base") == wanted


def test_referrers(based, host):
    """By the API of `cruet serve`; docker-registry has none: by the tag that clients keep the list under."""
    wanted = pushed(based, host, "team/signed:1")
    name = f"{host}/team/signed:1"
    subject = descriptor(based.run("manifest", f"docker://{name}").stdout, OCI_MANIFEST)
    assert subject["digest"] == wanted
    assert based.json("referrers", name) == []
    push_blob(host, "team/signed", b"{}")
    listed = []
    for kind in ("application/x.signature", "application/x.sbom"):
        content = text(image_manifest(b"{}", [], config_type=OCI_EMPTY, artifactType=kind, subject=subject, annotations={"for": kind}))
        push_bytes(host, "team/signed", digest(content), content, OCI_MANIFEST)
        listed.append(descriptor(content, OCI_MANIFEST, artifactType=kind, annotations={"for": kind}))
    try:
        urllib.request.urlopen(f"http://{host}/v2/team/signed/referrers/{wanted}").close()
    except urllib.error.HTTPError:
        push_bytes(host, "team/signed", wanted.replace(":", "-"), text({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}), OCI_INDEX)
    by_digest = sorted(listed, key=lambda d: d["digest"])
    assert sorted(based.json("referrers", name), key=lambda d: d["digest"]) == by_digest
    assert sorted(based.json("referrers", f"{host}/team/signed@{wanted}"), key=lambda d: d["digest"]) == by_digest
    assert based.json("referrers", "--artifact-type", "application/x.sbom", name) == listed[1:]
    table = based.run("referrers", name).out.splitlines()
    assert table[0].split()[0] == "DIGEST" and len(table) == 3 and "application/x.sbom" in "".join(table)
    based.run("delete", f"{host}/team/signed@{listed[1]['digest']}")
    assert based.json("referrers", name) == listed[:1]
    based.run("delete", f"{host}/team/signed@{listed[0]['digest']}")
    assert based.json("referrers", name) == []


def test_push_of_a_referrer(based, host):
    """Without the API the list under the tag is the client's duty when it pushes, too; the subject need not be there."""
    push_blob(host, "team/from", b"{}")
    subject = descriptor(based.run("manifest", "base").stdout, OCI_MANIFEST)
    for kind in ("application/x.signature", "application/x.sbom"):
        content = text(image_manifest(b"{}", [], config_type=OCI_EMPTY, artifactType=kind, subject=subject))
        push_bytes(host, "team/from", digest(content), content, OCI_MANIFEST)
        name = f"{host}/team/to:{kind[14:]}"
        based.run("copy", f"docker://{host}/team/from@{digest(content)}", name)
        based.run("push", name)
        based.run("push", name)  # is listed once
    listed = based.json("referrers", f"{host}/team/to@{subject['digest']}")
    assert sorted(d["artifactType"] for d in listed) == ["application/x.sbom", "application/x.signature"]
