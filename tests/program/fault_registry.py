"""A registry whose every answer a test can spoil, and which remembers what it was asked. Also a proxy: any host is played."""
import base64
import dataclasses
import hashlib
import http.server
import json
import random
import re
import ssl
import threading
import time
import urllib.parse

from serving import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, config_of, descriptor, digest, layer_tar, text

REPO = "team/app"


@dataclasses.dataclass
class Request:
    method: str
    host: str
    path: str
    headers: dict
    at: float
    sent: int = 0  # bytes of its body that were read


@dataclasses.dataclass
class Answer:
    status: int = 200
    headers: list = dataclasses.field(default_factory=list)
    body: bytes = b""
    delay: float = 0  # seconds before the head
    cut: int = None  # bytes of the body, then the connection ends
    hang: int = None  # bytes of the body, then nothing more
    pace: tuple = None  # (bytes, seconds) of each piece
    endless: bytes = None  # this again and again instead of the body
    length: int = None  # what Content-Length says
    raw: bytes = None  # instead of everything
    take: int = None  # bytes of the request's body, then the connection ends


def error(status, code, message="it does not work today"):
    return Answer(status, [("Content-Type", "application/json")], json.dumps({"errors": [{"code": code, "message": message}]}).encode())


@dataclasses.dataclass
class Fault:
    method: str
    pattern: str
    change: dict
    times: int
    skip: int
    authorized: bool


class Image:
    """An image of gzip layers with the sizes given, about."""

    def __init__(self, *sizes, layers=None, seed=1):
        chance = random.Random(seed)
        self.layers = layers or [layer_tar({f"f{i}": chance.randbytes(n)}) for i, n in enumerate(sizes or (2000,))]
        self.config = config_of(*self.layers)
        self.manifest = text({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(self.config, OCI_CONFIG),
                              "layers": [descriptor(l, OCI_LAYER) for l in self.layers]})
        self.digest = digest(self.manifest)


class FaultRegistry:
    def __init__(self, certificate=None):
        self.lock = threading.Lock()
        self.requests, self.faults = [], []
        self.blobs, self.manifests, self.uploads = {}, {}, {}
        self.auth = None  # "basic" or "bearer": user "user", password "secret-password"
        self.token = "secret-token"
        self.ranges = True
        self.mounts = False
        self.longest = None  # bytes of a request's body that pass; more: 413 at once, as what stands before a registry does
        self.least = None  # bytes of a chunk (OCI-Chunk-Min-Length)
        self.closing = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def log_message(self, *args):
                pass

            def every(self):
                outer.handle(self)

            do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_CONNECT = every

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    # ---- what is there ----

    def add(self, image, tag="1", types=OCI_MANIFEST):
        for content in (*image.layers, image.config):
            self.blobs[digest(content)] = content
        self.manifests[tag] = self.manifests[image.digest] = (types, image.manifest)
        return f"{self.host}/{REPO}:{tag}"

    def add_manifest(self, content, tag="1", media_type=OCI_MANIFEST):
        self.manifests[tag] = self.manifests[digest(content)] = (media_type, content)
        return f"{self.host}/{REPO}:{tag}"

    def fault(self, method, pattern, times=1, skip=0, authorized=False, **change):
        """The next answers to what fits (times None: all) are changed so; `skip` of them are left alone before. A header that is
        None is left out. authorized: only what comes with credentials fits."""
        self.faults.append(Fault(method, pattern, change, times, skip, authorized))

    # ---- what was asked ----

    def asked(self, method=None, pattern=""):
        with self.lock:
            return [q for q in self.requests if (not method or q.method == method) and re.search(pattern, q.host + q.path)]

    def ranges_of(self, pattern):
        return [q.headers.get("range") for q in self.asked("GET", pattern)]

    # ---- answering ----

    def handle(self, h):
        url = urllib.parse.urlsplit(h.path)
        path = h.path if not url.scheme else url.path + (f"?{url.query}" if url.query else "")
        q = Request(h.command, url.netloc or h.headers.get("Host", ""), path, {k.lower(): v for k, v in h.headers.items()}, time.monotonic())
        with self.lock:
            self.requests.append(q)
            change = self.pick(q)
        if self.longest is not None and int(q.headers.get("content-length", 0)) > self.longest:
            h.close_connection = True
            self.send(h, q, Answer(413, [("Content-Type", "text/html"), ("Connection", "close")], b"<html><title>413 Too Large</title></html>"))
            self.read_body(h, q, None)
            q.sent = 0
            return
        body = self.read_body(h, q, change.get("take"))
        if change.get("take") is not None:
            self.keep_part(q, body)
            h.close_connection = True
            return
        status = change.get("status", 200)
        if status >= 300:
            answer = Answer(status) if status < 400 else error(status, "UNKNOWN")
        else:
            with self.lock:
                answer = self.answer(q, body)
        for name, value in change.items():
            value = value(q) if callable(value) else value
            if name == "headers":
                names = {n.lower() for n, _ in value}
                value = [(k, v) for k, v in (*(h for h in answer.headers if h[0].lower() not in names), *value) if v is not None]
            setattr(answer, name, value)
        self.send(h, q, answer)

    def pick(self, q):
        for f in self.faults:
            if f.method != q.method or not re.search(f.pattern, q.host + q.path) or f.times == 0 or (f.authorized and "authorization" not in q.headers):
                continue
            if f.skip:
                f.skip -= 1
                continue
            if f.times:
                f.times -= 1
            return f.change
        return {}

    def read_body(self, h, q, most):
        want = int(q.headers.get("content-length", 0))
        want = want if most is None else min(want, most)
        body = b""
        while len(body) < want:
            piece = h.rfile.read(min(65536, want - len(body)))
            if not piece:
                break
            body += piece
        q.sent = len(body)
        return body

    def keep_part(self, q, body):
        upload = self.uploads.get(q.path.split("?")[0].rsplit("/", 1)[-1])
        if upload is not None and q.method == "PATCH":
            upload += body

    def send(self, h, q, a):
        self.closing.wait(a.delay)
        if a.raw is not None:
            h.wfile.write(a.raw)
            h.close_connection = True
            return
        length = len(a.body) if a.length is None else a.length
        h.send_response_only(a.status)
        for name, value in a.headers:
            h.send_header(name, value)
        if a.endless is not None and a.length is None:
            h.send_header("Connection", "close")
        else:
            h.send_header("Content-Length", str(length))
        h.end_headers()
        if q.method == "HEAD":
            return
        if a.endless is not None:
            h.close_connection = True
            while not self.closing.is_set():
                h.wfile.write(a.endless)
        stop = min(x for x in (a.cut, a.hang, len(a.body)) if x is not None)
        size, pause = a.pace or (1 << 20, 0)
        for at in range(0, stop, size):
            h.wfile.write(a.body[at:min(at + size, stop)])
            if pause and self.closing.wait(pause):
                return
        h.wfile.flush()
        if a.hang is not None:
            self.closing.wait(60)
        h.close_connection = h.close_connection or stop < length or a.hang is not None

    # ---- a registry that does everything right ----

    def answer(self, q, body):
        path, _, query = q.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        if path == "/token":
            return self.give_token(q)
        refused = self.refusal(q)
        if refused:
            return refused
        if path == "/v2/":
            return Answer(200, [], b"{}")
        found = re.fullmatch(r"/v2/(.+?)/(manifests|blobs/uploads|blobs|tags)/(.*)", path)
        if not found:
            return error(404, "NOT_FOUND")
        kind, what = found[2], found[3]
        if kind == "manifests":
            return self.do_manifest(q, what, body)
        if kind == "blobs":
            return self.do_blob(q, what)
        if kind == "blobs/uploads":
            return self.do_upload(q, found[1], what, query, body)
        return Answer(200, [], text({"name": found[1], "tags": sorted(t for t in self.manifests if ":" not in t)}))

    def refusal(self, q):
        sent = q.headers.get("authorization")
        basic = "Basic " + base64.b64encode(b"user:secret-password").decode()
        if not self.auth or sent == (basic if self.auth == "basic" else f"Bearer {self.token}"):
            return None
        a = error(401, "UNAUTHORIZED")
        how = 'Basic realm="test"' if self.auth == "basic" else f'Bearer realm="http://{q.host}/token",service="test"'
        a.headers.append(("WWW-Authenticate", how))
        return a

    def give_token(self, q):
        return Answer(200, [], text({"token": self.token, "expires_in": 300}))

    def do_manifest(self, q, what, body):
        if q.method == "PUT":
            self.manifests[what] = self.manifests[digest(body)] = (q.headers.get("content-type"), body)
            return Answer(201, [("Location", q.path), ("Docker-Content-Digest", digest(body))])
        if what not in self.manifests:
            return error(404, "MANIFEST_UNKNOWN")
        media_type, content = self.manifests[what]
        return Answer(200, [("Content-Type", media_type), ("Docker-Content-Digest", digest(content))], content)

    def do_blob(self, q, what):
        if what not in self.blobs:
            return error(404, "BLOB_UNKNOWN")
        content = self.blobs[what]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", q.headers.get("range", ""))
        if not asked or not self.ranges:
            return Answer(200, [("Content-Type", "application/octet-stream")], content)
        start, end = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        return Answer(206, [("Content-Range", f"bytes {start}-{end}/{len(content)}")], content[start:end + 1])

    def do_upload(self, q, repository, what, query, body):
        if q.method == "POST":
            if self.mounts and query.get("mount") in self.blobs:
                return Answer(201, [("Location", f"/v2/{repository}/blobs/{query['mount']}")])
            what = hashlib.sha256(str(len(self.uploads)).encode()).hexdigest()[:16]
            self.uploads[what] = bytearray()
            return self.upload_state(202, repository, what)
        if what not in self.uploads:
            return error(404, "BLOB_UPLOAD_UNKNOWN")
        upload = self.uploads[what]
        if q.method == "GET":
            return self.upload_state(204, repository, what)
        if q.method == "DELETE":
            del self.uploads[what]
            return Answer(204)
        if int(q.headers.get("content-range", str(len(upload))).split("-")[0]) != len(upload):
            return error(416, "BLOB_UPLOAD_INVALID")
        upload += body
        if q.method == "PATCH":
            return self.upload_state(202, repository, what)
        if digest(upload) != query["digest"]:
            return error(400, "DIGEST_INVALID")
        self.blobs[query["digest"]] = bytes(upload)
        return Answer(201, [("Location", f"/v2/{repository}/blobs/{query['digest']}")])

    def upload_state(self, status, repository, what):
        least = [("OCI-Chunk-Min-Length", str(self.least))] if self.least else []
        return Answer(status, [("Location", f"/v2/{repository}/blobs/uploads/{what}?_state=secret-state"),
                               ("Range", f"0-{max(len(self.uploads[what]) - 1, 0)}"), *least])
