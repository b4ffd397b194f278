"""A look at a folder of images, as each `dvc repro` takes one, against reading its files.

    python -m benchmarks.source_look [--files 100000] [--bytes 1000]

The files are made first, in a temporary folder; real images are larger, so the other side is slower
by as much.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.host.folders import file_digest
from pipelines.intake.look import glance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--bytes", type=int, default=1000, help="of each file")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder)
        for number in range(asked.files):
            (images / f"{number:012d}.jpg").write_bytes(bytes(asked.bytes))
        look = min(seconds(lambda: glance(images)) for _ in range(3))
        read = seconds(lambda: [file_digest(path) for path in images.iterdir()])
    told = f"look {look:.2f} s, sha256 of all {read:.2f} s, ratio {read / look:.1f}"
    print(f"{asked.files:,} files of {asked.bytes:,} bytes: {told}")


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
