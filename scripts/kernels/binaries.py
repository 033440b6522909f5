#!/usr/bin/python3
"""Copies the test programs that virtual machines run to a stage, and prints nextest's list of them.

Usage: cargo nextest list --list-type binaries-only --message-format json | binaries.py STAGE
"""

import json
import os
import shutil
import sys

# Whose integration tests ask the kernel, but for these: they gain nothing from another one.
PACKAGES = ("latchkey-intercept::", "latchkey-lab::")
LEFT_OUT = {"latchkey-lab::lab", "latchkey-lab::structure"}

stage = sys.argv[1]
tests = json.load(sys.stdin)
tests["rust-binaries"] = {
    name: binary
    for name, binary in tests["rust-binaries"].items()
    if binary["kind"] == "test" and name.startswith(PACKAGES) and name not in LEFT_OUT
}
if not tests["rust-binaries"]:
    sys.exit("kernels: there are no tests to run")
for binary in tests["rust-binaries"].values():
    path = binary["binary-path"]
    os.makedirs(stage + os.path.dirname(path), exist_ok=True)
    shutil.copy2(path, stage + path)
json.dump(tests, sys.stdout)
