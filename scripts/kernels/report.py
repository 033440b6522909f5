#!/usr/bin/python3
"""Tells what came of the tests on each kernel: a table, FOLDER/results.json, and a page of the docs.

Usage: report.py FOLDER PAGE RELEASE...   exits with 1 unless every test passed on every kernel
"""

import json
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

# What a kernel may lack, as machine.sh names it, and what is done without it.
FEATURES = {
    "tcx": "guard on network devices attached by tcx; without it by clsact",
    "clsact": "guard on network devices where tcx is missing",
    "sock_send_length": "tracepoint of what is sent over a socket",
    "sched_process_exec": "what is executed is captured when it is executed",
    "io_uring": "way round that is tried",
    "mptcp": "way round that is tried",
    "sctp": "way round that is tried",
    "ipvlan": "way round that is tried",
    "vlan": "way round that is tried",
}

PAGE = """# Kernels

Written by `make test-kernels`, which boots each kernel in a virtual machine without a network device
and runs the kernel programs' own tests, a smoke set of the end-to-end tests, and the agent with its
default configuration on the machine's root control group. Do not edit by hand.

| kernel | package | accelerator | passed | failed |
|---|---|---|---|---|
{kernels}

## What ran

| test program | {names} |
|---|{rule}|
{programs}
{failed}
## What the kernels have

| feature | what it is for | {names} |
|---|---|{rule}|
{features}
"""


def read(path):
    return path.read_text().strip() if path.exists() else ""


def result(folder, release):
    """What one machine has left behind; a machine that was cut off leaves little."""
    results = folder / release / "results"
    facts = dict(line.split(" ", 1) for line in read(results / "kernel").splitlines() if " " in line)
    accelerator, seconds = read(results / "took").split()
    passed, failed = {}, []
    if (results / "junit.xml").exists():
        for suite in xml.parse(results / "junit.xml").getroot().iter("testsuite"):
            for case in suite.iter("testcase"):
                if case.find("failure") is None and case.find("error") is None:
                    passed[suite.get("name")] = passed.get(suite.get("name"), 0) + 1
                else:
                    failed.append(f"{suite.get('name')} {case.get('name')}")
    status = read(results / "status.json")
    return {
        "release": release,
        "kernel": facts.pop("kernel", "did not come up"),
        "package": read(results / "package"),
        "accelerator": accelerator,
        "seconds": int(seconds),
        "passed": passed,
        "failed": failed,
        # Nothing but a run that ended by itself and had something to run is a success.
        "complete": read(results / "exit") == "0" and bool(passed) and not failed,
        "features": facts,
        "status": json.loads(status) if status else None,
    }


def table(rows):
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def page(results):
    programs = sorted({name for found in results for name in found["passed"]})
    failed = [f"- {found['kernel']}: `{name}`" for found in results for name in found["failed"]]
    return PAGE.format(
        names=" | ".join(found["kernel"] for found in results),
        rule="|".join("---" for _ in results),
        kernels=table(
            (found["kernel"], f"`{found['package']}`", found["accelerator"],
             sum(found["passed"].values()), len(found["failed"]))
            for found in results
        ),
        programs=table(
            [f"`{name}`"] + [found["passed"].get(name, 0) for found in results] for name in programs
        ),
        failed="\nFailed:\n\n" + "\n".join(failed) + "\n" if failed else "",
        features=table(
            [name, purpose] + [found["features"].get(name, "unknown") for found in results]
            for name, purpose in FEATURES.items()
        ),
    )


def main():
    folder, target, releases = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    results = [result(folder, release) for release in releases]
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(results))
    print(f"{'kernel':<32} {'by':<5} {'passed':>6} {'failed':>6} {'time':>7}")
    for found in results:
        note = "" if found["complete"] else f"  <- see {folder / found['release']}"
        passed, failed = sum(found["passed"].values()), len(found["failed"])
        print(f"{found['kernel']:<32} {found['accelerator']:<5} {passed:>6} {failed:>6}"
              f" {found['seconds']:>5} s{note}")
        for name in found["failed"]:
            print(f"  failed: {name}")
    return 0 if all(found["complete"] for found in results) else 1


sys.exit(main())
