#!/usr/bin/env python3
"""Dependencies between folders run downward only, and each third-party header has one home."""
import re

from common import ROOT, files, finish

USES = {
    "base": set(),
    "sys": {"base"},
    "archive": {"base"},
    "oci": {"base"},
    "dockerfile": {"base"},
    "store": {"base", "sys", "oci"},
    "layer": {"base", "sys", "archive", "oci"},
    "registry": {"base", "sys", "oci"},
    "sandbox": {"base", "sys"},
    "image": {"base", "sys", "archive", "oci", "store", "layer", "registry"},
    "build": {"base", "sys", "archive", "oci", "dockerfile", "store", "layer", "registry", "sandbox", "image"},
    "serve": {"base", "sys", "archive", "oci", "store", "layer", "registry", "image"},
    "cli": {"base", "sys", "archive", "oci", "dockerfile", "store", "layer", "registry", "sandbox", "image", "build", "serve"},
}
HOMES = {
    r"openssl/": {"base"},
    r"jansson\.h": {"base"},
    r"libdeflate\.h|isa-l|igzip_lib\.h|zstd\.h|archive\.h|archive_entry\.h": {"archive"},
    r"seccomp\.h|sys/capability\.h": {"sandbox"},
    r"curl/": {"registry"},
    r"microhttpd\.h": {"serve"},
    r"toml\+\+/": {"registry"},
}

problems = []
for path in files(".c", ".cc", ".h", under=("src",)):
    folder = path.relative_to(ROOT / "src").parts[0]
    if folder not in USES:
        problems.append(f"{path.relative_to(ROOT)}: folder '{folder}' is not in the table of tools/check/layers.py")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.relative_to(ROOT)}:{number}"
        own = re.match(r'#include "(\w+)/([\w.]+)"', line)
        if own and own[1] != folder and own[1] not in USES[folder]:
            problems.append(f"{where}: {folder} may not use {own[1]}")
        if own and own[1] != folder and own[2].endswith("_int.h"):
            problems.append(f"{where}: {own[2]} is private to {own[1]}")
        if re.match(r'#include "[^/]*"$', line):
            problems.append(f"{where}: include by folder path")
        system = re.match(r"#include <(.+)>", line)
        for pattern, homes in HOMES.items():
            if system and re.match(pattern, system[1]) and folder not in homes:
                problems.append(f"{where}: <{system[1]}> belongs to {', '.join(homes)}")
names = {}
for path in files(".c", ".cc", ".h", under=("src",)):
    if path.name in names:
        problems.append(f"{path.relative_to(ROOT)}: the name is taken by {names[path.name]}")
    names[path.name] = path.relative_to(ROOT)
finish(problems)
