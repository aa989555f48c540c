"""Debian's docker-registry in four set-ups, with the configuration that docker, podman and containerd have for it: what
cruet pushes others read, what others push cruet reads."""
import base64
import json
import os
import pathlib
import socket
import stat
import subprocess

import pytest

import engines
import serving
import tokens
import trees
from conftest import Cruet

pytestmark = pytest.mark.engines
SECRET = "s3cret-of-ann"
USERS = {"ann": (SECRET, {"pull", "push", "delete"}), "bob": ("pw-of-bob", {"pull"})}


def auth(user="ann", password=SECRET):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


class Place:
    """A registry, and what each client is told of it."""

    def __init__(self, kind, top):
        self.kind, self.top, self.tokens, http, more = kind, top, None, {}, {}
        self.certs = top / "certs"
        self.certs.mkdir()
        if kind in ("tls", "client", "tokens over tls", "tokens over http"):
            self.ca = tokens.authority(top)
            cert, key = tokens.issued(top, "server", "subjectAltName=IP:127.0.0.1", "extendedKeyUsage=serverAuth")
            (self.certs / "ca.crt").write_bytes(self.ca.read_bytes())
            http["tls"] = {"certificate": str(cert), "key": str(key)}
        if kind == "client":
            http["tls"]["clientcas"] = [str(self.ca)]
            for path, name in zip(tokens.issued(top, "client", "extendedKeyUsage=clientAuth"), ("client.cert", "client.key")):
                (self.certs / name).write_bytes(path.read_bytes())
        if kind == "htpasswd":
            http["relativeurls"] = True
            more["auth"] = {"htpasswd": {"realm": "test", "path": str(serving.htpasswd(top / "users", "ann", SECRET))}}
        if kind.startswith("token"):
            self.tokens = tokens.TokenServer(top, USERS, (cert, key) if kind == "tokens over tls" else None)
            more.update(self.tokens.configuration())
        self.registry = engines.Registry(top / "registry", http, **more)
        self.host = self.registry.host
        self.secret = "auth" in more
        (top / "auth.json").write_text(json.dumps({"auths": {self.host: auth()} if self.secret else {}}))
        self.env = {"REGISTRY_AUTH_FILE": str(top / "auth.json")}
        self.flags = ["--cert-dir", self.certs] if "tls" in http else []

    def run(self, cruet, verb, *args):
        return cruet.run(verb, *self.flags, *args, env=dict(cruet.env, **self.env))

    def skopeo(self, verb, *args, side=""):
        tls = [f"--{side}cert-dir", self.certs] if self.flags else [f"--{side}tls-verify=false"]
        done = subprocess.run(["skopeo", verb, *tls, *map(str, args)], env=dict(os.environ, **self.env), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def close(self):
        self.registry.close()
        if self.tokens:
            self.tokens.shutdown()
            self.tokens.server_close()


def opened(factory, kind):
    if not pathlib.Path("/usr/bin/docker-registry").exists():
        pytest.skip("docker-registry is not installed")
    place = Place(kind, factory.mktemp(kind))
    yield place
    place.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    yield from opened(tmp_path_factory, "plain")


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    yield from opened(tmp_path_factory, "tls")


@pytest.fixture(scope="module")
def htpasswd(tmp_path_factory):
    yield from opened(tmp_path_factory, "htpasswd")


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    yield from opened(tmp_path_factory, "token")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    yield from opened(tmp_path_factory, "client")


@pytest.fixture(params=["plain", "tls", "htpasswd", "token"])
def place(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def made(tmp_path_factory, base_tar):
    """A store with `app`: two layers, with links, modes, owners."""
    store = Cruet(tmp_path_factory.mktemp("made") / "store")
    store.run("import", "-t", "base", "--change", 'CMD ["/bin/sh"]', base_tar)
    store.build("FROM base\nRUN mkdir -m 2750 /srv && echo text >/srv/a && ln /srv/a /srv/hard && ln -s a /srv/soft && "
                "chown -R 7:8 /srv && chmod 4711 /srv/a\nCOPY noise /srv/noise\nRUN rm /etc/group\nCMD [\"cat\", \"/srv/a\"]\n",
                tag="app", files={"noise": os.urandom(300000)})
    return store


@pytest.fixture
def user(cruet, tmp_path):
    """Somebody with a home of his own and no configuration."""
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME", "CONTAINERS_REGISTRIES_CONF"):
        cruet.env.pop(name, None)
    home, run = tmp_path / "home", tmp_path / "run"
    home.mkdir()
    run.mkdir()
    cruet.env.update(HOME=str(home), XDG_RUNTIME_DIR=str(run))
    cruet.home, cruet.runtime = home, run
    return cruet


@pytest.fixture
def down():
    """Address of a registry that is not there any more."""
    with socket.socket() as s:  # bound but not listening: nobody else gets it meanwhile
        s.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{s.getsockname()[1]}"


def pushed(made, place, name):
    full = f"{place.host}/{name}"
    made.run("tag", "app", full)
    done = place.run(made, "push", "-q", full)
    made.run("rmi", full)
    return full, done.out.split()[1]


def put(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def exported(cruet, name):
    return trees.apply_layer({}, cruet.run("export", name).stdout)


# ---- both ways, in each set-up ----

def test_skopeo_reads_what_was_pushed(made, place, tmp_path):
    name, digest = pushed(made, place, "team/app:1")
    assert digest == made.digest("app")
    assert json.loads(place.skopeo("inspect", f"docker://{name}"))["Digest"] == digest
    place.skopeo("copy", "-q", f"docker://{name}", f"oci:{tmp_path}/layout:x", side="src-")
    assert json.loads((tmp_path / "layout/index.json").read_text())["manifests"][0]["digest"] == digest
    subprocess.run(["skopeo", "copy", "-q", f"oci:{tmp_path}/layout:x", f"oci-archive:{tmp_path}/a.tar:x"], check=True)
    config, layers = trees.Archive(tmp_path / "a.tar").oci()
    assert config == made.config("app")
    assert trees.difference(exported(made, "app"), trees.merged(layers)) == []


def test_what_skopeo_pushed_is_pulled(cruet, place, shared, tmp_path):
    name = f"{place.host}/other/skopeo:1"
    source = f"oci:{shared}/images/busybox-musl.oci"
    place.skopeo("copy", "-q", "--preserve-digests", "--digestfile", tmp_path / "digest", source, f"docker://{name}", side="dest-")
    assert place.run(cruet, "pull", "-q", name).out == f"{name} {(tmp_path / 'digest').read_text()}\n"
    subprocess.run(["skopeo", "copy", "-q", source, f"oci-archive:{tmp_path}/a.tar:x"], check=True)
    assert trees.difference(exported(cruet, name), trees.merged(trees.Archive(tmp_path / "a.tar").oci()[1])) == []
    cruet.sound()


def test_docker_pushes_and_pulls(made, cruet, place, docker, base_tar):
    ours, digest = pushed(made, place, "team/fordocker:1")
    theirs = f"{place.host}/other/docker:1"
    if place.secret:
        docker.call("login", place.host, "-u", "ann", "--password-stdin", input=SECRET.encode())
    docker.call("pull", "-q", ours)
    assert json.loads(docker.call("image", "inspect", ours).stdout)[0]["RepoDigests"] == [f"{place.host}/team/fordocker@{digest}"]
    docker.call("import", base_tar, theirs)
    docker.call("push", "-q", theirs)
    docker.call("rmi", ours, theirs)
    docker.call("logout", place.host)
    place.run(cruet, "pull", "-q", theirs)
    assert trees.difference(exported(cruet, theirs), trees.apply_layer({}, base_tar.read_bytes())) == []


# ---- TLS ----

def test_certificates_where_docker_and_podman_keep_them(made, user, tls):
    name, _ = pushed(made, tls, "certs/app:1")
    told = user.fails(5, "pull", name)
    assert "certificate" in told and "--ca-file" in told.split("hint:")[1] and told.count("\n") == 2
    user.run("digest", "--ca-file", tls.ca, name)
    user.run("digest", "--cert-dir", tls.certs, name)
    user.run("digest", "--tls-verify=false", name)
    assert user.fails(5, "digest", "--plain-http", name)
    empty = user.home / "empty"
    empty.mkdir()
    user.fails(5, "digest", "--cert-dir", empty, name)
    put(user.home / f".config/containers/certs.d/{tls.host}/our.crt", tls.ca.read_text())
    user.run("pull", "-q", name)
    user.fails(5, "digest", "--cert-dir", empty, f"docker://{name}")


def test_client_certificates(made, user, client):
    name, digest = pushed(made, client, "client/app:1")
    told = user.fails(5, "pull", "--ca-file", client.ca, name)
    assert "wants a client certificate" in told and "X.cert" in told.split("hint:")[1]
    folder = user.home / f".config/containers/certs.d/{client.host}"
    for path in client.certs.iterdir():
        put(folder / path.name, path.read_text())
    assert user.run("pull", "-q", name).out.split()[1] == digest
    hosts = user.home / "hosts"
    put(hosts / client.host / "hosts.toml", f'server = "https://{client.host}"\nca = "{client.ca}"\n'
        f'client = [["{client.certs}/client.cert", "{client.certs}/client.key"]]\n')
    (folder / "client.key").rename(folder / "other.key")
    assert "client.cert" in user.fails(8, "digest", f"docker://{name}")
    assert user.run("digest", "--hosts-dir", hosts, f"docker://{name}").out.strip() == digest


def test_containerd_pulls_what_was_pushed(made, tls, containerd, tmp_path):
    name, digest = pushed(made, tls, "ctr/app:1")
    put(tmp_path / "hosts" / tls.host / "hosts.toml", f'server = "https://{tls.host}"\n[host."https://{tls.host}"]\n  ca = "{tls.ca}"\n')
    containerd.ctr("images", "pull", "--hosts-dir", tmp_path / "hosts", "--snapshotter", "native", name)
    assert digest in containerd.ctr("images", "ls", f"name=={name}").stdout.decode()
    assert containerd.ctr("run", "--rm", "--net-host", "--snapshotter", "native", name, "judges").stdout == b"text\n"
    containerd.ctr("images", "rm", name)


# ---- credentials ----

@pytest.fixture(params=["htpasswd", "token"])
def guarded(request):
    return request.getfixturevalue(request.param)


def helper(user, name, host, login="ann", secret=SECRET):
    """docker-credential-NAME on the PATH, which knows one host and writes down what it is asked."""
    put(user.home / f"bin/docker-credential-{name}", f"""#!/bin/sh
read -r server; echo "$1 $server" >>"$HOME/asked"
[ "$1 $server" = "get {host}" ] || {{ echo "credentials not found in native keychain"; exit 1; }}
echo '{json.dumps({"ServerURL": host, "Username": login, "Secret": secret})}'
""").chmod(0o755)
    user.env["PATH"] = f"{user.home}/bin:{os.environ['PATH']}"


@pytest.mark.parametrize("how", ["auths", "username", "url", "credHelpers", "credsStore", "home"])
def test_configuration_of_docker(made, user, guarded, how):
    name, digest = pushed(made, guarded, "docker/config:1")
    host = guarded.host
    helper(user, "judge", host)
    config = {"auths": {"auths": {host: auth()}},
              "username": {"auths": {host: {"username": "ann", "password": SECRET}}},
              "url": {"auths": {f"https://{host}/v2/": auth()}},
              "credHelpers": {"auths": {host: auth("ann", "old")}, "credHelpers": {host: "judge"}},
              "credsStore": {"auths": {host: {}}, "credsStore": "judge"},
              "home": {"auths": {host: auth()}}}[how]
    user.fails(4, "digest", name)
    put(user.home / ".docker/config.json", config)
    if how != "home":
        (user.home / ".docker").rename(user.home / "elsewhere")
        user.env["DOCKER_CONFIG"] = str(user.home / "elsewhere")
    assert user.run("pull", "-q", name).out.split()[1] == digest
    if how.startswith("cred"):
        assert set((user.home / "asked").read_text().splitlines()) == {f"get {host}"}


def test_a_helper_that_fails_is_told(made, user, htpasswd):
    name, _ = pushed(made, htpasswd, "docker/broken:1")
    put(user.home / ".docker/config.json", {"auths": {htpasswd.host: auth()}, "credHelpers": {htpasswd.host: "missing"}})
    told = user.fails(4, "digest", name)
    assert "docker-credential-missing" in told and SECRET not in told


def test_namespaces_of_containers(made, user, htpasswd):
    """The most specific key wins: what is right for the namespace is wrong for the host."""
    first, _ = pushed(made, htpasswd, "name/space/app:1")
    second, _ = pushed(made, htpasswd, "name/other:1")
    host, wrong = htpasswd.host, auth("ann", "wrong")
    path = put(user.home / "auth.json", {"auths": {host: wrong, f"{host}/name": wrong, f"{host}/name/space": auth()}})
    user.env["REGISTRY_AUTH_FILE"] = str(path)
    user.run("digest", first)
    user.fails(4, "digest", second)
    put(path, {"auths": {host: auth(), f"{host}/name/space/app": wrong}})
    user.fails(4, "digest", first)
    user.run("digest", second)
    del user.env["REGISTRY_AUTH_FILE"]
    put(user.runtime / "containers/auth.json", {"auths": {f"{host}/name/space": auth()}})
    put(user.home / ".docker/config.json", {"auths": {host: wrong}})
    user.run("digest", first)
    user.fails(4, "digest", second)


def test_copies_between_namespaces(made, user, htpasswd):
    """Source and target have credentials of their own on one host."""
    name, digest = pushed(made, htpasswd, "from/app:1")
    put(user.runtime / "containers/auth.json",
        {"auths": {htpasswd.host: auth("ann", "wrong"), f"{htpasswd.host}/from": auth(), f"{htpasswd.host}/to/app": auth()}})
    assert user.run("copy", f"docker://{name}", f"docker://{htpasswd.host}/to/app:2").out == f"2 {digest}\n"
    user.fails(4, "copy", f"docker://{name}", f"docker://{htpasswd.host}/into/app:2")


def test_login_push_logout(user, guarded, base_tar):
    name = f"{guarded.host}/login/app:1"
    user.run("import", "-t", name, base_tar)
    user.fails(4, "push", name)
    user.run("login", "-u", "ann", "--password-stdin", guarded.host, input=SECRET.encode())
    kept = user.runtime / "containers/auth.json"
    assert json.loads(kept.read_text()) == {"auths": {guarded.host: auth()}}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    digest = user.run("push", "-q", name).out.split()[1]
    env = {"REGISTRY_AUTH_FILE": str(kept), **{k: os.environ[k] for k in ("PATH", "HOME") if k in os.environ}}
    done = subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"], env=env, capture_output=True, check=True)
    assert json.loads(done.stdout)["Digest"] == digest
    user.run("logout", guarded.host)
    told = user.fails(4, "push", name)
    assert f"cruet login {guarded.host}" in told.split("hint:")[1]


@pytest.mark.parametrize("args", [["push", "-q"], ["pull", "-q"], ["digest"], ["login", "-u", "ann", "--password-stdin"]])
def test_wrong_passwords_are_not_told(user, guarded, base_tar, args):
    """One clear error; neither the password nor its base64 is in any output, nor the right one's."""
    wrong, name = "wr0ng-one", f"{guarded.host}/wrong/app:1"
    if args[0] == "login":
        args, more = [*args, guarded.host], {"input": wrong.encode()}
    else:
        user.run("import", "-t", name, base_tar)
        put(user.runtime / "containers/auth.json", {"auths": {guarded.host: auth("ann", wrong)}})
        args, more = [*args, f"docker://{name}" if args[0] == "digest" else name], {}
    if guarded.tokens:
        guarded.tokens.scopes()
    quiet = user.fails(4, *args, **more)
    assert not guarded.tokens or 1 <= len(guarded.tokens.scopes()) <= 2  # some lock accounts
    traced = user.fails(4, "--debug=registry", *args, **more)
    assert quiet.count("cruet:") == 1 and "hint:" in quiet and guarded.host in quiet
    if args[0] == "login":
        assert "refuses the credentials of user 'ann'" in quiet and "cruet login" not in quiet
    for secret in (wrong, SECRET):
        for form in (secret, auth("ann", secret)["auth"]):
            assert form not in quiet + traced
    assert "> GET" in traced and "Basic" in traced


def test_the_right_password_is_not_told(user, guarded, base_tar):
    name = f"{guarded.host}/right/app:1"
    user.run("import", "-t", name, base_tar)
    put(user.runtime / "containers/auth.json", {"auths": {guarded.host: auth()}})
    traced = user.run("--debug=registry", "push", name).err
    assert SECRET not in traced and auth()["auth"] not in traced and "> PUT" in traced
    if guarded.tokens:
        assert "eyJ" not in traced  # how every token begins


# ---- tokens ----

def repository(name, actions):
    return f"repository:{name}:{actions}"


def test_scopes_grow_as_needed(made, user, token):
    """A token to pull is not used to push, and each is asked for once."""
    name, _ = pushed(made, token, "grow/app:1")
    put(user.runtime / "containers/auth.json", {"auths": {token.host: auth()}})
    token.tokens.scopes()
    user.run("pull", "-q", name)
    assert token.tokens.scopes() == [{repository("grow/app", "pull")}]
    user.run("copy", f"docker://{name}", f"docker://{token.host}/grow/app:2")
    asked = token.tokens.scopes()
    assert sorted(asked, key=sorted) == [{repository("grow/app", "pull")}, {repository("grow/app", "pull,push")}]
    user.build("FROM scratch\nCOPY f /\n", tag=f"{token.host}/grow/new:1", files={"f": os.urandom(9)})
    user.run("push", "-q", f"{token.host}/grow/new:1")
    assert token.tokens.scopes() == [{repository("grow/new", "pull,push")}]
    user.run("delete", f"{name.rsplit(':', 1)[0]}@{made.digest('app')}")
    assert frozenset([repository("grow/app", "delete")]) in token.tokens.scopes()


def test_mounting_asks_for_both_repositories(made, user, token):
    """By copy, and by push out of a store that knows where its layers are."""
    name, digest = pushed(made, token, "mount/from:1")
    put(user.runtime / "containers/auth.json", {"auths": {token.host: auth()}})
    user.run("pull", "-q", name)
    for number, args in enumerate((["copy", f"docker://{name}", f"docker://{token.host}/mount/to0:1"], ["push", f"{token.host}/mount/to1:1"])):
        user.run("tag", name, f"{token.host}/mount/to1:1")
        token.tokens.scopes()
        traced = user.run("--debug=registry", *args).err
        assert {repository(f"mount/to{number}", "pull,push"), repository("mount/from", "pull")} in token.tokens.scopes()
        assert "mount=sha256" in traced and "> PATCH" not in traced
        assert json.loads(token.skopeo("inspect", f"docker://{token.host}/mount/to{number}:1"))["Digest"] == digest


def test_who_may_only_pull(made, user, token):
    name, _ = pushed(made, token, "rights/app:1")
    put(user.runtime / "containers/auth.json", {"auths": {token.host: auth("bob", "pw-of-bob")}})
    user.run("pull", "-q", name)
    token.tokens.scopes()
    told = user.fails(4, "push", name)
    assert told.count("cruet:") == 1 and len(token.tokens.scopes()) <= 8
    user.fails(4, "delete", f"{token.host}/rights/app@{made.digest('app')}")


def test_nobody_pulls_what_is_public(made, user, token):
    public, digest = pushed(made, token, "public/app:1")
    private, _ = pushed(made, token, "private/app:1")
    assert user.run("pull", "-q", public).out.split()[1] == digest
    user.fails(4, "pull", private)
    put(user.runtime / "containers/auth.json", {"auths": {token.host: auth()}})
    user.run("digest", private)
    user.fails(4, "digest", "--no-creds", private)


@pytest.mark.parametrize("how", ["identitytoken", "helper"])
def test_identity_tokens(made, user, token, how):
    """docker login keeps one where the server gives it; helpers say <token> for the user."""
    name, digest = pushed(made, token, "identity/app:1")
    token.tokens.refresh["refresh-me"] = "ann"
    if how == "helper":
        helper(user, "judge", token.host, "<token>", "refresh-me")
        put(user.home / ".docker/config.json", {"credsStore": "judge"})
    else:
        put(user.home / ".docker/config.json", {"auths": {token.host: {"auth": "MDA6", "identitytoken": "refresh-me"}}})
    token.tokens.scopes()
    traced = user.run("--debug=registry", "pull", name)
    assert traced.out.split()[1] == digest and "refresh-me" not in traced.err
    user.run("tag", name, f"{token.host}/identity/new:1")
    user.run("push", "-q", f"{token.host}/identity/new:1")
    assert {a["grant"] for a in token.tokens.asked} == {"refresh_token"} and {a["user"] for a in token.tokens.asked} == {"ann"}
    token.tokens.refresh.clear()
    assert "refresh-me" not in user.fails(4, "digest", f"docker://{name}")


def test_token_servers_with_tls(made, user, tmp_path_factory):
    """A private authority is trusted for both; a registry with TLS cannot send anybody to a token server without."""
    both, half = (Place(kind, tmp_path_factory.mktemp("both")) for kind in ("tokens over tls", "tokens over http"))
    try:
        name, digest = pushed(made, both, "both/app:1")
        assert json.loads(both.skopeo("inspect", f"docker://{name}"))["Digest"] == digest
        put(user.runtime / "containers/auth.json", {"auths": {both.host: auth(), half.host: auth()}})
        assert user.run("pull", "-q", "--ca-file", both.ca, name).out.split()[1] == digest
        assert "which does not" in user.fails(4, "digest", "--ca-file", half.ca, f"{half.host}/x:1")
        assert half.tokens.asked == []
    finally:
        both.close()
        half.close()


# ---- mirrors ----

def skopeo_digest(name, conf):
    """What skopeo finds under the name with that registries.conf."""
    done = subprocess.run(["skopeo", "--registries-conf", conf, "inspect", "--raw", f"docker://{name}"], capture_output=True, check=False)
    return serving.digest(done.stdout) if done.returncode == 0 else None


def test_mirrors_of_registries_conf(made, user, plain, tls, htpasswd, down, tmp_path):
    """Prefix, location, mirrors in order with one down and one that lacks the image, insecure, credentials of the mirror."""
    _, digest = pushed(made, plain, "mirrored/team/app:1")
    pushed(made, tls, "proxy/app:1")
    pushed(made, tls, "checked/app:1")
    pushed(made, htpasswd, "guarded/app:1")
    put(user.runtime / "containers/auth.json", {"auths": {htpasswd.host: auth()}})
    conf = put(tmp_path / "registries.conf", f"""
[[registry]]
prefix = "hub.invalid/team"
location = "{plain.host}/mirrored/team"
insecure = true
[[registry]]
prefix = "down.invalid"
location = "gone.invalid"
[[registry.mirror]]
location = "{down}/proxy"
insecure = true
[[registry.mirror]]
location = "{plain.host}/nothing"
insecure = true
[[registry.mirror]]
location = "{tls.host}/proxy"
insecure = true
[[registry]]
prefix = "checked.invalid"
location = "{tls.host}/checked"
[[registry]]
prefix = "guarded.invalid"
location = "gone.invalid"
[[registry.mirror]]
location = "{htpasswd.host}/guarded"
insecure = true
[[registry]]
prefix = "bydigest.invalid"
location = "gone.invalid"
[[registry.mirror]]
location = "{plain.host}/mirrored"
insecure = true
pull-from-mirror = "digest-only"
[[registry]]
prefix = "hub.invalid/team/closed"
location = "{plain.host}/mirrored/closed"
blocked = true
""")
    user.env["CONTAINERS_REGISTRIES_CONF"] = str(conf)
    assert user.run("pull", "-q", "hub.invalid/team/app:1").out == f"hub.invalid/team/app:1 {digest}\n"
    done = user.run("digest", "docker://down.invalid/app:1")
    assert done.out.strip() == digest == skopeo_digest("down.invalid/app:1", conf) == skopeo_digest("hub.invalid/team/app:1", conf)
    warned = user.run("pull", "down.invalid/app:1").err
    assert down in warned and f"{plain.host}" in warned and "404" in warned
    user.fails(5, "digest", "checked.invalid/app:1")
    assert skopeo_digest("checked.invalid/app:1", conf) is None
    user.run("digest", "--ca-file", tls.ca, "checked.invalid/app:1")
    assert user.run("digest", "guarded.invalid/app:1").out.strip() == digest
    user.fails(5, "digest", "bydigest.invalid/team/app:1")
    user.run("pull", "-q", f"bydigest.invalid/team/app@{digest}")
    told = user.fails(12, "pull", "hub.invalid/team/closed/app:1")
    assert "blocked" in told and f"{conf}:" in told
    assert skopeo_digest("hub.invalid/team/closed/app:1", conf) is None
    user.run("tag", "hub.invalid/team/app:1", "hub.invalid/team/closed/app:1")
    user.fails(12, "push", "hub.invalid/team/closed/app:1")
    del user.env["CONTAINERS_REGISTRIES_CONF"]
    assert user.run("digest", "--registries-conf", conf, "docker://hub.invalid/team/app:1").out.strip() == digest


def test_mirrors_of_hosts_toml(made, user, plain, tls, containerd, down, tmp_path):
    """One down, one that has it; pushes go to the server alone; ctr finds the same."""
    _, digest = pushed(made, tls, "hosts/app:1")
    pushed(made, plain, "hosts/pushed:1")
    hosts = tmp_path / "hosts"
    put(hosts / "name.invalid/hosts.toml", f"""server = "http://{plain.host}"
[host."http://{down}"]
  capabilities = ["pull", "resolve"]
[host."https://{tls.host}"]
  capabilities = ["pull", "resolve"]
  ca = "{tls.ca}"
""")
    flags = ["--hosts-dir", hosts]
    done = user.run("--debug=registry", "pull", *flags, "name.invalid/hosts/app:1")
    assert done.out == f"name.invalid/hosts/app:1 {digest}\n" and down in done.err and "ns=name.invalid" in done.err
    containerd.ctr("images", "pull", *flags, "--snapshotter", "native", "name.invalid/hosts/app:1")
    assert digest in containerd.ctr("images", "ls", "name==name.invalid/hosts/app:1").stdout.decode()
    containerd.ctr("images", "rm", "name.invalid/hosts/app:1")
    user.run("digest", *flags, "docker://name.invalid/hosts/pushed:1")  # the mirror has no such image
    user.run("tag", "name.invalid/hosts/app:1", "name.invalid/to/server:1")
    user.run("push", "-q", *flags, "name.invalid/to/server:1")
    assert json.loads(plain.skopeo("inspect", f"docker://{plain.host}/to/server:1"))["Digest"] == digest
    user.fails(7, "digest", *flags, "docker://name.invalid/hosts/none:1")


def test_headers_of_hosts_toml(made, user, htpasswd):
    """Credentials as containerd's users write them; they are in no trace. Those of a file of credentials replace wrong ones."""
    name, digest = pushed(made, htpasswd, "header/app:1")
    value = f"Basic {auth()['auth']}"
    hosts = put(user.home / "hosts/_default/hosts.toml", f"""server = "http://{htpasswd.host}"
[header]
  Authorization = "{value}"
  X-Key = ["k3y-one", "k3y-two"]
""").parents[1]
    done = user.run("--debug=registry", "pull", "-q", "--hosts-dir", hosts, name)
    assert done.out.split()[1] == digest and "> X-Key: …" in done.err
    assert auth()["auth"] not in done.err and "k3y" not in done.err
    put(hosts / "_default/hosts.toml", f'server = "http://{htpasswd.host}"\n[header]\n  authorization = "Basic d3Jvbmc6b25l"\n')
    user.fails(4, "digest", "--hosts-dir", hosts, f"docker://{name}")
    put(user.runtime / "containers/auth.json", {"auths": {htpasswd.host: auth()}})
    assert user.run("digest", "--hosts-dir", hosts, f"docker://{name}").out.strip() == digest


def test_a_mirror_that_is_a_cache(made, user, plain, tmp_path):
    """docker-registry as pull-through cache of another one: others may pull through it, nobody may push to it."""
    _, digest = pushed(made, plain, "cached/app:1")
    cache = engines.Registry(tmp_path / "cache", proxy={"remoteurl": f"http://{plain.host}"})
    try:
        conf = put(tmp_path / "registries.conf", f"""[[registry]]
prefix = "{plain.host}"
location = "{plain.host}"
[[registry.mirror]]
location = "{cache.host}"
insecure = true
""")
        name = f"{plain.host}/cached/app:1"
        traced = user.run("--debug=registry", "pull", "--registries-conf", conf, name)
        assert traced.out.split()[1] == digest and f"> GET http://{plain.host}" not in traced.err
        user.run("tag", name, f"{cache.host}/cached/app:2")
        told = user.fails(11, "push", f"{cache.host}/cached/app:2")
        assert told.count("cruet:") == 1 and "405" in told
    finally:
        cache.close()


@pytest.mark.parametrize("who", ["docker", "skopeo"])
def test_logins_of_others(made, user, guarded, docker, tmp_path, who):
    """What their login wrote serves cruet, what cruet's login wrote serves them."""
    name, digest = pushed(made, guarded, "login/others:1")
    if who == "docker":
        docker.call("login", guarded.host, "-u", "ann", "--password-stdin", input=SECRET.encode())
        user.env["DOCKER_CONFIG"] = docker.env["DOCKER_CONFIG"]
    else:
        user.env["REGISTRY_AUTH_FILE"] = str(tmp_path / "skopeo.json")
        subprocess.run(["skopeo", "login", "--tls-verify=false", "--authfile", tmp_path / "skopeo.json", "-u", "ann", "--password-stdin", guarded.host],
                       input=SECRET.encode(), check=True, capture_output=True)
    assert user.run("pull", "-q", name).out.split()[1] == digest
    user.run("logout", guarded.host)
    user.fails(4, "digest", f"docker://{name}")
    user.run("login", "-u", "ann", "--password-stdin", guarded.host, input=SECRET.encode())
    if who == "docker":
        docker.call("pull", "-q", name)
        docker.call("rmi", name)
    else:
        subprocess.run(["skopeo", "inspect", "--tls-verify=false", "--authfile", tmp_path / "skopeo.json", f"docker://{name}"],
                       check=True, capture_output=True)
    user.run("logout", guarded.host)


def test_a_registry_that_is_down(user, down, base_tar):
    name = f"{down}/x:1"
    user.run("import", "-t", name, base_tar)
    for args in (["pull", name], ["push", name], ["digest", f"docker://{name}"], ["ls", name.rsplit(":", 1)[0]]):
        told = user.fails(5, *args)
        assert "connect" in told.lower() and told.count("cruet:") == 1


def test_the_set_ups_are_what_they_are_called(place):
    url = f"http{'s' if place.flags else ''}://{place.host}/v2/"
    head = subprocess.run(["curl", "-sk", "-o", "/dev/null", "-D", "-", url], capture_output=True, check=True).stdout.decode().lower()
    assert {"plain": " 200 ", "tls": " 200 ", "htpasswd": "basic realm", "token": "bearer realm"}[place.kind] in head
