#!/usr/bin/env python3
"""clang-format decides how C looks (.clang-format; version 14 of Debian 12)."""
from common import ROOT, files, finish, output

problems = []
done = output("clang-format", "--dry-run", "-Werror", *[str(p) for p in files(".c", ".h")])
if done.returncode:
    seen = sorted({line.split(":")[0].replace(str(ROOT) + "/", "") for line in done.stderr.splitlines() if ": error:" in line})
    problems = [f"{name}: not formatted (clang-format -i {name})" for name in seen] or [done.stderr]
finish(problems)
