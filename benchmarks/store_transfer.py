"""Files to an S3 server on this machine and back, verified, against plain boto3 in the same run.

    python -m benchmarks.store_transfer [--mib 512] [--files 200] [--rounds 3]

The server is `rclone serve s3`, a process on the same cores. One large file (a checkpoint)
and many middle ones (1 MiB, as shards of images), 8 at a time. The other side is `upload_file` and
`download_file` with their defaults, which compare no digest.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelines.store.opening import open_store
from pipelines.store.s3 import s3_client
from tests.worlds.s3_servers import BUCKET, plain_client, served, variables

MIB = 1 << 20
AT_ONCE = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=512, help="of the large file")
    parser.add_argument("--files", type=int, default=200, help="of 1 MiB each")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, served("rclone", Path(name) / "buckets") as address:
        folder = Path(name)
        os.environ.update(variables(address))
        plain_client(address).create_bucket(Bucket=BUCKET)
        large = made(folder, {"large": asked.mib * MIB})
        middle = made(folder, {f"middle{n}": MIB for n in range(asked.files)})
        tell(f"one file of {asked.mib} MiB", large, asked.rounds)
        tell(f"{asked.files} files of 1 MiB", middle, asked.rounds)


def made(folder: Path, sizes: dict[str, int]) -> list[Path]:
    for name, size in sizes.items():
        (folder / name).write_bytes(os.urandom(size))
    return [folder / name for name in sizes]


def tell(what: str, paths: list[Path], rounds: int) -> None:
    """Medians; in each round both sides take turns."""
    mib = sum(path.stat().st_size for path in paths) / MIB
    ways = {"up": (send, plain_send), "down": (fetch, plain_fetch)}
    for way, sides in ways.items():
        taken = [[seconds(each, paths) for each in sides] for _ in range(rounds)]
        ours, plain = (statistics.median(side) for side in zip(*taken, strict=True))
        ratio = statistics.median(plain / ours for ours, plain in taken)
        speeds = f"{mib / ours:.0f} MiB/s, plain {mib / plain:.0f}"
        print(f"{what} {way}: {speeds}, ratio {ratio:.2f}", flush=True)


def seconds(move: Callable[[Path], None], paths: Iterable[Path]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(move, paths))
    return time.perf_counter() - started


def send(path: Path) -> None:
    open_store(f"s3://{BUCKET}/ours").put(path, path.name)


def plain_send(path: Path) -> None:
    s3_client().upload_file(str(path), BUCKET, f"plain/{path.name}")


def fetch(path: Path) -> None:
    """The digest is one that a manifest would tell: what it costs to know is no part of it."""
    target, size = path.with_suffix(".ours"), path.stat().st_size
    open_store(f"s3://{BUCKET}/ours").get(path.name, target, size=size, sha256=digest(path))
    target.unlink()


def plain_fetch(path: Path) -> None:
    target = path.with_suffix(".plain")
    s3_client().download_file(BUCKET, f"plain/{path.name}", str(target))
    target.unlink()


KNOWN: dict[Path, str] = {}


def digest(path: Path) -> str:
    if path not in KNOWN:
        KNOWN[path] = hashlib.sha256(path.read_bytes()).hexdigest()
    return KNOWN[path]


if __name__ == "__main__":
    main()
