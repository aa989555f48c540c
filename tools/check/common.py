"""Files of the tree that the checks look at."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def files(*suffixes, under=("src", "tests")):
    """Tracked and new files below the folders, sorted; works without git too."""
    found = []
    for folder in under:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                found.append(path)
    return found


def finish(problems):
    for line in problems:
        print(line)
    sys.exit(1 if problems else 0)


def output(*argv, **kw):
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, **kw)
