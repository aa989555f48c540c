"""COPY and ADD: several sources over each other, links, and what --link makes of them."""
import io
import os
import tarfile


def exported(cruet, name):
    return tarfile.open(fileobj=io.BytesIO(cruet.run("export", name).stdout))


def test_links_of_a_replaced_file_keep_their_content(cruet, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/x").write_text("first")
    os.link(tmp_path / "a/x", tmp_path / "a/y")
    os.link(tmp_path / "a/x", tmp_path / "a/z")
    (tmp_path / "b/x").write_text("second")
    cruet.build("FROM scratch\nCOPY a/ b/ /dst/\n", context=tmp_path)
    cruet.build("FROM scratch AS both\nCOPY a /a\nCOPY b /b\nFROM scratch\nCOPY --from=both a/ b/ /dst/\n", "staged",
                context=tmp_path)
    for name in ("test", "staged"):
        tar = exported(cruet, name)
        assert tar.extractfile("dst/x").read() == b"second"
        assert tar.extractfile("dst/y").read() == tar.extractfile("dst/z").read() == b"first"
        assert tar.getmember("dst/y").isreg() and tar.getmember("dst/z").linkname == "dst/y"


def test_chmod_holds_for_hard_links(cruet, tmp_path):
    (tmp_path / "x").write_text("x")
    (tmp_path / "x").chmod(0o644)
    os.link(tmp_path / "x", tmp_path / "y")
    cruet.build("FROM scratch\nCOPY --chmod=600 . /d/\n", context=tmp_path)
    tar = exported(cruet, "test")
    assert [tar.getmember(f"d/{n}").mode for n in "xy"] == [0o600, 0o600]


def test_linked_archive_does_not_depend_on_the_base(cruet, tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/lib").symlink_to("usr/lib")
    with tarfile.open(tmp_path / "files.tar", "w") as tar:
        info = tarfile.TarInfo("lib/f")
        tar.addfile(info)
    cruet.build("FROM scratch\nCOPY base /\nADD --link files.tar /\n", "over", context=tmp_path)
    cruet.build("FROM scratch\nADD --link files.tar /\n", "alone", context=tmp_path)
    assert cruet.config("over")["rootfs"]["diff_ids"][-1] == cruet.config("alone")["rootfs"]["diff_ids"][-1]
    assert "lib/f" in exported(cruet, "alone").getnames()


def context_tar(**members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_a_context_has_no_whiteouts(cruet):
    context = context_tar(Dockerfile="FROM scratch\nCOPY . /\n", _wh_x="")
    done = cruet.run("build", "-t", "test", "-", input=context, check=False)
    assert done.returncode != 0 and ".wh.x" in done.err


def test_ignore_file_of_a_tar_stays_inside(cruet, tmp_path):
    (tmp_path / "host").write_text("secret[\n")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        link = tarfile.TarInfo(".dockerignore")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "host")
        tar.addfile(link)
        text = b"FROM scratch\nCOPY Dockerfile /\n"
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    done = cruet.run("build", "-t", "test", "-", input=buffer.getvalue())
    assert "secret" not in done.err


def test_owner_errors_say_who_asks(cruet):
    assert "USER 'app'" in cruet.build("FROM scratch\nUSER app\nWORKDIR /d\n", check=False).err
    assert "--chown 'app'" in cruet.build("FROM scratch\nCOPY --chown=app a /\n", files={"a": ""}, check=False).err
    large = cruet.build("FROM scratch\nCOPY passwd /etc/passwd\nCOPY --chown=app passwd /p\n", check=False,
                        files={"passwd": "#" * (2 << 20) + "\napp:x:1:1::/:\n"})
    assert large.returncode != 0 and "is not in" not in large.err
