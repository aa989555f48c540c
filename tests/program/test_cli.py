"""The command line itself: help, wrong usage, completion, exit statuses."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import CRUET, ROOT
from terminal import Terminal

VERBS = re.findall(r"COMMAND\(cmd_(\w+)\)", (ROOT / "src/cli/commands.def").read_text())


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_on_stdout_and_narrow(cruet, verb):
    done = cruet.run(verb, "--help")
    assert done.out.startswith(f"Usage: cruet {verb}") and not done.err
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert "Global options:\n      --root DIR" in done.out
    assert cruet.run(verb, "-h").out == cruet.run("help", verb).out == cruet.run("--help", verb).out == done.out
    assert not cruet.root.exists(), "help must not make a store"


@pytest.mark.parametrize("verb", VERBS)
def test_unknown_flag(cruet, verb):
    err = cruet.fails(2, verb, "--no-such-flag")
    assert "--no-such-flag" in err and f"'cruet {verb} --help' lists the flags" in err
    assert "unknown flag '-Z'" in cruet.fails(2, verb, "-Z")


def test_overview_and_version(cruet):
    assert "build" in cruet.run("--help").out
    assert "build" in cruet.run("help").out
    assert cruet.run("--version").out == cruet.run("version").out == cruet.run("-v").out
    assert cruet.fails(2).startswith("cruet builds")


def test_did_you_mean(cruet):
    assert "'cruet images'" in cruet.fails(2, "imagse")
    assert "'cruet build'" in cruet.fails(2, "biuld")
    assert "'--build-arg'" in cruet.fails(2, "build", "--bulid-arg", "x=1", ".")
    assert "'--no-cache'" in cruet.fails(2, "build", "--no-cahce", ".")
    assert "did you mean RUN?" in cruet.fails(8, "build", "-", input=b"FROM scratch\nRNU true\n")


def test_unknown_words(cruet):
    assert "'frobnicate' is not a cruet command" in (err := cruet.fails(2, "frobnicate")) and "'cruet help'" in err
    assert "'cruet build'" in cruet.fails(2, "help", "biuld")
    assert "did you mean '--root'?" in cruet.fails(2, "--rooot=/x")
    assert "needs a value" in cruet.fails(2, "--root")


@pytest.mark.parametrize("args, told", [
    (["build", "-q", "--progress", "plain", "."], "'--quiet' and '--progress plain'"),
    (["save", "-q", "--progress", "json", "base"], "'--quiet' and '--progress json'"),
    (["load", "-q", "--progress", "auto", "/dev/null"], "'--quiet' and '--progress auto'"),
    (["import", "-q", "--progress", "plain", "/dev/null"], "'--quiet' and '--progress plain'"),
    (["import", "--compression", "none", "--compression-level", "1", "/dev/null"], "'none' has no level"),
    (["import", "--compression-level", "13", "/dev/null"], "1 to 12"),
    (["images", "-q", "--format", "json"], "'--quiet' and '--format'"),
    (["inspect", "--raw", "--config", "base"], "'--raw' and '--config'"),
    (["inspect", "--raw", "base", "base"], "second image"),
    (["inspect", "--config", "--format", "json", "base"], "'--format'"),
    (["gc", "--check", "--all"], "'--all'"),
    (["gc", "--check", "--dry-run"], "'--dry-run'"),
    (["save", "--format", "oci-dir", "base"], "-o DIRECTORY"),
    (["save", "--format", "oci-dir", "-o", "-", "base"], "-o DIRECTORY"),
    (["load", "-i", "/dev/null", "/dev/null"], "both --input"),
    (["build", "--network", "bridge", "."], "host|none"),
    (["build", "--no-cache=maybe", "."], "true or false"),
    (["build", "-j", "many", "."], "a number"),
])
def test_wrong_combinations(based, args, told):
    assert told in based.fails(2, *args)


@pytest.mark.parametrize("args", [["images"], ["history", "base"], ["df"], ["gc", "--dry-run"], ["gc", "--check"],
                                  ["inspect", "base"]])
def test_listings_as_json(based, args):
    assert isinstance(json.loads(based.run(*args, "--format", "json").out), (list, dict))


def test_names_and_ids(based):
    based.run("tag", "base", "other:x")
    assert sorted(based.run("images", "--format", "names").out.split()) == ["base:latest", "other:x"]
    whole = based.image_id("base")
    assert based.run("images", "--quiet", "--no-trunc", "-a").out.split() == [whole, whole]
    short = based.run("images", "-q", "base").out.strip()
    assert short == whole.removeprefix("sha256:")[:12]
    based.run("rmi", "--force", short)
    assert based.run("images", "-q").out == ""


def test_hostile_history_stays_in_its_column(based):
    based.build("FROM base\nRUN true # \033[2J\033]0;x\007日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語\n")
    shown = based.run("history", "test").out
    assert "\033" not in shown and "\a" not in shown
    cell = re.split("   +", shown.splitlines()[1])[1]
    assert cell.endswith("…") and 59 <= sum(1 + ("　" < c) for c in cell) <= 60


def test_operands(cruet):
    assert "IMAGE" in cruet.fails(2, "history")
    assert "cannot use 'extra'" in cruet.fails(2, "version", "extra")
    assert "needs a value" in cruet.fails(2, "build", "-t")
    assert "table|json" in cruet.fails(2, "images", "--format", "yaml")


def test_global_flags_before_the_verb(cruet, tmp_path):
    cruet.run("--root", tmp_path / "elsewhere", "images")
    assert (tmp_path / "elsewhere" / "oci-layout").exists() and not cruet.root.exists()


def test_closed_stdout_is_an_error(cruet):
    with open("/dev/full", "w") as full:
        done = subprocess.run([CRUET, "help"], stdout=full, stderr=subprocess.PIPE, env=cruet.env, check=False)
    assert done.returncode in (1, 13) and b"standard output" in done.stderr


def test_what_is_told_is_not_written_into_the_store(cruet, tmp_path):
    """Whoever closes standard output and error: the next files that are opened must not become them."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nENV a=b\n")
    for closed in (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
        cruet.run("gc")
        subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", CRUET, "build", "-t", "x", "--progress", "plain", tmp_path], env=cruet.env, check=False)
        cruet.run("rmi", "x")
    cruet.sound()
    told = [p for p in cruet.root.rglob("*") if p.is_file() and (b"exporting" in p.read_bytes() or b"DONE" in p.read_bytes())]
    assert told == []


@pytest.fixture
def shell(based, tmp_path):
    """An interactive bash that knows the completion; complete() types, presses Tab and returns the line."""
    based.run("tag", "base", "app:v1.2", "app:v1.3", "registry.example/team/tool:latest")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/cruet").symlink_to(CRUET)
    (tmp_path / "work/context").mkdir(parents=True)
    (tmp_path / "work/Dockerfile.dev").write_text("")
    (tmp_path / "script").write_text(based.run("completion", "bash").out)
    env = dict(based.env, PATH=f"{tmp_path}/bin:{os.environ['PATH']}", PS1="READY> ", HISTFILE="")
    opened = []

    def start(setup):
        t = Terminal(["/bin/bash", "--norc", "--noprofile", "-i"], env, columns=200, cwd=tmp_path / "work")
        opened.append(t)
        t.until(lambda t: t.has("READY>"))
        os.write(t.fd, f"bind 'set bell-style none'; bind 'set show-all-if-ambiguous on'; {setup}; clear\n".encode())
        t.until(lambda t: t.shown()[0] == "READY>" and not t.has("clear"))

        def complete(typed, wanted):
            """Types and presses Tab: the line, or the words offered, must come to have what is wanted."""
            os.write(t.fd, f"{typed}\t".encode())
            t.until(lambda t: all(t.has(w.rstrip()) for w in wanted), seconds=5)
            shown = t.shown()
            os.write(t.fd, b"\x15\x0c")
            t.until(lambda t: t.shown()[0] == "READY>" and not any(t.shown()[1:]))
            return "\n".join(shown)

        return complete

    start.tmp_path = tmp_path
    yield start
    for t in opened:
        t.close()


def test_completion(shell):
    complete = shell(f"source {shell.tmp_path}/script")
    complete("cruet imp", ["READY> cruet import "])
    complete("cruet ", VERBS)
    complete("cruet build --bu", ["--build-arg", "--build-context"])
    complete("cruet build --progress ", ["auto", "tty", "plain", "json", "quiet"])
    complete("cruet build --progress=pl", ["READY> cruet build --progress=plain "])
    complete("cruet --debug all imag", ["READY> cruet --debug all images "])
    complete("cruet build -f Dock", ["READY> cruet build -f Dockerfile.dev "])
    complete("cruet build cont", ["READY> cruet build context/"])
    complete("cruet rmi app:v1.", ["v1.2", "v1.3"])
    complete("cruet rmi app:v1.2", ["READY> cruet rmi app:v1.2 "])
    complete("cruet save -o x reg", ["READY> cruet save -o x registry.example/team/tool:latest "])
    complete("cruet --root /nonexistent/x rmi app:v1.2 ", ["READY> cruet --root /nonexistent/x rmi app:v1.2"])
    shown = complete("cruet unpack base ", ["context", "Dockerfile.dev"])
    assert "app:v1.2" not in shown
    complete("cruet help his", ["READY> cruet help history "])
    complete("cruet index ", ["append", "create"])
    complete("cruet index append app:v1.", ["v1.2", "v1.3"])


def test_completion_is_for_bash(cruet):
    assert "only for bash" in cruet.fails(2, "completion", "fish")


def test_manual(cruet, tmp_path):
    page = cruet.run("help", "manual").out
    assert page.startswith('.\\" Made by') and ".SS cruet build" in page
    (tmp_path / "cruet.1").write_text(page)
    if not shutil.which("man"):
        pytest.skip("man-db is not installed")
    done = subprocess.run(["man", "--warnings", "-l", tmp_path / "cruet.1"], capture_output=True, text=True, check=True,
                          env=dict(os.environ, MANWIDTH="80", MANPAGER="cat", LC_ALL="C.UTF-8"))
    assert not done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    for verb in VERBS:
        assert re.search(rf"^   cruet {verb}\b", done.stdout, re.M)
        for flag in re.findall(r"^  +(?:-\w, )?(--[\w-]+)", cruet.run(verb, "--help").out, re.M):
            assert flag in done.stdout


def test_make_install(shell, tmp_path):
    if CRUET != str(ROOT / "build/cruet") or not (ROOT / "build/build.ninja").exists():
        pytest.skip("installs what is in build/")
    options = subprocess.run(["/usr/bin/meson", "introspect", "--buildoptions", ROOT / "build"], capture_output=True, check=True)
    prefix = next(o["value"] for o in json.loads(options.stdout) if o["name"] == "prefix")
    done = subprocess.run(["make", "-C", ROOT, "install", f"DESTDIR={tmp_path}/to", f"PREFIX={prefix}"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    to = tmp_path / "to" / prefix.lstrip("/")
    files = {str(p.relative_to(to)): p.stat().st_mode & 0o777 for p in to.rglob("*") if p.is_file()}
    assert files == {"bin/cruet": 0o755, "share/man/man1/cruet.1": 0o644,
                     "share/bash-completion/completions/cruet.bash": 0o644}
    assert subprocess.run([to / "bin/cruet", "version"], capture_output=True, check=True).stdout.startswith(b"cruet ")
    if not pathlib.Path("/usr/share/bash-completion/bash_completion").exists():
        pytest.skip("bash-completion is not installed")
    complete = shell(f"export XDG_DATA_DIRS={to}/share; source /usr/share/bash-completion/bash_completion")
    complete("cruet imp", ["READY> cruet import "])
    complete("cruet rmi app:v1.2", ["READY> cruet rmi app:v1.2 "])
