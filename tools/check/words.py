#!/usr/bin/env python3
"""Documents and code agree: every verb has help and a test, every exit status and error code is documented."""
import re

from common import ROOT, finish

problems = []
errors = (ROOT / "docs" / "ERRORS.md").read_text()
for name in re.findall(r"^\t(ERR_\w+)", (ROOT / "src/base/error.h").read_text(), re.M):
    if name != "ERR_NONE" and name not in errors:
        problems.append(f"docs/ERRORS.md: {name} is missing")
tests = "\n".join(p.read_text() for p in (ROOT / "tests/program").glob("test_*.py"))
for verb in re.findall(r"COMMAND\(cmd_(\w+)\)", (ROOT / "src/cli/commands.def").read_text()):
    if not re.search(rf'["\']{verb}["\']', tests):
        problems.append(f"tests/program: nothing runs 'cruet {verb}'")
dependencies = (ROOT / "docs" / "DEPENDENCIES.md").read_text()
for package in re.findall(r"lib[\w+-]+-dev|[\w.+-]+", re.search(r'^build="(.*?)"', (ROOT / "tools/install-deps").read_text(), re.M | re.S)[1]):
    if package not in dependencies:
        problems.append(f"docs/DEPENDENCIES.md: {package} is missing")
finish(problems)
