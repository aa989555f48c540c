"""The command line itself: help, wrong usage, completion, exit statuses."""
import re
import subprocess

import pytest

from conftest import CRUET, ROOT

VERBS = re.findall(r"COMMAND\(cmd_(\w+)\)", (ROOT / "src/cli/commands.def").read_text())


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_on_stdout_and_narrow(cruet, verb):
    done = cruet.run(verb, "--help")
    assert done.out.startswith(f"Usage: cruet {verb}") and not done.err
    assert all(len(line) <= 100 for line in done.out.splitlines())
    assert not cruet.root.exists(), "help must not make a store"


@pytest.mark.parametrize("verb", VERBS)
def test_unknown_flag(cruet, verb):
    err = cruet.fails(2, verb, "--no-such-flag")
    assert "--no-such-flag" in err and "hint:" in err


def test_overview_and_version(cruet):
    assert "build" in cruet.run("--help").out
    assert "build" in cruet.run("help").out
    assert cruet.run("--version").out == cruet.run("version").out
    assert cruet.fails(2).startswith("cruet builds")


def test_did_you_mean(cruet):
    assert "'cruet images'" in cruet.fails(2, "imagse")
    assert "'cruet build'" in cruet.fails(2, "biuld")
    assert "'--build-arg'" in cruet.fails(2, "build", "--bulid-arg", "x=1", ".")
    assert "'--no-cache'" in cruet.fails(2, "build", "--no-cahce", ".")
    assert "did you mean RUN?" in cruet.fails(8, "build", "-", input=b"FROM scratch\nRNU true\n")


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


def test_completion(cruet, tmp_path):
    script = cruet.run("completion", "bash").out
    (tmp_path / "c").write_text(script)

    def complete(*words):
        code = f"source {tmp_path}/c; COMP_WORDS=({' '.join(words)} ''); COMP_CWORD=${{#COMP_WORDS[@]}}; ((COMP_CWORD--)); "
        code += "COMP_WORDS[COMP_CWORD]=\"$CUR\"; _cruet; printf '%s\\n' \"${COMPREPLY[@]}\""
        return lambda cur: subprocess.run(["bash", "-c", code], env=dict(cruet.env, CUR=cur), capture_output=True,
                                          text=True, check=True).stdout.split()

    assert set(complete("cruet")("")) == set(VERBS)
    assert complete("cruet")("imp") == ["import"]
    assert "--build-arg" in complete("cruet", "build")("--bu")
    assert set(complete("cruet", "build", "--progress")("")) == {"auto", "tty", "plain", "json", "quiet"}
    assert cruet.fails(2, "completion", "fish")


def test_manual(cruet):
    page = cruet.run("help", "manual").out
    assert page.startswith(".TH CRUET 1") and ".SS cruet build" in page
