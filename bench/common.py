"""What the scripts here share."""
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "program"))

CRUET = os.environ.get("CRUET", str(ROOT / "build" / "cruet"))
SHARED = pathlib.Path(os.environ.get("CRUET_SHARED", ROOT.parent / "shared"))


def run(argv, env=None, check=True):
    """Seconds of wall time."""
    start = time.monotonic()
    done = subprocess.run(list(map(str, argv)), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    seconds = time.monotonic() - start
    if check and done.returncode:
        sys.exit(f"{argv}: {done.returncode}\n{done.stderr.decode(errors='replace')[-3000:]}")
    return seconds


def shown(seconds):
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def put(path, marker, table):
    """Between <!-- marker --> and <!-- /marker -->."""
    text = path.read_text()
    new = re.sub(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", lambda m: m.group(1) + table + m.group(2), text, flags=re.S)
    path.write_text(new)
