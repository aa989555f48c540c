"""Small builds for test_differential.py. Each is a Dockerfile over the images `base` and `onbuild`, the files of its
context, and what is wanted to differ from docker (docs/COMPATIBILITY.md gives the reasons).

A file of the context is text, bytes, or a tuple: ("dir", mode), ("file", text, mode), ("link", target),
("hard", other), ("fifo", mode), ("tar", [members], compression) with members (name, kind, text or target, mode,
uid, gid)."""
import dataclasses


@dataclasses.dataclass
class Case:
    name: str
    text: str
    files: dict = dataclasses.field(default_factory=dict)
    args: tuple = ()
    fails: bool = False  # both refuse it
    ours_fails: bool = False  # only cruet refuses it: a wanted difference
    ignore: tuple = ()  # paths that are wanted to differ


TREE = {
    "src": ("dir", 0o755), "src/a.txt": "a", "src/.hidden": "h", "src/run.sh": ("file", "#!/bin/sh\necho hi\n", 0o755),
    "src/sub": ("dir", 0o750), "src/sub/b.txt": ("file", "b", 0o640), "src/sub/deep": ("dir", 0o700), "src/sub/deep/c.txt": "c",
    "src/empty": ("dir", 0o711), "src/link": ("link", "a.txt"), "src/dirlink": ("link", "sub"), "src/dangling": ("link", "/nowhere/x"),
}
TWO = {"one.txt": "1", "two.txt": "22", "three.md": "333", ".dot.txt": "d"}
MEMBERS = [("./", "dir", "", 0o700, 7, 8), ("top.txt", "file", "top", 0o644, 12, 34), ("d/", "dir", "", 0o750, 5, 6),
           ("d/in.txt", "file", "in", 0o600, 5, 6), ("d/link", "link", "in.txt", 0o777, 5, 6), ("d/hard", "hard", "d/in.txt", 0o600, 5, 6),
           ("suid", "file", "s", 0o4755, 0, 0)]


def tar(members=None, compression=""):
    return ("tar", members or MEMBERS, compression)


CONFIG = [
    Case("every config instruction", "FROM base\nENV A=1 B=2\nLABEL l=1 m=\"two words\"\nEXPOSE 80 443/tcp 53/udp\nVOLUME /data /more\n"
         "VOLUME [\"/json\"]\nUSER 5:6\nSTOPSIGNAL SIGINT\nENTRYPOINT [\"/e\",\"x y\"]\nCMD [\"run\",\"me\"]\nWORKDIR /w\n"),
    Case("scratch has a path and a working directory", "FROM scratch\nCOPY f /f\nCMD [\"/f\"]\n", {"f": "x"}),
    Case("maintainer", "FROM base\nMAINTAINER Some One <a@b.example>\n"),
    Case("shell form of CMD and ENTRYPOINT", "FROM base\nENTRYPOINT exec top -b\nCMD echo $HOME  two\n"),
    Case("CMD survives an ENTRYPOINT after it", "FROM base\nCMD [\"a\"]\nENTRYPOINT [\"b\"]\n"),
    Case("ENTRYPOINT clears the inherited CMD", "FROM base\nENTRYPOINT [\"b\"]\n"),
    Case("empty CMD clears", "FROM base\nCMD []\n"),
    Case("empty ENTRYPOINT resets", "FROM base AS a\nENTRYPOINT [\"/x\"]\nFROM a\nENTRYPOINT []\nCMD [\"y\"]\n"),
    Case("single quotes are not JSON", "FROM base\nCMD ['a', 'b']\n"),
    Case("SHELL rules later shell forms", "FROM base\nSHELL [\"/bin/sh\",\"-e\",\"-c\"]\nRUN echo a > /f\nCMD x y\nENTRYPOINT z\n"),
    Case("health check with options", "FROM base\nHEALTHCHECK --interval=1m30s --timeout=500ms --start-period=2s --retries=4 CMD wget -q x || exit 1\n"),
    Case("health check as JSON", "FROM base\nHEALTHCHECK CMD [\"/bin/true\",\"x\"]\n"),
    Case("health check none", "FROM base\nHEALTHCHECK NONE\n"),
    Case("ONBUILD is stored unexpanded", "FROM base\nARG v=1\nONBUILD COPY . /src\nONBUILD RUN echo $v > /v\n"),
    Case("ONBUILD runs in the child", "FROM onbuild\nENV after=1\nRUN cat /built >> /seen\n", {"f": "x"}),
    Case("labels of base, file and command line", "FROM base AS a\nLABEL k=base only=base\nFROM a\nLABEL k=file f=1\n", args=("--label", "k=cli", "--label", "new=1")),
    Case("ENV keeps the order of definition", "FROM base\nENV Z=1\nENV A=2\nENV Z=3 M=4\n"),
    Case("old ENV form", "FROM base\nENV key value with  blanks \"quoted\"\nLABEL name some value\n"),
    Case("ENV sees what was before the line", "FROM base\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc\n"),
    Case("WORKDIR joins relative paths", "FROM base\nWORKDIR /a\nWORKDIR b\nWORKDIR ../c\nRUN pwd > /pwd\n"),
    Case("WORKDIR expands", "FROM base\nENV d=/x/y\nWORKDIR $d/z\nCOPY f .\n", {"f": "1"}),
    Case("WORKDIR on an existing directory", "FROM base\nWORKDIR /home/app\nCOPY f g\n", {"f": "1"}),
    Case("WORKDIR root makes no layer", "FROM base\nWORKDIR /\nCOPY f .\n", {"f": "1"}),
    Case("EXPOSE expands then splits", "FROM base\nARG ports=\"80 81/udp\"\nEXPOSE $ports 9000-9002\n"),
    Case("base config is inherited", "FROM onbuild AS x\nFROM base AS y\nENV a=1\nUSER app\nWORKDIR /home/app\nEXPOSE 1\nVOLUME /v\nLABEL z=1\nFROM y\nCOPY f f\n", {"f": "x"}),
    Case("html characters survive", "FROM base\nENV X=\"<a> & 'b'\"\nLABEL y=\"é <&> \\\"q\\\"\"\nCMD [\"<&>\"]\n"),
]

VARIABLES = [
    Case("ARG before FROM", "ARG b=base\nARG v=global\nFROM $b\nRUN echo \"[$v]\" > /before\nARG v\nRUN echo \"[$v]\" > /after\n"),
    Case("ARG default of the stage shadows the global one", "ARG v=global\nFROM base\nARG v=stage\nRUN echo $v > /v\n"),
    Case("build-arg wins over both", "ARG v=global\nFROM base\nARG v=stage\nRUN echo $v > /v\n", args=("--build-arg", "v=cli")),
    Case("default in FROM", "ARG b\nFROM ${b:-base}\nCOPY f /\n", {"f": "x"}),
    Case("blank base name", "ARG b\nFROM $b\n", fails=True),
    Case("ENV beats ARG", "FROM base\nARG v=arg\nENV v=env\nRUN echo $v > /v\nARG v=again\nRUN echo $v > /w\n", args=("--build-arg", "v=cli")),
    Case("ARG without a value leaves ENV", "FROM base\nENV v=env\nARG v\nRUN echo $v > /v\n"),
    Case("ARG is not in the config", "FROM base\nARG secretish=1\nENV kept=$secretish\n"),
    Case("ARGs of a stage reach its child", "FROM base AS a\nARG v=1\nENV e=$v\nFROM a\nRUN echo \"[$v][$e]\" > /v\n"),
    Case("modifiers", "FROM base\nENV e= s=set\nENV a=${u:-dash} b=${e:-dash} c=${s:-dash} d=${s:+plus} f=${u:+plus} g=${s} h=$s.x\n"),
    Case("nested modifiers", "FROM base\nENV s=in\nENV a=${u:-${v:-$s}} b=\"${u:-a b}\" c='$s'\n"),
    Case("escapes", "FROM base\nENV s=v\nENV a=\\$s b=\"\\$s\" c=x\\ y d=\"q\\\"q\" e='a\\b'\n"),
    Case("error modifier", "FROM base\nENV a=${missing:?must be set}\n", fails=True),
    Case("unclosed brace", "FROM base\nENV a=${x\n", fails=True),
    Case("predefined args are not in the history", "FROM base\nRUN echo \"$http_proxy\" > /p\n", args=("--build-arg", "http_proxy=http://u:p@h:1")),
    Case("platform args", "FROM --platform=$BUILDPLATFORM base\nARG TARGETOS\nARG TARGETARCH\nARG TARGETPLATFORM\nRUN echo $TARGETOS/$TARGETARCH $TARGETPLATFORM > /p\n"),
    Case("several ARGs on a line", "FROM base\nARG a=1 b=2 c\nRUN echo $a$b$c > /v\n"),
    Case("expansion in COPY, USER and LABEL", "FROM base\nARG u=app from=one.txt to=/dest/\nUSER $u\nCOPY --chown=$u ${from} $to\nLABEL \"of\"=$u v=\"$to\"\n", TWO),
]

PARSER = [
    Case("continuation and comments", "# a comment\nFROM base\nRUN echo a \\\n# in between \\\n   b \\\n\n   c > /f\n"),
    Case("trailing blanks after the backslash", "FROM base\nRUN echo a \\  \n  b > /f\n"),
    Case("escaped newline inside quotes", "FROM base\nENV a=\"b\\\nc\"\nLABEL x='1\\\n2'\n"),
    Case("escape directive", "# escape=`\nFROM base\nENV p=C:\\dir\nRUN echo a `\n b > /f\n"),
    Case("lower case", "from base as x\nenv a=1\nrun echo $a > /f\nfrom x\ncopy f /g\n", {"f": "x"}),
    Case("carriage returns", "FROM base\r\nENV a=1\r\nRUN echo $a > /f\r\n"),
    Case("tabs and leading blanks", "\tFROM\tbase\n  ENV\ta=1\n\tRUN\techo\tx > /f\n"),
    Case("byte order mark", "\ufeffFROM base\nENV a=1\n"),
    Case("quotes in RUN reach the shell", "FROM base\nRUN echo \"a  b\" 'c  d' e\\ f \\\"g > /f && echo \"<<EOF\" >> /f\n"),
    Case("exec form", "FROM base\nRUN [\"/bin/sh\", \"-c\", \"echo a > /f; echo $HOME >> /f\"]\n"),
    Case("bad JSON falls back to the shell", "FROM base\nRUN [ \"$(echo a)\" = a ] && echo ok > /f\n"),
    Case("unknown instruction", "FROM base\nRNU x\n", fails=True),
    Case("unknown flag", "FROM base\nCOPY --nope=1 a b\n", {"a": "x"}, fails=True),
    Case("no FROM", "RUN x\n", fails=True),
    Case("empty file", "\n# nothing\n", fails=True),
    Case("FROM with too many words", "FROM base a b c\n", fails=True),
    Case("COPY with one argument", "FROM base\nCOPY a\n", {"a": "x"}, fails=True),
    Case("bad stop signal", "FROM base\nSTOPSIGNAL\n", fails=True),
    Case("ONBUILD of ONBUILD", "FROM base\nONBUILD ONBUILD RUN x\n", fails=True),
    Case("stage named by a number", "FROM base AS 1x\n", fails=True),
]

COPY = [
    Case("a directory's contents", "FROM base\nCOPY src /dst\n", TREE),
    Case("into a directory with a slash", "FROM base\nCOPY src/ /opt/x/\n", TREE),
    Case("whole context", "FROM base\nCOPY . /ctx/\n", TREE),
    Case("a file by its new name", "FROM base\nCOPY src/a.txt /opt/new/name\n", TREE),
    Case("a file into an existing directory", "FROM base\nCOPY src/run.sh /opt\n", TREE),
    Case("several files", "FROM base\nCOPY one.txt two.txt three.md /d/\n", TWO),
    Case("several sources without a slash", "FROM base\nCOPY one.txt two.txt /nodir\n", TWO, ours_fails=True),
    Case("wildcards", "FROM base\nCOPY *.txt /a/\nCOPY t*.?? /b/\nCOPY [a-o]*.txt /c/\n", TWO),
    Case("wildcard over directories merges", "FROM base\nCOPY d*/ /all/\n", {"d1/x": "1", "d2/y": "2", "d2/x": "3"}),
    Case("wildcard in the middle", "FROM base\nCOPY p/*/f.txt /all/\n", {"p/a/f.txt": "1", "p/b/g.txt": "2"}),
    Case("wildcard that matches nothing", "FROM base\nCOPY one.txt nothing* /d/\n", TWO),
    Case("missing file", "FROM base\nCOPY gone /x\n", fails=True),
    Case("out of the context", "FROM base\nCOPY ../one.txt /x\n", TWO),
    Case("names with blanks", "FROM base\nCOPY [\"a b\", \"/c d/\"]\n", {"a b": "x"}),
    Case("over an existing directory keeps its mode", "FROM base\nCOPY src /tmp\nCOPY src /srv/strict\n", TREE),
    Case("nested directories take the mode of the source", "FROM base\nCOPY src /srv\n", {"src/strict/f": "1", "src/strict": ("dir", 0o711)}),
    Case("sticky bit is lost below", "FROM base\nCOPY rootfs /\n", {"rootfs/tmp/f": "1"}),
    Case("through a link in the destination", "FROM base\nCOPY f /var/run/sub/f\nCOPY f /var/run/\n", {"f": "x"}),
    Case("a link named as source is followed", "FROM base\nCOPY src/link /x\nCOPY src/dirlink /y/\n", TREE),
    Case("absolute links stay in the context", "FROM base\nCOPY l /x\n", {"l": ("link", "/real/f"), "real/f": "inside"}),
    Case("hard links", "FROM base\nCOPY h /h\n", {"h/a": "same", "h/b": ("hard", "h/a"), "h/sub/c": ("hard", "h/a")}),
    Case("file over directory", "FROM base\nCOPY f /srv/strict\nCOPY f /h/a/\nCOPY g /h\n", {"f": "x", "g/a": "not a directory"}, fails=True),
    Case("directory over file", "FROM base\nCOPY src /etc/passwd\n", TREE, fails=True),
    Case("file over file and link", "FROM base\nCOPY f /hard/one\nCOPY f /lnk\n", {"f": "new"}),
    Case("chown by number and name", "FROM base\nCOPY --chown=5 f /a\nCOPY --chown=5:6 f /b\nCOPY --chown=app f /c\nCOPY --chown=app:extra f /d\nCOPY --chown=:7 f /e\nCOPY --chown=app src /s/\n", {"f": "x", **TREE}),
    Case("chown makes owned parents", "FROM base\nCOPY --chown=app f /p/q/f\n", {"f": "x"}),
    Case("chmod", "FROM base\nCOPY --chmod=751 f /opt/f\nCOPY --chmod=0600 f g /opt/d/\n", {"f": "x", "g": "y"}, ignore=("opt/d",)),
    Case("chmod of directories", "FROM base\nCOPY --chmod=640 src /s\n", TREE, ignore=("s",)),
    Case("chown by an unknown name", "FROM base\nCOPY --chown=nobodyknows f /a\n", {"f": "x"}, ours_fails=True),
    Case("USER does not own what COPY brings", "FROM base\nUSER app\nCOPY f /home/app/\nWORKDIR /w\nCOPY f .\n", {"f": "x"}),
    Case("modes of the context", "FROM base\nCOPY . /c/\n", {"suid": ("file", "x", 0o4755), "gw": ("file", "x", 0o664), "t": ("dir", 0o1777), "t/n": ("file", "x", 0o000)}),
    Case("special files", "FROM base\nCOPY d /d\n", {"d/pipe": ("fifo", 0o640), "d/f": "x"}, ignore=("d/pipe",)),
    Case("long and strange names", "FROM base\nCOPY d /d\n", {"d/" + "n" * 200: "long", "d/" + "/".join(["p" * 60] * 4): "deep", "d/new\nline": "x", "d/é": "x", "d/b\udcff": "x"}),
    Case("empty directory alone", "FROM base\nCOPY e /e\nCOPY e /f/\n", {"e": ("dir", 0o700)}),
    Case("dot and dot slash", "FROM base\nWORKDIR /w\nCOPY ./src/./a.txt .\nCOPY src/../src/run.sh ./x/../y\nCOPY src/sub ./\n", TREE),
    Case("same file twice makes two layers", "FROM base\nCOPY f /f\nCOPY f /f\n", {"f": "x"}),
    Case("empty context directory", "FROM base\nCOPY . /new/\n"),
]

IGNORE = [
    Case("patterns", "FROM base\nCOPY . /c/\n", {**TREE, ".dockerignore": "src/sub\n*.md\n", "x.md": "1", "y/x.md": "2"}),
    Case("double star and exception", "FROM base\nCOPY . /c/\n", {**TWO, ".dockerignore": "**/*.txt\n!two.txt\n!**/keep.txt\n", "a/b/keep.txt": "k", "a/b/lose.txt": "l"}),
    Case("all but some", "FROM base\nCOPY . /c/\n", {**TREE, ".dockerignore": "*\n!src/sub/deep\n"}),
    Case("ignored source", "FROM base\nCOPY one.txt /c/\n", {**TWO, ".dockerignore": "one.txt\n"}, fails=True),
    Case("comment, slash and blanks", "FROM base\nCOPY . /c/\n", {**TWO, ".dockerignore": "# no\n\n  /one.txt  \n./three.md\n"}),
]

ADD = [
    Case("local tar", "FROM base\nADD t.tar /t\n", {"t.tar": tar()}),
    Case("gzip", "FROM base\nADD t.tgz /t/\n", {"t.tgz": tar(compression="gz")}),
    Case("bzip2", "FROM base\nADD t.tar.bz2 /t/\n", {"t.tar.bz2": tar(compression="bz2")}),
    Case("xz", "FROM base\nADD t.tar.xz /t/\n", {"t.tar.xz": tar(compression="xz")}),
    Case("tar by content, not by name", "FROM base\nADD plain /t/\n", {"plain": tar()}),
    Case("not a tar", "FROM base\nADD f.tar.gz /t/\nADD src /s\n", {"f.tar.gz": "plain text", **TREE}),
    Case("tar with chown", "FROM base\nADD --chown=app t.tar /t/\n", {"t.tar": tar()}, ignore=("t",)),
    Case("tar and file together", "FROM base\nADD t.tar one.txt /t/\n", {"t.tar": tar(), **TWO}),
    Case("COPY keeps a tar a file", "FROM base\nCOPY t.tar /t/\n", {"t.tar": tar()}),
    Case("tar over the root", "FROM base\nADD t.tar /\n", {"t.tar": tar([("etc/", "dir", "", 0o700, 0, 0), ("etc/new", "file", "n", 0o600, 0, 0)])}),
    Case("whiteout name in the context", "FROM base\nCOPY .wh.x /\n", {".wh.x": "x"}, ours_fails=True),
]

RUN = [
    Case("create, change, remove", "FROM base\nRUN echo new > /new && echo more >> /etc/passwd && rm /hard/one && rm -r /srv/strict\n"),
    Case("directory removed and made again", "FROM base\nRUN rm -r /srv && mkdir /srv && echo x > /srv/only\n"),
    Case("directory becomes a file", "FROM base\nRUN rm -r /srv && echo x > /srv\n"),
    Case("file becomes a directory", "FROM base\nRUN rm /lnk && mkdir -p /lnk/sub\n"),
    Case("made and removed", "FROM base\nRUN mkdir -p /x/y && touch /x/y/z && rm -r /x\n"),
    Case("nothing changed", "FROM base\nRUN true\nRUN cat /etc/passwd\n"),
    Case("chmod and chown", "FROM base\nRUN chmod 4750 /bin/busybox && chown -R 5:6 /home && chmod 700 /srv\n"),
    Case("links and pipes", "FROM base\nRUN ln -s /nowhere /dangling && ln /etc/passwd /etc/passwd2 && mkfifo -m 600 /pipe && ln -s ../x /srv/up\n"),
    Case("hard link to a lower file", "FROM base\nRUN ln /etc/group /group\nRUN echo x >> /group\n"),
    Case("rename", "FROM base\nRUN mv /etc/group /etc/group.new && mv /srv /moved\n"),
    Case("environment", "FROM base\nENV E=1\nARG A=2\nUSER app\nRUN echo $E $A $HOME $PATH $(id -u):$(id -g) $(id -G) $PWD > /tmp/e\n"),
    Case("numeric user", "FROM base\nUSER 1234\nRUN id -u > /tmp/u; id -g >> /tmp/u; echo $HOME >> /tmp/u\nUSER 7:8\nRUN id -u > /tmp/v; id -g >> /tmp/v\n"),
    Case("unknown user", "FROM base\nUSER whoever\nRUN true\n", fails=True),
    Case("failing command", "FROM base\nRUN exit 3\n", fails=True),
    Case("program that is not there", "FROM base\nRUN [\"/no/such\"]\n", fails=True),
    Case("umask and sticky directory", "FROM base\nRUN umask; umask 077; echo x > /tmp/private; mkdir /tmp/d\n"),
    Case("bind mount from the context", "FROM base\nRUN --mount=type=bind,target=/ctx cp /ctx/one.txt /got && ls /ctx > /list\n", TWO, ignore=("ctx",)),
    Case("bind mount from a stage", "FROM base AS s\nRUN echo made > /made\nFROM base\nRUN --mount=type=bind,from=s,source=/made,target=/m cat /m > /got\n"),
    Case("writes to a bind mount are dropped", "FROM base\nRUN --mount=type=bind,target=/ctx,rw echo x > /ctx/new && ls /ctx > /list\nRUN --mount=target=/ctx ls /ctx > /list2\n", TWO, ignore=("ctx",)),
    Case("cache mount", "FROM base\nRUN --mount=type=cache,target=/cache echo 1 > /cache/f\nRUN --mount=type=cache,target=/cache cat /cache/f > /got\n", ignore=("cache",)),
    Case("tmpfs mount", "FROM base\nRUN --mount=type=tmpfs,target=/t echo 1 > /t/f && cat /t/f > /got\n", ignore=("t",)),
    Case("secret mount", "FROM base\nRUN --mount=type=secret,id=s cat /run/secrets/s | wc -c > /got; ls -l /run/secrets/s | cut -c1-10 >> /got\n", {"s": "hidden"}, args=("--secret", "id=s,src=@s"), ignore=("run/secrets",)),
    Case("missing optional secret", "FROM base\nRUN --mount=type=secret,id=gone test ! -e /run/secrets/gone && echo ok > /got\n"),
    Case("mount over what is there", "FROM base\nRUN --mount=type=tmpfs,target=/srv ls /srv > /list\n"),
    Case("no proc, no dev left", "FROM scratch AS s\nCOPY --from=base / /\nFROM s\nRUN echo x > /f\n"),
    Case("base without dev, proc and sys", "FROM base AS full\nFROM scratch\nCOPY --from=full /bin /bin\nRUN echo x > /f\n", ignore=("dev", "proc", "sys", "etc")),
    Case("capabilities", "FROM base\nRUN grep Cap /proc/self/status > /caps; grep -E 'NoNewPrivs|Seccomp:' /proc/self/status >> /caps\n"),
]

STAGES = [
    Case("copy from a stage by name and number", "FROM base AS one\nRUN echo 1 > /f && chown 5:6 /f\nFROM base\nRUN echo 2 > /g\nFROM base\nCOPY --from=one /f /a\nCOPY --from=1 /g /b\n"),
    Case("copy from an image", "FROM scratch\nCOPY --from=base /etc/passwd /p\nCOPY --from=base /hard /h/\n"),
    Case("copy through links of the stage", "FROM scratch\nCOPY --from=base /var/run/thing /a\nCOPY --from=base /lnk /b\nCOPY --from=base /var/ /v/\n"),
    Case("copy from keeps owners and modes", "FROM base AS s\nRUN mkdir -p /o && echo x > /o/f && chown -R 5:6 /o && chmod 2750 /o && chmod 600 /o/f\nFROM scratch\nCOPY --from=s /o /p\nCOPY --from=s --chown=9:9 /o /q\n"),
    Case("target", "FROM base AS a\nENV a=1\nFROM nonsense AS b\nRUN false\nFROM base AS c\nENV c=1\n", args=("--target", "a")),
    Case("target is not case sensitive", "FROM base AS Aaa\nENV a=1\nFROM base\n", args=("--target", "aAA")),
    Case("unknown target", "FROM base AS a\n", args=("--target", "zzz"), fails=True),
    Case("stage on a stage", "FROM base AS a\nENV x=1\nCMD [\"a\"]\nWORKDIR /w\nFROM a AS b\nRUN pwd > p\nFROM b\nENV y=$x\n"),
    Case("stage hides an image", "FROM scratch AS base\nCOPY f /f\nFROM base\nENV a=1\n", {"f": "x"}),
    Case("later stage", "FROM base AS first\nCOPY --from=late /x /x\nFROM base AS late\n", args=("--target", "first"), fails=True),
    Case("ignore file does not touch a stage", "FROM base AS s\nRUN mkdir /d && echo x > /d/one.txt\nFROM base\nCOPY --from=s /d /d\n", {**TWO, ".dockerignore": "**/one.txt\n"}),
    Case("ONBUILD with COPY from and ARG", "FROM base AS parent\nARG v=parent\nONBUILD ARG w=dflt\nONBUILD RUN echo $w > /w\nFROM parent\nARG w=late\nRUN echo $w > /x\n"),
]

CASES = CONFIG + VARIABLES + PARSER + COPY + IGNORE + ADD + RUN + STAGES
