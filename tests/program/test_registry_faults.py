"""A registry that fails, stalls, cuts and limits: transfers go on, and give up with a reason. Hostile ones: test_registry_hostile.py."""
import email.utils
import gzip
import io
import os
import pathlib
import random
import signal
import subprocess
import tarfile
import time

import pytest

import conftest
from conftest import Cruet, write
from fault_registry import OCI_CONFIG, OCI_MANIFEST, REPO, FaultRegistry, Image, descriptor, digest, text
from serving import OCI_EMPTY

TRIES = 5
NOW = ("Retry-After", "0")


@pytest.fixture
def registry():
    r = FaultRegistry()
    yield r
    r.close()


@pytest.fixture
def other():
    r = FaultRegistry()
    yield r
    r.close()


@pytest.fixture
def started(cruet):
    """Starts cruet beside the test; what is left of it is ended."""
    running = []

    def start(*args):
        running.append(subprocess.Popen([conftest.CRUET, *map(str, args)], env=cruet.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return running[-1]
    yield start
    for p in running:
        if p.poll() is None:
            p.kill()
        p.communicate()


def errors(text):
    return [line for line in text.splitlines() if line.startswith("cruet: ")]


def whole(registry, image):
    return all(registry.blobs.get(digest(b)) == b for b in (*image.layers, image.config)) and image.digest in registry.manifests


def to_push(cruet, registry, image, *names):
    """The image is in the store under names of a registry that has nothing of it."""
    name = registry.add(image, "seed")
    cruet.run("pull", "-q", name)
    for n in names or (f"{REPO}:1",):
        cruet.run("tag", name, f"{registry.host}/{n}")
    cruet.run("rmi", name)
    registry.blobs.clear()
    registry.manifests.clear()
    registry.requests.clear()
    return f"{registry.host}/{(names or (f'{REPO}:1',))[-1]}"


# ---- trying again ----

@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(cruet, registry, status):
    image = Image(3000)
    name = registry.add(image)
    steps = [("GET", "/manifests/"), ("GET", f"/blobs/{digest(image.config)}"), ("GET", f"/blobs/{digest(image.layers[0])}")]
    for step in steps:
        registry.fault(*step, status=status, headers=[NOW])
    assert image.digest in cruet.run("pull", name).out
    assert [len(registry.asked(*step)) for step in steps] == [2, 2, 2]
    registry.blobs.clear()
    registry.manifests.clear()
    registry.requests.clear()
    for step in (("POST", "/uploads/"), ("PUT", "/uploads/"), ("PUT", "/manifests/")):
        registry.fault(*step, status=status, headers=[NOW])
    cruet.run("push", name)
    assert whole(registry, image) and len(registry.asked("PUT", "/manifests/")) == 2
    assert len(registry.asked("PUT", "/uploads/")) == 3


@pytest.mark.parametrize("step,words", [(("GET", "/manifests/"), "manifest '1'"), (("GET", "/blobs/"), "blob sha256:")])
def test_gives_up_pulling(cruet, registry, step, words):
    name = registry.add(Image())
    registry.fault(*step, times=None, status=503, headers=[NOW])
    told = cruet.fails(5, "pull", "-q", name)
    assert len(registry.asked(*step)) == TRIES and len(errors(told)) == 1
    for part in (registry.host, words, "503", "UNKNOWN: it does not work today", "hint: ", "try again later"):
        assert part in told
    cruet.sound()


@pytest.mark.parametrize("step,words", [(("POST", "/uploads/"), "opening an upload"), (("PUT", "/uploads/"), "uploading"), (("PUT", "/manifests/"), "manifest '1'")])
def test_gives_up_pushing(cruet, registry, step, words):
    name = to_push(cruet, registry, Image())
    registry.fault(*step, times=None, status=502, headers=[NOW])
    told = cruet.fails(5, "push", "-q", name)
    assert len(errors(told)) == 1 and len(registry.asked("PUT", "/manifests/")) == (TRIES if "manifests" in step[1] else 0)
    for part in (registry.host, words, "502", "UNKNOWN: it does not work today", "hint: "):
        assert part in told


def test_a_plain_text_is_told(cruet, registry):
    name = registry.add(Image())
    registry.fault("GET", "/manifests/", times=None, status=500, headers=[NOW, ("Content-Type", "text/plain")], body=b"the disk is on fire\nat once\n")
    told = cruet.fails(5, "pull", name)
    assert "the disk is on fire" in told and "at once" not in told


@pytest.mark.parametrize("status,code", [(401, 4), (403, 12), (404, 7)])
@pytest.mark.parametrize("step", ["/manifests/", "/blobs/"])
def test_what_will_not_pass_is_not_tried_again(cruet, registry, step, status, code):
    name = registry.add(Image())
    registry.fault("GET", step, times=None, status=status)
    told = cruet.fails(code, "pull", "-q", name)
    assert len(registry.asked("GET", step)) == 1 and len(errors(told)) == 1 and "hint: " in told


def test_who_failed_is_told(cruet, registry, other):
    """The registry sends us to where its blobs are, which wants nothing of us."""
    image = Image(3000)
    name = registry.add(image)
    layer = digest(image.layers[0])
    registry.fault("GET", layer, times=None, status=307, headers=[("Location", f"http://{other.host}/cdn?X-Signature=secret")])
    other.fault("GET", "/cdn", times=None, status=403)
    told = cruet.fails(12, "pull", "-q", name)
    assert f"'{other.host}', where '{registry.host}' sends us, answers 403" in told
    assert "login" not in told and "expired" in told and "secret" not in told


def test_retry_after(cruet, registry):
    """In seconds and as a date, for manifests, blobs and uploads."""
    image = Image(3000)
    name = registry.add(image)
    layer = digest(image.layers[0])
    steps = [("GET", "/manifests/"), ("GET", layer), ("PUT", "/uploads/.*" + layer.split(":")[1])]
    for step, form in zip(steps, (lambda: "1", lambda: email.utils.formatdate(time.time() + 2, usegmt=True), lambda: "1")):
        registry.fault(*step, status=503, headers=lambda q, form=form: [("Retry-After", form())])
    cruet.run("pull", name)
    registry.blobs.clear()
    cruet.run("push", name)
    for step in steps:
        first, second = (q.at for q in registry.asked(*step))
        assert second - first >= 1


def test_retry_after_has_a_bound_and_can_be_interrupted(registry, started):
    registry.fault("GET", "/manifests/", times=None, status=429, headers=[("Retry-After", "86400")])
    running = started("pull", registry.add(Image()))
    line = running.stderr.readline().decode()
    assert "warning: " in line and registry.host in line and "429" in line and "60 s" in line
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=5)
    assert running.returncode == 130 and "interrupted" in told.decode()


def test_the_whole_host_is_left_alone(cruet, registry):
    """What one answer asks for holds for the requests beside it, and an answer that comes later does not end it."""
    image = Image(*[2000 + i for i in range(7)])
    name = registry.add(image)
    for layer in image.layers[1:4]:
        registry.fault("GET", digest(layer), delay=0.3)
    registry.fault("GET", digest(image.layers[0]), status=429, headers=[("Retry-After", "1")])
    cruet.run("pull", name)
    limited, again = (q.at for q in registry.asked("GET", digest(image.layers[0])))
    assert again - limited >= 1
    assert not [q.path for q in registry.asked("GET", "/blobs/") if limited + 0.25 < q.at < limited + 1]


def test_the_token_server_is_asked_again(cruet, registry):
    registry.auth = "bearer"
    name = registry.add(Image())
    registry.fault("GET", "/token", status=503, headers=[NOW])
    cruet.run("pull", "--creds", "user:secret-password", name)
    assert len(registry.asked("GET", "/token")) == 2
    registry.fault("GET", "/token", times=None, status=500, headers=[NOW])
    told = cruet.fails(5, "pull", "-q", name)
    assert "token" in told and "500" in told and registry.host in told


# ---- going on ----

@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_blob_goes_on(cruet, registry, ranges):
    image = Image(300000)
    registry.ranges = ranges
    name = registry.add(image)
    layer = digest(image.layers[0])
    registry.fault("GET", layer, cut=100000)
    registry.fault("GET", digest(image.config), cut=20)
    cruet.run("pull", name)
    assert registry.ranges_of(layer) == [None, "bytes=100000-"]
    assert registry.ranges_of(digest(image.config)) == [None, "bytes=20-"]
    cruet.sound()


WRONG_RANGES = [{"status": 416}, {"headers": [("Content-Range", "bytes 7-8/9")]}, {"headers": [("Content-Range", None)]}]


@pytest.mark.parametrize("change", WRONG_RANGES)
def test_wrong_ranges_within_a_run(cruet, registry, other, change):
    """Into the store, and passed on to another registry."""
    image = Image(300000)
    name = registry.add(image)
    layer = digest(image.layers[0])
    for r, target in ((registry, "fetched:1"), (registry, f"docker://{other.host}/team/copy:1")):
        r.requests.clear()
        r.fault("GET", layer, cut=100000)
        r.fault("GET", layer, **change)
        cruet.run("copy", f"docker://{name}", target)
        assert r.ranges_of(layer) == [None, "bytes=100000-", None]
    assert whole(other, image)
    cruet.sound()


@pytest.mark.parametrize("change", WRONG_RANGES)
def test_a_server_with_wrong_ranges_sends_all_of_it(cruet, registry, started, change):
    image = Image(3000000)
    name = registry.add(image)
    layer = digest(image.layers[0])
    registry.fault("GET", layer, hang=2000000)
    running = started("pull", name)
    wait_for_bytes(partial(cruet, image), 2000000)
    running.kill()
    running.wait()
    registry.fault("GET", layer, **change)
    cruet.run("pull", name)
    assert len(registry.asked("GET", layer)) == 3 and registry.ranges_of(layer)[2] is None
    cruet.sound()


@pytest.mark.parametrize("change", [{}, {"cut": 1000000}, {"status": 500}, {"status": 503, "times": 5, "headers": [NOW]}, {"ranges": False},
                                    {"headers": [("Content-Range", "bytes 7-8/9")]}])
def test_several_connections(cruet, registry, change):
    """What happens to one of them does not end the others."""
    image = Image(layers=[gzip.compress(tar_of_noise(30000000), 0)])
    name = registry.add(image)
    layer = digest(image.layers[0])
    registry.ranges = change.pop("ranges", True)
    registry.fault("GET", layer, pace=(262144, 0.02))
    if change:
        registry.fault("GET", layer, **change)
    cruet.run("pull", name)
    asked = registry.ranges_of(layer)
    assert asked[0] is None and len(asked) > 1 and asked[1].split("-")[1]
    cruet.sound()


def test_the_first_connection_ends_first(cruet, registry):
    """What it started goes on without it."""
    image = Image(layers=[gzip.compress(tar_of_noise(30000000), 0)])
    name = registry.add(image)
    layer = digest(image.layers[0])
    registry.fault("GET", layer, skip=1, pace=(65536, 0.05))
    registry.fault("GET", layer, pace=(262144, 0.02))
    registry.fault("GET", layer, times=None, pace=(262144, 0.005))
    cruet.run("pull", name)
    assert len(registry.asked("GET", layer)) > 2
    cruet.sound()


def tar_of_noise(size):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("noise")
        member.size = size
        tar.addfile(member, io.BytesIO(random.Random(1).randbytes(size)))
    return out.getvalue()


def partial(cruet, image):
    return cruet.root / "tmp" / f"partial-{digest(image.layers[0]).split(':')[1]}"


def wait_for_bytes(path, size):
    for _ in range(400):
        if path.exists() and path.stat().st_size >= size:
            return
        time.sleep(0.025)
    raise AssertionError(f"{path} does not grow")


@pytest.mark.parametrize("verb, kind", [(["pull"], OCI_CONFIG), (["pull"], "application/x.model"), (["copy", "--referrers"], OCI_CONFIG)])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_next_run_goes_on(cruet, registry, started, how, verb, kind):
    image = Image(3000000)
    image.manifest = image.manifest.replace(OCI_CONFIG.encode(), kind.encode())
    image.digest = digest(image.manifest)
    name = registry.add(image)
    registry.fault("GET", digest(image.layers[0]), hang=2000000)
    args = [*verb, name] if verb == ["pull"] else [*verb, f"docker://{name}", "copied:1"]
    running = started(*args)
    wait_for_bytes(partial(cruet, image), 2000000)
    running.send_signal(how)
    _, told = running.communicate(timeout=5)
    assert running.returncode == (130 if how == signal.SIGINT else -how)
    assert len(errors(told.decode())) == (how == signal.SIGINT)
    assert told.count(b"hint: what was transferred is kept") == (how == signal.SIGINT and verb == ["pull"])
    assert partial(cruet, image).exists() and cruet.json("images") == []
    cruet.run(*args)
    start = int(registry.ranges_of(digest(image.layers[0]))[1].removeprefix("bytes=").removesuffix("-"))
    assert 2000000 - 3 * 65536 <= start <= 2000000
    assert not partial(cruet, image).exists()
    cruet.sound()


def test_the_next_run_goes_on_with_artifacts(cruet, registry, started):
    """What is no layer is big, too; and empty."""
    blobs = [random.Random(2).randbytes(3000000), b"", b"{}"]
    registry.blobs.update((digest(b), b) for b in blobs)
    manifest = text({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/x.model", "config": descriptor(blobs[2], OCI_EMPTY),
                     "layers": [descriptor(b, "application/x.weights") for b in blobs[:2]]})
    name = registry.add_manifest(manifest)
    registry.fault("GET", digest(blobs[0]), hang=2000000)
    running = started("pull", name)
    path = cruet.root / "tmp" / f"partial-{digest(blobs[0]).split(':')[1]}"
    wait_for_bytes(path, 2000000)
    running.send_signal(signal.SIGINT)
    assert running.wait(5) == 130
    registry.fault("GET", digest(blobs[0]), times=2, body=blobs[0][:-1] + b"?")
    cruet.fails(6, "pull", name)
    assert registry.ranges_of(digest(blobs[0]))[1].startswith("bytes=1")
    for options in ([], ["--unpack"]):
        cruet.run("pull", *options, name)
    assert all((cruet.root / "blobs/sha256" / digest(b).split(":")[1]).read_bytes() == b for b in blobs)
    cruet.sound()


def test_the_next_run_fills_the_gaps(cruet, registry, started):
    """Several connections have written; one of them was behind the others."""
    image = Image(layers=[gzip.compress(tar_of_noise(40000000), 0)])
    name = registry.add(image)
    layer = digest(image.layers[0])
    registry.fault("GET", layer, pace=(65536, 0.02))
    running = started("pull", name)
    for _ in range(400):
        if len(registry.asked("GET", layer)) > 4:
            break
        time.sleep(0.025)
    running.kill()
    running.wait()
    there = partial(cruet, image).stat().st_blocks * 512
    before = len(registry.asked("GET", layer))
    assert before > 4
    cruet.run("pull", name)
    size, asked, covered = len(image.layers[0]), 0, 0
    for text in registry.ranges_of(layer)[before:]:
        first, last = text.removeprefix("bytes=").split("-")
        asked += int(last or size - 1) + 1 - int(first)
        covered = max(covered, int(last or size - 1) + 1)
    assert covered == size and asked < size - there + 16 * 65536
    cruet.sound()


@pytest.mark.parametrize("change", [{"ranges": False}, {"status": 416}, {"body": None}])
def test_gaps_that_are_not_filled(cruet, registry, started, change):
    """By a server that has no ranges any more, or where what is there is wrong: all of it is fetched."""
    image = Image(layers=[gzip.compress(tar_of_noise(4000000), 0)])
    name = registry.add(image)
    layer = digest(image.layers[0])
    registry.fault("GET", layer, hang=10)
    running = started("pull", name)
    wait_for_bytes(partial(cruet, image), 10)
    running.kill()
    running.wait()
    with open(partial(cruet, image), "r+b") as part:
        for start, end in ((0, 900000), (1500000, 2500000), (3000000, 3300000)):
            part.seek(start)
            part.write(image.layers[0][start:end] if "body" not in change else b"?" * (end - start))
    if "ranges" in change:
        registry.ranges = False
    elif "status" in change:
        registry.fault("GET", layer, **change)
    cruet.run("pull", name)
    asked = registry.ranges_of(layer)[1:]
    assert asked[-1] is None or "ranges" in change
    assert "body" in change or len(asked) == (1 if "ranges" in change else 2)
    cruet.sound()


def test_what_stands_still_is_begun_again(cruet, registry):
    image = Image(300000)
    name = registry.add(image)
    registry.fault("GET", digest(image.layers[0]), hang=100000)
    cruet.run("pull", "--stall-timeout", 1, name)
    assert registry.ranges_of(digest(image.layers[0])) == [None, "bytes=100000-"]
    registry.blobs.clear()
    registry.fault("PUT", "/uploads/", delay=20)
    cruet.run("push", "--stall-timeout", 1, name)
    assert whole(registry, image)


def test_what_never_moves_is_given_up(cruet, registry):
    """Each time after a longer wait."""
    name = registry.add(Image())
    registry.fault("GET", "/manifests/", times=None, delay=30)
    done = cruet.run("pull", "-q", "--stall-timeout", 1, name, check=False)
    assert done.returncode == 16 and len(errors(done.err)) == 1
    assert registry.host in done.err and "1 second" in done.err and "hint: " in done.err
    at = [q.at for q in registry.asked("GET", "/manifests/")]
    assert len(at) == TRIES and all(b - a > 1 + 0.25 * 0.7 * 2 ** i for i, (a, b) in enumerate(zip(at, at[1:])))


def test_a_layer_that_fails_ends_the_others(cruet, registry):
    """What came of them is there for the next time."""
    image = Image(3000000, 20000)
    name = registry.add(image)
    slow, broken = map(digest, image.layers)
    registry.fault("GET", slow, pace=(65536, 0.5))
    registry.fault("GET", broken, times=None, delay=1, body=image.layers[1][:-1] + b"x")
    start = time.monotonic()
    assert broken[:19] in cruet.fails(9, "pull", name)
    assert time.monotonic() - start < 10
    assert partial(cruet, image).stat().st_size > 65536
    registry.faults.clear()
    cruet.run("pull", name)
    assert registry.ranges_of(slow)[-1] not in (None, "bytes=0-")


def test_nobody_waits_for_what_is_of_no_use(cruet, registry, other):
    """One blob fails while the answer for another one does not come."""
    image = Image(BIG, 20000)
    name = registry.add(image)
    silent, broken = map(digest, image.layers)
    registry.fault("GET", broken, times=None, delay=0.5, status=404)
    registry.fault("GET", silent, times=None, delay=50)
    for verb in (["pull", name], ["copy", f"docker://{name}", f"docker://{other.host}/x:1"]):
        done = cruet.run(*verb, check=False, timeout=25)
        assert done.returncode == 7 and broken in done.err.splitlines()[-2] and "CANCELED" in done.err
    registry.faults.clear()
    name = to_push(cruet, registry, image)
    registry.fault("PATCH", "/uploads/", times=None, delay=50)
    registry.fault("PUT", "/uploads/.*" + broken.split(":")[1], times=None, delay=0.5, status=403)
    assert broken[:19] in cruet.run("push", name, check=False, timeout=25).err.splitlines()[-2]


def test_a_build_that_fails_does_not_wait_for_its_uploads(based, registry):
    registry.fault("PATCH", "/uploads/", times=None, delay=50)
    done = based.build("FROM base\nCOPY f /f\nRUN exit 3\n", tag=f"{registry.host}/{REPO}:1", args=["--push"], check=False,
                       files={"f": random.Random(1).randbytes(BIG)}, timeout=25)
    assert done.returncode == 14 and "status 3" in done.err
    assert "CANCELED" in done.err or not registry.asked("PATCH")


def test_what_is_slow_goes_its_way(cruet, registry):
    image = Image(10000)
    name = registry.add(image)
    registry.fault("GET", digest(image.layers[0]), pace=(2600, 0.6))
    cruet.run("pull", "--stall-timeout", 1, name)
    assert len(registry.asked("GET", digest(image.layers[0]))) == 1


@pytest.mark.parametrize("value", ["0", "-1", "x", "1000000"])
def test_stall_timeout_takes_seconds(cruet, registry, value):
    assert "--stall-timeout" in cruet.fails(2, "pull", f"--stall-timeout={value}", registry.add(Image()))


# ---- uploads ----

BIG = 5000000  # more than goes in one request


def test_a_cut_upload_goes_on(cruet, registry):
    image = Image(BIG)
    name = to_push(cruet, registry, image)
    registry.fault("PATCH", "/uploads/", take=2000000)
    cruet.run("push", name)
    first, second = registry.asked("PATCH")
    size = len(image.layers[0])
    assert first.headers.get("content-range") is None and first.path == second.path
    assert second.headers["content-range"] == f"2000000-{size - 1}" and second.sent == size - 2000000
    assert whole(registry, image)


def test_a_server_that_kept_less_gets_the_rest(cruet, registry):
    image = Image(BIG)
    name = to_push(cruet, registry, image)

    def lose(q):
        upload = registry.uploads[q.path.split("?")[0].rsplit("/", 1)[-1]]
        del upload[3000000:]
        return [("Location", q.path), ("Range", "0-2999999")]
    registry.fault("PATCH", "/uploads/", headers=lose)
    cruet.run("push", name)
    assert whole(registry, image) and len(registry.asked("PATCH")) == 1
    assert max(q.sent for q in registry.asked("PUT", "/uploads/")) == len(image.layers[0]) - 3000000


@pytest.mark.parametrize("status", [416, 404])
def test_a_lost_upload_begins_anew(cruet, registry, status):
    image = Image(BIG)
    name = to_push(cruet, registry, image)
    registry.fault("PATCH", "/uploads/", status=status)
    if status == 404:
        registry.fault("GET", "/uploads/", status=404)
    cruet.run("push", name)
    first, second = registry.asked("PATCH")
    assert first.path != second.path and second.sent == len(image.layers[0])
    assert whole(registry, image)


@pytest.mark.parametrize("size", [5000, BIG])
def test_an_upload_whose_end_is_not_heard_of(cruet, registry, size):
    """The server has closed it and forgotten it: nothing is sent again."""
    image = Image(size)
    name = to_push(cruet, registry, image)

    def lose(q):
        registry.uploads.pop(q.path.split("?")[0].rsplit("/", 1)[-1])
        return b""
    registry.fault("PUT", "/uploads/.*" + digest(image.layers[0]).split(":")[1], raw=lose)
    cruet.run("push", name)
    assert whole(registry, image)
    assert sum(q.sent for q in registry.asked(pattern="/uploads/")) == len(image.layers[0]) + len(image.config)


def test_a_server_may_work_before_it_closes_an_upload(cruet, registry):
    image = Image(BIG)
    name = to_push(cruet, registry, image)
    registry.fault("PUT", "/uploads/.*" + digest(image.layers[0]).split(":")[1], delay=2.5)
    cruet.run("push", "--stall-timeout", 1, name)
    assert whole(registry, image) and len(registry.asked("PATCH")) == 1 and len(registry.asked("PUT", "/uploads/")) == 2


MIB = 1 << 20


def chunks(registry):
    """What came of the requests that were taken, and what was asked in all."""
    patches = registry.asked("PATCH")
    return [(q.headers.get("content-range"), q.sent) for q in patches if q.sent], len(patches)


def test_where_bodies_have_a_bound_chunks_are_sent(cruet, registry):
    """413, as nginx says it: 64 MiB, 16, 4, 1."""
    image = Image(BIG)
    name = to_push(cruet, registry, image)
    registry.longest = MIB
    cruet.run("push", name)
    sent, asked = chunks(registry)
    size = len(image.layers[0])
    assert sent == [(f"{a}-{min(a + MIB, size) - 1}", min(MIB, size - a)) for a in range(0, size, MIB)]
    assert whole(registry, image) and asked == len(sent) + 2  # the stream, and 4 MiB
    assert sorted(q.sent for q in registry.asked("PUT", "/uploads/")) == [0, len(image.config)]
    assert len(registry.asked("POST")) == 2 and not registry.asked("DELETE")


def test_what_went_in_one_request_goes_in_chunks(cruet, registry):
    image = Image(3 * MIB)
    name = to_push(cruet, registry, image)
    registry.longest = 2 * MIB
    cruet.run("push", name)
    assert whole(registry, image) and [n for _, n in chunks(registry)[0]] == [MIB, MIB, MIB, len(image.layers[0]) - 3 * MIB]


def test_chunks_are_as_long_as_the_server_wants_them(cruet, registry):
    image = Image(BIG)
    name = to_push(cruet, registry, image)
    registry.longest, registry.least = 3 * MIB, 2 * MIB
    cruet.run("push", name)
    assert whole(registry, image) and [n for _, n in chunks(registry)[0]] == [2 * MIB, 2 * MIB, len(image.layers[0]) - 4 * MIB]


def test_chunks_that_cannot_become_smaller(cruet, registry):
    name = to_push(cruet, registry, Image(BIG))
    registry.longest = MIB // 2
    assert "413 Too Large" in cruet.fails(10, "push", name)
    registry.longest, registry.least = 3 * MIB, 4 * MIB
    assert "413 Too Large" in cruet.fails(10, "push", name)
    assert len(registry.asked("PATCH")) == 3 + 2


@pytest.mark.parametrize("change", [{"status": 416}, {"take": MIB // 2}, {"status": 503}])
def test_a_chunk_that_fails_is_sent_from_where_the_server_is(cruet, registry, change):
    image = Image(BIG)
    name = to_push(cruet, registry, image)
    registry.longest = MIB
    registry.fault("PATCH", "/uploads/", skip=3, **change)
    cruet.run("push", name)
    assert whole(registry, image) and len(registry.asked("GET", "/uploads/")) == 1
    assert sum(n for _, n in chunks(registry)[0]) <= len(image.layers[0]) + MIB and len(registry.asked("POST")) == 2


def test_a_server_that_never_has_more(cruet, registry):
    name = to_push(cruet, registry, Image(BIG))
    registry.longest = MIB
    registry.fault("PATCH", "/uploads/", skip=3, times=None, headers=[("Range", "0-1048575")])
    assert "has no more than before" in cruet.fails(9, "push", name)


def test_cuts_at_the_same_place_lead_to_chunks(cruet, registry):
    """Some that stand between keep all of a request until it is complete, and do not wait for that for ever."""
    image = Image(BIG)
    name = to_push(cruet, registry, image)
    registry.fault("PATCH", "/uploads/", times=2, take=0)
    cruet.run("push", name)
    assert whole(registry, image) and [n for _, n in chunks(registry)[0]] == [4 * MIB, len(image.layers[0]) - 4 * MIB]


def test_an_upload_that_is_given_up_is_told_to_the_server(cruet, registry):
    name = to_push(cruet, registry, Image(BIG))
    registry.fault("PATCH", "/uploads/", times=None, status=403)
    registry.fault("DELETE", "/uploads/", times=None, status=503, headers=[("Retry-After", "60")])
    cruet.fails(12, "push", name)
    given_up, = registry.asked("DELETE")
    assert given_up.path == registry.asked("PATCH")[-1].path


def test_an_interrupted_push_is_finished_by_the_next(cruet, registry, started):
    image = Image(5000, BIG)
    name = to_push(cruet, registry, image)
    registry.fault("PATCH", "/uploads/", delay=20)
    running = started("push", name)
    while not registry.asked("PATCH"):
        time.sleep(0.02)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=5)
    assert running.returncode == 130 and len(errors(told.decode())) == 1 and not registry.manifests
    before = len(registry.asked("PUT", "/uploads/"))
    cruet.run("push", name)
    assert whole(registry, image) and before == 2 and len(registry.asked("PUT", "/uploads/")) == 3


@pytest.mark.parametrize("accepted", [True, False])
def test_mounting(cruet, registry, accepted):
    image = Image(5000, 6000)
    other, name = f"{registry.host}/team/first:1", to_push(cruet, registry, image, "team/first:1", f"{REPO}:1")
    cruet.run("push", other)
    registry.mounts = accepted
    kept = dict(registry.blobs)
    registry.requests.clear()
    registry.fault("HEAD", f"/v2/{REPO}/blobs/", times=None, status=404)
    cruet.run("push", name)
    opened = registry.asked("POST", f"/v2/{REPO}/blobs/uploads/.mount=.*from=team%2Ffirst")
    assert len(opened) == 2 and whole(registry, image) and registry.blobs == kept
    layers = [digest(l).split(":")[1] for l in image.layers]
    sent = [q for q in registry.asked("PUT", "/uploads/") if any(l in q.path for l in layers)]
    assert len(sent) == (0 if accepted else 2)
    assert len(registry.asked("POST")) == 3  # a refusal opens the session that is used


def test_the_manifest_comes_last(cruet, registry):
    name = to_push(cruet, registry, Image(5000, 6000, 7000))
    registry.fault("PUT", "/uploads/", delay=0.2)
    cruet.run("push", name)
    assert registry.requests[-1].method == "PUT" and "/manifests/1" in registry.requests[-1].path
    assert len(registry.asked("PUT", "/manifests/")) == 1 and len(registry.asked("PUT", "/uploads/")) == 4


# ---- from registry to registry ----

def test_a_copy_goes_on_at_both_ends(cruet, registry, other):
    image = Image(BIG)
    name = registry.add(image)
    layer = digest(image.layers[0])
    registry.fault("GET", layer, cut=1000000)
    other.fault("PATCH", "/uploads/", take=3000000)
    cruet.run("copy", f"docker://{name}", f"docker://{other.host}/team/copy:1")
    assert whole(other, image)
    assert registry.ranges_of(layer)[1] == "bytes=1000000-" and registry.ranges_of(layer)[2] == "bytes=3000000-"


@pytest.mark.parametrize("change,tries", [({"status": 500, "headers": [NOW]}, TRIES), ({"status": 404}, 1), ({"cut": 1000000}, TRIES)])
def test_a_copy_whose_source_fails(cruet, registry, other, change, tries):
    """The source is asked no oftener because something waits for it."""
    image = Image(BIG)
    name = registry.add(image)
    registry.ranges = False
    registry.fault("GET", digest(image.layers[0]), times=None, **change)
    done = cruet.run("copy", "-q", f"docker://{name}", f"docker://{other.host}/team/copy:1", check=False)
    assert done.returncode in (5, 7) and len(errors(done.err)) == 1 and registry.host in done.err
    assert len(registry.asked("GET", digest(image.layers[0]))) == tries and not other.manifests


# ---- what is told ----

LIMITED = [("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "0;w=21600"), ("Docker-RateLimit-Source", "192.0.2.1")]


def test_rate_limits_are_told(cruet, registry):
    name = registry.add(Image())
    registry.fault("GET", "/manifests/", times=TRIES, status=429, headers=[NOW, *LIMITED])
    done = cruet.run("--debug=registry", "pull", name, check=False)
    assert done.returncode == 5 and "ratelimit-remaining=0;w=21600" in done.err
    hint = [line for line in done.err.splitlines() if line.startswith("hint: ")]
    assert len(hint) == 1 and "0 of 100 requests in 6h0m0s are left" in hint[0]
    registry.fault("GET", "/manifests/", headers=[("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "7;w=21600")])
    told = cruet.run("pull", "--progress", "plain", name).err
    assert told.count(f"warning: {registry.host}: 7 of 100 requests in 6h0m0s are left") == 1
    registry.fault("GET", "/manifests/", headers=[("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "70;w=21600")])
    assert "warning" not in cruet.run("pull", "--progress", "plain", name).err


def test_an_image_for_another_platform_is_told(cruet, registry):
    name = registry.add(Image())
    told = cruet.run("pull", "--progress", "plain", "--platform", "linux/s390x", name).err
    assert told.count("warning: ") == 1 and "is for linux/amd64, there is none for linux/s390x" in told
    assert "warning" not in cruet.run("pull", "--progress", "plain", "--platform", "linux/amd64", name).err


def test_the_trace_has_no_secrets(cruet, registry, tmp_path):
    """Requests and answers are shown; what gives access to something is not."""
    image = Image(3000)
    name = registry.add(image)
    registry.auth = "bearer"
    write(tmp_path / "hosts" / registry.host.replace(":", "_") / "_", "")
    write(pathlib.Path(f"{tmp_path}/hosts/{registry.host.replace(':', '_')}_/hosts.toml"),
          f'server = "http://{registry.host}"\n[header]\n  X-Api = "secret-header"\n')
    target = "/cdn?X-Amz-Signature=secret-signature&Expires=secret-too"
    registry.fault("GET", digest(image.layers[0]), status=307, headers=[
        ("Location", target), ("Set-Cookie", "a=secret-cookie"), ("X-Auth-Token", "secret-answer"), ("Link", f"<{target}>; rel=next")])
    registry.fault("GET", "/cdn", status=200, body=image.layers[0])
    flags = ["--debug=registry", "--creds", "user:secret-password", "--hosts-dir", tmp_path / "hosts"]
    told = cruet.run("pull", *flags, name).err
    registry.blobs.clear()
    told += cruet.run("push", *flags, name).err
    assert "secret" not in told and "dXNlc" not in told
    assert registry.asked("GET", "/manifests/")[-1].headers["x-api"] == "secret-header"
    for part in ("> GET http", "Authorization: Bearer …", "Authorization: Basic …", "X-Api: …", "< 307", "X-Amz-Signature=…", "set-cookie=…", "> PUT", "< 201"):
        assert part in told, part
    registry.token = "secret-token-2"
    registry.fault("GET", "/token", times=None, status=200, body=b'{"token": "secret-token-2"')
    told = cruet.fails(9, "pull", *flags, name)
    assert "secret" not in told and "token server" in told


def test_two_processes_want_the_same(cruet, registry, started):
    """The second waits for the first and asks for nothing twice."""
    image = Image(200000)
    name = registry.add(image)
    registry.fault("GET", digest(image.layers[0]), pace=(50000, 0.2))
    running = [started("pull", name) for _ in range(2)]
    assert [p.communicate(timeout=20)[0] and p.returncode for p in running] == [0, 0]
    assert len(registry.asked("GET", digest(image.layers[0]))) == 1
    Cruet(cruet.root).sound()


def test_a_layer_that_comes_several_times(cruet, registry):
    """Asked for once; those that waited for it leave nothing behind."""
    layer, other = Image(300000, 100).layers
    image = Image(layers=[layer, layer, other, layer])
    cruet.run("pull", registry.add(image))
    assert len(registry.asked("GET", digest(layer))) == 1
    assert list(cruet.root.glob("tmp/*")) == []
    assert cruet.json("gc")["LocksRemoved"] == len({layer, other})
    assert list(cruet.root.glob("locks/*-*")) == []
    cruet.sound()


def test_few_threads(cruet, registry, broken):
    """Without those that only make it faster it is slower; without the others it ends with one error."""
    name = registry.add(Image(1000, 2000))
    broken("clone3", "error=EAGAIN:when=1")
    cruet.run("pull", "-q", name)
    cruet.sound()
    cruet.run("rmi", name)
    cruet.run("gc")
    broken("clone3", "error=EAGAIN")
    assert cruet.fails(1, "pull", "-q", name) == "cruet: there are no more threads (see 'ulimit -u', pids.max of the cgroup)\n"
    broken()
    cruet.run("pull", "-q", name)
    cruet.sound()


def test_pulling_again_mends_what_the_power_cut_off(cruet, registry):
    name = registry.add(Image(3000, 200000))
    cruet.run("pull", "-q", "--unpack", name)
    for path in (*cruet.root.glob("blobs/sha256/*"), *cruet.root.glob("layers/*/*")):
        os.truncate(path, path.stat().st_size // 2)
    assert cruet.run("gc", "--check", check=False).returncode == 6
    cruet.run("pull", "-q", name)
    cruet.sound()
    cruet.run("export", "-o", "/dev/null", name)


@pytest.mark.parametrize("method, step, after", [("HEAD", "/blobs/", 1), ("POST", "/uploads/", 0), ("PUT", "/uploads/", 0), ("PUT", "/uploads/", 1),
                                                 ("PUT", "/manifests/", 0), ("GET", "/blobs/", 0), ("GET", "/blobs/", 1)])
def test_a_token_that_ends_on_the_way(cruet, registry, method, step, after):
    """Another one is asked for, and what was sent in vain is sent again."""
    image = Image(3000000, 200000)
    registry.auth = "bearer"
    name = registry.add(image)
    challenge = [("WWW-Authenticate", f'Bearer realm="http://{registry.host}/token",service="test",scope="x:y:z"')]
    if method != "GET":
        cruet.run("pull", "-q", "--creds", "user:secret-password", name)
        registry.blobs.clear()
        registry.manifests.clear()
    before = len(registry.asked("GET", "/token"))
    registry.fault(method, step, skip=after, authorized=True, status=401, headers=challenge)
    cruet.run("pull" if method == "GET" else "push", "-q", "--creds", "user:secret-password", name)
    assert not registry.faults[0].times, "it came about"
    assert len(registry.asked("GET", "/token")) - before >= 2
    if method == "GET":
        cruet.sound()
    else:
        assert whole(registry, image)
