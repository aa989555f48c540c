"""Trees as data: from a directory, or from an image archive (layers applied by Python's tarfile, written here
independently of cruet), to be compared entry by entry."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import stat
import tarfile

import zstandard


def sha(data):
    return hashlib.sha256(data).hexdigest()


def directory(top):
    """path → (type, mode, uid, gid, size, mtime, link, xattrs, sha256) of everything below top."""
    top, found, inodes = pathlib.Path(top), {}, {}
    for path in sorted(top.rglob("*")):
        st = path.lstat()
        name = os.fsencode(path.relative_to(top)).decode(errors="surrogateescape")
        kind = stat.S_IFMT(st.st_mode)
        link, digest, size = None, None, 0
        if kind == stat.S_IFLNK:
            link = os.readlink(path)
        elif kind == stat.S_IFREG:
            size = st.st_size
            digest = sha(path.read_bytes())
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            link = f"{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}"
        group = None
        if kind == stat.S_IFREG and st.st_nlink > 1:
            group = inodes.setdefault((st.st_dev, st.st_ino), name)
        attrs = {}
        if kind != stat.S_IFLNK:
            attrs = {k: os.getxattr(path, k) for k in os.listxattr(path) if not k.startswith("security.selinux")}
        found[name] = (kind, stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, size, int(st.st_mtime), link,
                       tuple(sorted(attrs.items())), group, digest)
    return found


def decompressed(data):
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


def apply_layer(tree, data):
    """Merges one layer into path → dict, with whiteouts."""
    layer = tarfile.open(fileobj=io.BytesIO(decompressed(data)))
    new = {}
    for member in layer:
        path = os.path.normpath(member.name).lstrip("/")
        if path == ".":
            continue
        folder, name = os.path.split(path)
        if name == ".wh..wh..opq":
            for old in [p for p in tree if p.startswith(folder + "/")]:
                del tree[old]
            continue
        if name.startswith(".wh."):
            victim = os.path.join(folder, name[4:])
            for old in [p for p in tree if p == victim or p.startswith(victim + "/")]:
                del tree[old]
            continue
        entry = {"type": member.type.decode(), "mode": member.mode & 0o7777, "uid": member.uid, "gid": member.gid,
                 "mtime": int(member.mtime), "link": None, "size": 0, "sha": None,
                 "caps": member.pax_headers.get("SCHILY.xattr.security.capability")}
        if member.islnk():
            target = os.path.normpath(member.linkname).lstrip("/")
            source = new.get(target) or tree.get(target)
            assert source, f"{path} is a hard link to nothing ({target})"
            entry = dict(source)
        elif member.issym():
            entry["link"], entry["mode"] = member.linkname, 0o777
        elif member.isreg():
            body = layer.extractfile(member).read()
            entry["size"], entry["sha"], entry["type"] = len(body), sha(body), "0"
        elif member.ischr() or member.isblk():
            entry["link"] = f"{member.devmajor}:{member.devminor}"
        old = tree.get(path)
        if old and old["type"] == "5" and entry["type"] != "5":
            for below in [p for p in tree if p.startswith(path + "/")]:
                del tree[below]
        new[path] = tree[path] = entry
    return tree


class Archive:
    """A docker-archive or OCI archive file."""

    def __init__(self, path):
        with tarfile.open(path) as tar:
            self.files = {os.path.normpath(m.name): tar.extractfile(m).read() for m in tar if m.isreg()}
            for m in tar:
                if m.issym() or m.islnk():
                    target = os.path.normpath(os.path.join(os.path.dirname(m.name), m.linkname)) if m.issym() else m.linkname
                    if target in self.files:
                        self.files[os.path.normpath(m.name)] = self.files[target]

    def blob(self, digest):
        return self.files["blobs/sha256/" + digest.split(":")[1]]

    def docker(self):
        """(config, [layer bytes]) of the first image by manifest.json."""
        entry = json.loads(self.files["manifest.json"])[0]
        return json.loads(self.files[os.path.normpath(entry["Config"])]), [self.files[os.path.normpath(n)] for n in entry["Layers"]]

    def oci(self):
        index = json.loads(self.files["index.json"])
        manifest = json.loads(self.blob(index["manifests"][0]["digest"]))
        return json.loads(self.blob(manifest["config"]["digest"])), [self.blob(d["digest"]) for d in manifest["layers"]]


def merged(layers):
    tree = {}
    for data in layers:
        apply_layer(tree, data)
    return tree


def difference(ours, theirs, ignore=()):
    """Lines that say where two trees (dicts of dicts) differ."""
    lines = []
    for path in sorted(set(ours) | set(theirs)):
        a, b = ours.get(path), theirs.get(path)
        if a is None or b is None:
            lines.append(f"{path}: only in {'theirs' if a is None else 'ours'}")
            continue
        for key in a:
            if key not in ignore and a[key] != b[key]:
                lines.append(f"{path}: {key} {a[key]!r} != {b[key]!r}")
    return lines
