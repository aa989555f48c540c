#!/usr/bin/env python3
"""No file past 900 lines; no function past 120 lines or complexity 25 (pmccabe)."""
from common import ROOT, files, finish, output

MAX_FILE, MAX_FUNCTION, MAX_COMPLEXITY = 900, 120, 25
problems = []
sources = files(".c", ".cc", ".h", ".py", under=("src", "tests", "tools", "bench"))
for path in sources:
    lines = path.read_text(errors="replace").count("\n")
    if lines > MAX_FILE:
        problems.append(f"{path.relative_to(ROOT)}: {lines} lines (at most {MAX_FILE})")
# the sum that `pmccabe -c` would give is not wanted: one line a function
listing = output("pmccabe", *[str(p) for p in files(".c", under=("src",))])
for line in listing.stdout.splitlines():
    fields = line.split("\t")
    complexity, length, place = int(fields[1]), int(fields[4]), fields[5]
    place = place.replace(str(ROOT) + "/", "")
    if length > MAX_FUNCTION:
        problems.append(f"{place}: {length} lines (at most {MAX_FUNCTION})")
    if complexity > MAX_COMPLEXITY:
        problems.append(f"{place}: complexity {complexity} (at most {MAX_COMPLEXITY})")
if listing.returncode:
    problems.append(f"pmccabe: {listing.stderr.strip()}")
finish(problems)
