#!/usr/bin/env python3
"""Takes what fuzzing found into the corpora of the repository: corpus.py TOOLS [TARGET...].

Of all inputs those stay that cover most of the program together, as many as a test replays in little
time. An input whose name is no hash was put there by somebody, and stays.
"""

import hashlib
import heapq
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TARGETS = ["canonical_request", "log_record", "profile_document"]
MAX_FILES = 250
MAX_BYTES = 200_000
FUZZ = Path(__file__).resolve().parent.parent / "fuzz"


def covered(tools, target, folders):
    """Runs all inputs and returns what each of them covers."""
    with tempfile.TemporaryDirectory() as scratch:
        control = Path(scratch, "control")
        merged = Path(scratch, "merged")
        merged.mkdir()
        command = [tools / "bin/cargo-fuzz", "run", "--sanitizer", "none", target, merged, *folders]
        command += ["--", "-merge=1", "-set_cover_merge=1", "-use_counters=0", f"-merge_control_file={control}"]
        environment = dict(os.environ, RUSTC_BOOTSTRAP="1")
        subprocess.run(command, cwd=FUZZ, env=environment, check=True, stderr=subprocess.DEVNULL)
        lines = control.read_text().splitlines()
    count = int(lines[0])
    names = lines[2 : 2 + count]
    features = {}
    for line in lines[2 + count :]:
        kind, number, *found = line.split()
        if kind == "FT":
            features[FUZZ / names[int(number)]] = frozenset(found)
    if len(features) < count // 2:
        sys.exit(f"{target}: only {len(features)} of {count} inputs could be run; the corpus stays as it is")
    return features


def chosen(features):
    """Yields inputs, at each step the one that adds most to what is covered."""
    done = set()
    by_hand = [path for path in features if not re.fullmatch("[0-9a-f]{16}|[0-9a-f]{40}", path.name)]
    for path in sorted(by_hand):
        done |= features[path]
        yield path
    heap = [(-len(found), path) for path, found in features.items() if path not in by_hand]
    heapq.heapify(heap)
    while heap:
        _, path = heapq.heappop(heap)
        gain = len(features[path] - done)
        if gain and heap and -heap[0][0] > gain:
            heapq.heappush(heap, (-gain, path))
        elif gain:
            done |= features[path]
            yield path


def main(tools, targets):
    for target in targets:
        corpus = FUZZ / "corpus" / target
        folders = [folder for folder in (tools / "corpus" / target, corpus) if folder.is_dir()]
        features = covered(tools, target, folders)
        kept, size = {}, 0
        for path in chosen(features):
            content = path.read_bytes()
            if len(kept) == MAX_FILES or size + len(content) > MAX_BYTES:
                continue
            size += len(content)
            is_hash = re.fullmatch("[0-9a-f]{16,40}", path.name)
            name = hashlib.sha256(content).hexdigest()[:16] if is_hash else path.name
            kept[name] = content
        shutil.rmtree(corpus)
        corpus.mkdir()
        for name, content in kept.items():
            (corpus / name).write_bytes(content)
        print(f"{target}: {len(kept)} of {len(features)} inputs")


main(Path(sys.argv[1]).resolve(), sys.argv[2:] or TARGETS)
