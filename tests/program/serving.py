"""A `cruet serve` for tests, and a small client that sends exactly what it is told."""
import gzip
import hashlib
import http.client
import io
import json
import os
import signal
import ssl
import subprocess
import tarfile

import conftest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"


def digest(content, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def text(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Answer:
    def __init__(self, raw, body):
        self.status, self.headers, self.body = raw.status, raw.headers, body

    def __getitem__(self, name):
        return self.headers.get(name)

    def json(self):
        return json.loads(self.body)

    def codes(self):
        return [e["code"] for e in self.json()["errors"]]


class Server:
    """cruet serve over the store of a conftest.Cruet, on a port of its own."""

    def __init__(self, cruet, *args, env=None):
        self.cruet = cruet
        self.log = cruet.root.parent / "access.log"
        self.process = subprocess.Popen(
            [conftest.CRUET, "serve", "--listen", "127.0.0.1:0", "--access-log", self.log, *map(str, args)],
            env=dict(cruet.env, **(env or {})), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        if not line.startswith("listening on "):
            self.process.wait()
            raise AssertionError(f"{line}{self.process.stderr.read().decode()}")
        self.url = line.split()[-1]
        self.host = self.url.split("//")[1]
        self.pid = self.process.pid

    def connection(self):
        if self.url.startswith("https"):
            return http.client.HTTPSConnection(self.host, timeout=60, context=ssl._create_unverified_context())
        return http.client.HTTPConnection(self.host, timeout=60)

    def call(self, method, path, body=None, headers=None, **more):
        headers = dict(headers or {}, **{k.replace("_", "-"): v for k, v in more.items()})
        connection = self.connection()
        try:
            connection.request(method, path, body=body, headers=headers, encode_chunked="Transfer-Encoding" in headers)
            raw = connection.getresponse()
            return Answer(raw, raw.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.call("GET", path, headers=headers)

    def memory(self, what="VmHWM"):
        for line in open(f"/proc/{self.pid}/status", encoding="ascii"):
            if line.startswith(what):
                return int(line.split()[1]) / 1024
        raise AssertionError("no such process")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self.process.stdout.close()
        self.errors = self.process.stderr.read().decode()
        self.process.stderr.close()
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class Repo:
    """What a pusher does, step by step."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.base = f"/v2/{name}"

    def begin(self, query=""):
        done = self.server.call("POST", f"{self.base}/blobs/uploads/{query}")
        assert done.status == 202, (done.status, done.body)
        return done["Location"]

    def put(self, where, content, name=None, **headers):
        name = name or digest(content)
        return self.server.call("PUT", f"{where}{'&' if '?' in where else '?'}digest={name}", content,
                                {"Content-Type": "application/octet-stream", **headers})

    def blob(self, content):
        done = self.put(self.begin(), content)
        assert done.status == 201, (done.status, done.body)
        return digest(content)

    def manifest(self, value, tag=None, media_type=OCI_MANIFEST, query=""):
        content = value if isinstance(value, bytes) else text(value)
        done = self.server.call("PUT", f"{self.base}/manifests/{tag or digest(content)}{query}", content, {"Content-Type": media_type})
        return content, done

    def image(self, tag=None, files=None, **members):
        """Pushes an image of one layer: (manifest bytes, answer)."""
        layer = layer_tar(files or {"hello": b"hello\n"})
        config = config_of(layer)
        for content in (layer, config):
            self.blob(content)
        return self.manifest(image_manifest(config, [layer], **members), tag)


def layer_tar(files):
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def config_of(*layers, **members):
    return text({"architecture": "amd64", "os": "linux", "config": {}, **members,
                 "rootfs": {"type": "layers", "diff_ids": [digest(gzip.decompress(l)) for l in layers]}})


def descriptor(content, media_type, **members):
    return {"mediaType": media_type, "digest": digest(content), "size": len(content), **members}


def image_manifest(config, layers, config_type=OCI_CONFIG, layer_type=OCI_LAYER, **members):
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(config, config_type),
            "layers": [descriptor(l, layer_type) for l in layers], **members}


def index_of(*manifests, **members):
    return {"schemaVersion": 2, "mediaType": OCI_INDEX,
            "manifests": [descriptor(m, t, **more) for m, t, more in manifests], **members}


def htpasswd(path, user, password, kind="-B"):
    line = subprocess.run(["htpasswd", "-nb", kind, user, password], capture_output=True, check=True).stdout
    path.write_bytes(path.read_bytes() + line if path.exists() else line)
    return path


def certificate(top):
    key, cert = top / "key.pem", top / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def open_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
