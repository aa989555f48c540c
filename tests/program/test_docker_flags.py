"""Flags and habits of docker's command line: what scripts carry is honoured, taken without effect, or refused in clear words."""
import json

import pytest

PLAIN = "FROM base\nRUN echo hello\n"


@pytest.mark.parametrize("flags", [
    ["--rm"], ["--rm=true"], ["--force-rm"], ["--compress"], ["--load"], ["--builder", "default"], ["--pull=false"],
    ["--provenance=false"], ["--sbom=false"], ["--network", "default"], ["--platform", "local"], ["--disable-content-trust"],
    ["--isolation=default"], ["--allow", "network.host"], ["--attest", "type=sbom,disabled=true"], ["--call=build"],
    ["-o", "type=cacheonly"], ["-o", "type=docker"], ["-o", "type=image,push=false,oci-mediatypes=true"]])
def test_taken_in_silence(based, flags):
    done = based.build(PLAIN, args=flags)
    assert "warning" not in done.err and not done.stdout


@pytest.mark.parametrize("flags,word", [
    (["--cache-from", "type=registry,ref=x/y"], "--cache-from has no effect"), (["--cache-to=type=inline"], "--cache-to has no effect"),
    (["-m", "1g"], "limits of memory"), (["--cpu-quota=5", "-c2"], "limits of memory"),
    (["--security-opt", "seccomp=unconfined"], "--security-opt")])
def test_taken_with_a_warning(based, flags, word):
    assert word in based.build(PLAIN, args=flags).err


@pytest.mark.parametrize("flags,word,hint", [
    (["--squash"], "not squashed", "FROM scratch"),
    (["--ssh", "default"], "ssh agents", "--secret"), (["--provenance=mode=max"], "no attestations", "--provenance=false"),
    (["--sbom"], "no attestations", "--sbom=false"), (["--attest", "type=provenance"], "no attestations", "leave the flag out"),
    (["--call=outline"], "only build and check", "--check"), (["--platform", "linux/amd64,linux/arm64"], "for one", "once for each"),
    (["--annotation", "index:a=b"], "no index", "")])
def test_refused(based, flags, word, hint):
    err = based.fails(11, "build", *flags, ".")
    assert word in err and hint in err


def test_no_flag_without_effect_is_advertised(cruet):
    text = cruet.run("build", "--help").out.split("\nOptions:")[1]
    assert "--force-rm" not in text and "--cache-from" not in text and "--ulimit" in text


def test_annotations(based):
    based.build("FROM base\nENV a=b\n", args=["--annotation", "b=2", "--annotation", "manifest:a=x:y=z", "-o", "type=image,annotation.c=3"])
    assert json.loads(based.run("inspect", "--raw", "test").stdout)["annotations"] == {"a": "x:y=z", "b": "2", "c": "3"}
    assert "KEY=VALUE" in based.fails(2, "build", "--annotation", "nothing", ".")


def test_names_and_compression_of_an_output(based):
    based.build("FROM base\nCOPY f /\n", files={"f": "x"}, args=["-o", 'type=image,"name=one,two:2",compression=zstd'])
    assert based.image_id("one") == based.image_id("two:2") == based.image_id("test")
    layers = json.loads(based.run("inspect", "--raw", "one").stdout)["layers"]
    assert layers[-1]["mediaType"].endswith("zstd")


def test_limits_and_shared_memory_of_run(based):
    done = based.build("FROM base\nRUN ulimit -n; ulimit -Hn; df -k /dev/shm | tail -1\n",
                       args=["--ulimit", "nofile=100:200", "--shm-size", "8m"])
    words = done.err.split()
    assert "100" in words and "200" in words and "8192" in words
    assert "the names are" in based.fails(2, "build", "--ulimit", "files=3", ".")
    for wrong in ("nofile", "nofile=3:2", "nofile=x"):
        assert "NAME=SOFT[:HARD]" in based.fails(2, "build", "--ulimit", wrong, ".")
    for wrong in ("x", "0", "m", "99999999999t"):
        assert "no size" in based.fails(2, "build", "--shm-size", wrong, ".")


def test_every_spelling_of_a_host(based):
    done = based.build("FROM base\nRUN cat /etc/hosts\n", args=[
        "--add-host", "colon:10.0.0.1", "--add-host=equals=10.0.0.2", "--add-host", "six:::1", "--add-host", "brackets=[::2]",
        "--add-host", "gateway:host-gateway"])
    for line in ("10.0.0.1\tcolon", "10.0.0.2\tequals", "::1\tsix", "::2\tbrackets", "127.0.0.1\tgateway"):
        assert line in done.err


def test_check(based):
    done = based.build("FROM base\nRUN false\n", args=["--check"])
    assert done.out == "Check complete, no warnings found.\n"
    assert "not in the store" in based.fails(7, "inspect", "test")
    done = based.build("FROM base\nMAINTAINER me\nENV a b\n", args=["--call", "check"], check=False)
    assert done.returncode == 1 and done.out == "Check complete, 2 warnings found.\n" and "MAINTAINER is deprecated" in done.err
    assert based.build("FROM base\nNOPE\n", args=["--check"], check=False).returncode == 8


def test_no_cache_filter_takes_a_list(based):
    text = "FROM base AS one\nRUN echo 1\nFROM base AS two\nRUN echo 2\nFROM base\nCOPY --from=one /etc/passwd /1\nCOPY --from=two /etc/passwd /2\n"
    based.build(text)
    again = based.build(text, args=["--no-cache-filter", "One,two"]).err
    assert again.count("RUN echo") == 2 and again.count("echo 1\n") == 1
    assert "CACHED" not in again.split("RUN echo 1")[1].splitlines()[1]
    assert "CACHED" not in again.split("RUN echo 2")[1].splitlines()[1]


def test_progress_from_the_environment(based):
    assert "#1 " in based.run("build", "-", input=PLAIN.encode(), env=dict(based.env, BUILDKIT_PROGRESS="plain")).err


def template(store, text, *names):
    return store.run("inspect", "-f", text, *names or ("test",)).out


def test_templates_of_inspect(based):
    based.build('FROM base\nLABEL a.b=1 c="x y"\nENV E=1\nCMD ["run","me"]\n')
    based.run("tag", "test", "other:2")
    assert template(based, "{{.Id}}") == based.image_id("test") + "\n"
    assert template(based, "{{.Config.Cmd}} {{json .Config.Cmd}} {{len .Config.Cmd}}") == '[run me] ["run","me"] 2\n'
    assert template(based, '{{index .Config.Labels "a.b"}}|{{index .Config.Cmd 1}}|{{index .Config.Labels "gone"}}|') == "1|me||\n"
    assert template(based, '{{range .RepoTags}}<{{.}}>{{end}}\\t{{join .RepoTags ","}}') == "<test:latest><other:2>\ttest:latest,other:2\n"
    assert template(based, "{{ .Os }}/{{.Architecture}}{{.Config.User}}", "test", "base").count("linux/") == 2
    assert template(based, '{{index .Config.Labels "x"}}', "base") == "\n"
    assert template(based, "{{.Config.Labels}}") == "map[a.b:1 c:x y]\n"
    assert template(based, "{{range .Config.Env}}{{range .}}{{end}}{{end}}") == "\n"
    for wrong, status in (("{{.Nope}}", 2), ("{{range .RepoTags}}", 2), ("{{index .Config.Cmd 7}}", 2), ("{{if .Id}}x{{end}}", 11), ("{{end}}", 11),
                          ("{{}}", 11), ("{{json}}", 11), ("{{range .Id}}" * 20 + "{{end}}" * 20, 11), ("plain", 2)):
        assert based.fails(status, "inspect", "--format", wrong, "test"), wrong


def test_templates_and_filters_of_images(based):
    based.build("FROM base\nENV a=b\n")
    based.build("FROM base\nENV a=c\n")
    assert set(based.run("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").out.splitlines()) == {
        f"{name} {based.image_id(name.split(':', 1)[0])[7:19]}" for name in ("base:latest", "test:latest")} | {
            "<none>:<none> " + based.run("images", "-q", "-f", "dangling=true").out.strip()}
    assert based.run("images", "--filter", "dangling=false", "--format", "names").out.splitlines() == ["base:latest", "test:latest"]
    assert based.run("images", "te*", "--format", "names").out == "test:latest\n"
    assert based.run("images", "-f", "reference=*:lat*", "-f", "reference=nothing", "--format", "names").out.count("latest") == 2
    assert "reference=PATTERN" in based.fails(2, "images", "-f", "since=x")
    based.fails(11, "images", "--format", "table {{.ID}}")


def test_two_word_verbs(based):
    assert based.run("buildx", "build", "-q", "-t", "t", "-", input=PLAIN.encode()).out.startswith("sha256:")
    assert based.run("image", "ls", "--format", "names").out == based.run("images", "--format", "names").out
    assert based.run("image", "inspect", "t").out == based.run("inspect", "t").out
    assert based.run("container", "run", "t", "echo", "image", "ls").out == "image ls\n"
    based.run("image", "rm", "t")
    assert "not a cruet command" in based.fails(2, "image", "frobnicate") and "not a cruet command" in based.fails(2, "buildx")


def test_removing_goes_on_after_one_that_is_missing(based):
    based.run("tag", "base", "one", "two")
    err = based.fails(7, "rmi", "gone", "one", "lost", "two")
    assert "'gone'" in err and "'lost'" in err
    assert based.run("images", "--format", "names").out == "base:latest\n"


def test_a_dockerfile_in_small_letters(cruet, tmp_path):
    (tmp_path / "dockerfile").write_text("FROM scratch\nCOPY f /\n")
    (tmp_path / "dockerfile.dockerignore").write_text("f\n")
    (tmp_path / "f").write_text("x")
    err = cruet.fails(7, "build", tmp_path)
    assert "dockerfile:2" in err and "ignore file excludes it" in err
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY f /\n")
    cruet.run("build", tmp_path)


def test_more_layers_than_docker_takes(based):
    text = "FROM base\n" + "WORKDIR /a\nWORKDIR /b\n" * 63
    assert "docker and podman refuse" not in based.build(text).err
    assert "the image has 128 layers" in based.build(text + "WORKDIR /c\n").err
