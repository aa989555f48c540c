#!/usr/bin/env python3
"""Each header compiles alone (through a one-line stub)."""
import subprocess

from common import ROOT, files, finish

flags = subprocess.run(["pkg-config", "--cflags", "jansson"], capture_output=True, text=True, check=True).stdout.split()
problems = []
for path in files(".h", under=("src",)):
    name = path.relative_to(ROOT / "src")
    stub = f'#include "{name}"\n'
    done = subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-I",
                           str(ROOT / "src"), *flags, "-"], input=stub, capture_output=True, text=True, check=False)
    if done.returncode:
        problems.append(f"src/{name}: does not compile alone\n{done.stderr}")
finish(problems)
