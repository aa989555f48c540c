#!/usr/bin/env python3
"""Functions that base/str.h and sys/ replace, and comments for uncommitted debugging."""
import re

from common import ROOT, files, finish

BANNED = ("strcpy", "strcat", "strncpy", "strncat", "sprintf", "vsprintf", "strtok", "strtok_r", "atoi", "atol",
          "strtol", "strtoul", "strtoll", "strtoull", "sscanf", "fscanf", "gmtime", "localtime", "mktemp", "tmpnam",
          "gets", "system", "popen")
pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
problems = []
for path in files(".c", ".cc", ".h", under=("src",)):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"), path.read_text(), flags=re.S)
    for number, line in enumerate(text.splitlines(), 1):
        code = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        found = pattern.search(code)
        if found:
            problems.append(f"{path.relative_to(ROOT)}:{number}: {found[1]}() is banned")
        if "//" in code:
            problems.append(f"{path.relative_to(ROOT)}:{number}: // is for uncommitted debugging")
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            problems.append(f"{path.relative_to(ROOT)}:{number}: left open")
finish(problems)
