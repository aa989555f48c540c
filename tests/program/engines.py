"""Engines of other people, started for the tests on private sockets and directories, and ended by pid."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time


class Docker:
    """A docker daemon of our own; its client runs with call()."""

    def __init__(self, top):
        self.top = pathlib.Path(top)
        self.socket = self.top / "docker.sock"
        self.log = open(self.top / "dockerd.log", "wb")
        self.daemon = subprocess.Popen(
            ["/usr/sbin/dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-masq=false",
             "--data-root", self.top / "data", "--exec-root", self.top / "exec", "-p", self.top / "docker.pid",
             "-H", f"unix://{self.socket}"], stdout=self.log, stderr=self.log)
        self.env = dict(os.environ, DOCKER_HOST=f"unix://{self.socket}", DOCKER_BUILDKIT="1", DOCKER_CONFIG=str(self.top / "client"))
        self.env.pop("SOURCE_DATE_EPOCH", None)
        for _ in range(300):
            if self.daemon.poll() is not None or self.call("version", check=False).returncode == 0:
                break
            time.sleep(0.1)
        self.call("version")

    def call(self, *args, check=True, **kw):
        done = subprocess.run(["/usr/bin/docker", *map(str, args)], env=self.env, capture_output=True, check=False, **kw)
        if check and done.returncode != 0:
            raise AssertionError(f"docker {args}: {done.stderr.decode(errors='replace')}\n{(self.top / 'dockerd.log').read_text()[-2000:]}")
        return done

    def close(self):
        self.daemon.terminate()
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.log.close()
        unmount_below(self.top)


class Containerd:
    """A containerd of our own; its client runs with ctr()."""

    def __init__(self, top):
        self.top = pathlib.Path(top)
        self.socket = self.top / "containerd.sock"
        (self.top / "config.toml").write_text(
            f'version = 2\nroot = "{self.top}/root"\nstate = "{self.top}/state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "{self.socket}"\n')
        self.log = open(self.top / "containerd.log", "wb")
        self.daemon = subprocess.Popen(["/usr/bin/containerd", "--config", self.top / "config.toml"], stdout=self.log, stderr=self.log)
        for _ in range(300):
            if self.daemon.poll() is not None or self.ctr("version", check=False).returncode == 0:
                break
            time.sleep(0.1)
        self.ctr("version")

    def ctr(self, *args, check=True, **kw):
        done = subprocess.run(["/usr/bin/ctr", "--address", self.socket, *map(str, args)], capture_output=True, check=False, **kw)
        if check and done.returncode != 0:
            raise AssertionError(f"ctr {args}: {done.stderr.decode(errors='replace')}\n{(self.top / 'containerd.log').read_text()[-2000:]}")
        return done

    def close(self):
        self.daemon.terminate()
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.log.close()
        unmount_below(self.top)


class Registry:
    """A docker-registry of our own over an empty directory, on loopback unless it is started elsewhere (host, and head: ip
    netns exec …). http and more: further members of its configuration's http and of itself."""

    def __init__(self, top, http=None, host=None, head=(), **more):
        self.top = pathlib.Path(top)
        shutil.rmtree(self.top, ignore_errors=True)
        self.top.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host = host or f"127.0.0.1:{probe.getsockname()[1]}"
        config = {"version": 0.1, "log": {"level": "error"}, "http": {"addr": self.host, **(http or {})}, **more,
                  "storage": {"filesystem": {"rootdirectory": f"{self.top}/data"}, "delete": {"enabled": True}}}
        (self.top / "config.yml").write_text(json.dumps(config))  # which is YAML too
        self.log = open(self.top / "registry.log", "wb")
        self.daemon = subprocess.Popen([*head, "/usr/bin/docker-registry", "serve", self.top / "config.yml"], stdout=self.log, stderr=self.log)
        for _ in range(300):
            try:
                socket.create_connection(self.host.split(":"), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"docker-registry does not start: {(self.top / 'registry.log').read_text()[-2000:]}")

    def largest_blob(self):
        return max(p.stat().st_size for p in self.top.glob("data/docker/registry/v2/blobs/sha256/*/*/data"))

    def close(self):
        self.daemon.terminate()
        self.daemon.wait(30)
        self.log.close()
        shutil.rmtree(self.top, ignore_errors=True)


def unmount_below(top):
    """Engines leave mounts behind; the deepest goes first."""
    points = [line.split()[1] for line in open("/proc/mounts", encoding="utf-8", errors="surrogateescape")]
    for point in sorted((p for p in points if p.startswith(f"{top}/")), reverse=True):
        subprocess.run(["umount", "-l", point], check=False)


def started(engine, program, factory):
    """A session fixture's body: the engine in a directory whose path is short enough for its sockets."""
    if not pathlib.Path(program).exists():
        import pytest  # the benchmarks use the engines without it
        pytest.skip(f"{program} is not installed")
    top = factory.mktemp(engine.__name__.lower())
    running = engine(top)
    yield running
    running.close()
    shutil.rmtree(top, ignore_errors=True)
