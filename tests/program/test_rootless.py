"""Ordinary users: one with ranges of subordinate ids, one with his own id alone. The tests make them, as root."""
import os
import pathlib
import shutil
import subprocess

import pytest

import conftest

pytestmark = [pytest.mark.root]


class User:
    """An account with a home of its own, and cruet as seen from it."""

    def __init__(self, name, ranges):
        self.name = name
        subprocess.run(["userdel", "-rf", name], capture_output=True, check=False)
        subprocess.run(["useradd", "-m", "-s", "/bin/sh", name], check=True)
        self.home = pathlib.Path(f"/home/{name}")
        for option in ("-v", "-w"):  # useradd may have given ranges, or not: say what there is
            held = "/etc/subuid" if option == "-v" else "/etc/subgid"
            lines = [l for l in pathlib.Path(held).read_text().splitlines() if not l.startswith(name + ":")]
            pathlib.Path(held).write_text("".join(l + "\n" for l in lines) + (f"{name}:400000:65536\n" if ranges else ""))
        self.home.chmod(0o755)
        shutil.copy(conftest.CRUET, self.home / "cruet")

    def sh(self, script, check=True):
        done = subprocess.run(["su", self.name, "-s", "/bin/sh", "-c", f"cd; unset CRUET_ROOT XDG_DATA_HOME; {script}"], text=True,
                              capture_output=True, check=False, stdin=subprocess.DEVNULL, env=dict(os.environ, HOME=str(self.home)))
        assert not check or done.returncode == 0, f"{script} → {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def put(self, path, data):
        conftest.write(self.home / path, data)
        subprocess.run(["chown", "-R", f"{self.name}:", self.home], check=True)

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)
        subprocess.run(["userdel", "-rf", self.name], capture_output=True, check=False)


def account(name, ranges, base_tar):
    if not pathlib.Path("/proc/sys/user/max_user_namespaces").read_text().strip("0\n"):
        pytest.skip("this kernel gives ordinary users no user namespaces")
    user = User(name, ranges)
    shutil.copy(base_tar, user.home / "base.tar")
    user.put("context/Dockerfile", DOCKERFILE)
    user.sh("./cruet import -t base base.tar")
    yield user
    user.close()


@pytest.fixture(scope="module")
def ranged(base_tar):
    yield from account("cruettest-many", True, base_tar)


@pytest.fixture(scope="module")
def single(base_tar):
    yield from account("cruettest-one", False, base_tar)


DOCKERFILE = """FROM base
RUN echo made > /f && mkdir /d && rm /etc/group
RUN chown 1000:1001 /f /d && id -u > /who
COPY --chown=1000 Dockerfile /d/
CMD cat /f
"""


def members(user, name):
    """path → (uid, gid) of the image."""
    user.sh(f"./cruet export {name} -o tree.tar")
    listing = subprocess.run(["tar", "--numeric-owner", "-tvf", user.home / "tree.tar"], capture_output=True, text=True, check=True).stdout
    return {line.split()[5].strip("./"): line.split()[1] for line in listing.splitlines()}


def test_ranges_give_a_whole_build(ranged):
    done = ranged.sh("./cruet build --progress plain -t app context")
    assert "only your own user id" not in done.stderr
    owners = members(ranged, "app")
    assert owners["f"] == "1000/1001" and owners["d"] == "1000/1001" and owners["d/Dockerfile"] == "1000/1000"
    assert owners["who"] == "0/0" and "etc/group" not in owners
    assert ranged.sh("./cruet run app").stdout == "made\n"
    assert ranged.sh("./cruet run -u 1000 app id -u").stdout == "1000\n"
    assert (ranged.home / ".local/share/cruet/index.json").exists()


def test_ranges_give_the_same_image_as_root(ranged, cruet, base_tar):
    """The same steps, the same epoch: who built it does not show."""
    text = "FROM base\nRUN mkdir -p /srv/x && echo 1 > /srv/x/f && chown -R 5:6 /srv && chmod 2755 /srv/x\nWORKDIR /w\n"
    ranged.put("same/Dockerfile", text)
    ranged.sh("SOURCE_DATE_EPOCH=1000000000 ./cruet import -t base base.tar && SOURCE_DATE_EPOCH=1000000000 ./cruet build -t same same")
    cruet.env["SOURCE_DATE_EPOCH"] = "1000000000"
    cruet.run("import", "-t", "base", base_tar)
    cruet.build(text, tag="same")
    assert cruet.digest("same") in ranged.sh("./cruet images --format json same").stdout


def test_single_id_builds_with_a_clear_word(single):
    done = single.sh("./cruet build --progress plain -t app context")
    assert "only your own user id" in done.stderr and "usermod --add-subuids" in done.stderr
    owners = members(single, "app")
    assert owners["f"] == "0/0" and owners["d/Dockerfile"] == "1000/1000"
    assert single.sh("./cruet run app").stdout == "made\n"


def test_single_id_cannot_become_another_user(single):
    single.put("user/Dockerfile", "FROM base\nUSER 1000\nRUN true\n")
    done = single.sh("./cruet build -t u user", check=False)
    assert done.returncode not in (0, 1, 2) and "1000" in done.stderr and "usermod --add-subuids" in done.stderr


def test_somebody_elses_namespace_with_one_id(ranged):
    done = ranged.sh("unshare -r -m sh -c './cruet import -q -t base base.tar && ./cruet build --progress plain -t app context && ./cruet run app'")
    assert "a single id" in done.stderr and done.stdout.endswith("made\n")


@pytest.mark.parametrize("kind", ["ranged", "single"])
def test_nothing_is_left_behind(request, kind):
    user = request.getfixturevalue(kind)
    user.put("more/Dockerfile", "FROM base\nRUN mkdir -m 700 /p && touch /p/f && sleep 100 & true\nRUN chown 77 /p/f; echo x > /y\n")
    user.sh("./cruet build -t more more && ./cruet rmi more app; ./cruet gc && ./cruet gc --check")
    running = subprocess.run(["pgrep", "-u", user.name], capture_output=True, text=True, check=False).stdout
    assert running == ""
    done = user.sh("./cruet rmi -f $(./cruet images -q) && ./cruet gc --all && find .local/share/cruet/trees -mindepth 1 | wc -l")
    assert done.stdout.splitlines()[-1] == "0"


@pytest.mark.parametrize("kind", ["ranged", "single"])
def test_unpack_belongs_to_the_user(request, kind):
    user = request.getfixturevalue(kind)
    user.sh("./cruet import -t base base.tar && ./cruet unpack base out && test -O out/bin/busybox && rm -rf out")


def test_ranges_that_come_later_make_the_layers_anew(base_tar):
    users = account("cruettest-later", False, base_tar)
    user = next(users)
    try:
        user.sh("./cruet build -t app context")
        assert members(user, "app")["f"] == "0/0"
        for path in ("/etc/subuid", "/etc/subgid"):
            with open(path, "a", encoding="utf-8") as held:
                held.write(f"{user.name}:400000:65536\n")
        user.sh("./cruet build -t app context")
        assert members(user, "app")["f"] == "1000/1001"
    finally:
        users.close()
        user.close()
