"""Many small images to a store and from it to a node: as shards, against one object each.

    python -m benchmarks.shards [--files 2000] [--bytes 30000] [--rounds 3] [--store ADDRESS]

Without --store against `rclone serve s3`, a server of its own on this machine, at no distance:
where each request takes its way over a network, one object each is slower by as much. What comes
back is compared with what was sent.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.source_look import seconds
from pipelines.store.opening import open_store
from pipelines.store.parcels import bring, send
from pipelines.store.shards import Member, bring_shards, send_shards
from pipelines.store.store import Store
from tests.worlds.s3_servers import BUCKET, plain_client, served, variables

MIB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--bytes", type=int, default=30_000, help="of each file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", help="a store's address; left out: a server of its own")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, store_for(asked.store, Path(folder)) as store:
        files = made_files(Path(folder) / "images", asked.files, asked.bytes)
        rounds = [measured(store, files, Path(folder), n) for n in range(asked.rounds)]
    size = asked.files * asked.bytes / MIB
    print(f"{asked.files:,} files of {asked.bytes:,} bytes, {size:.0f} MiB, {store.address}")
    for part in ("send", "bring"):
        shards, objects = (
            [each[f"{part} {way}"] for each in rounds] for way in ("shards", "objects")
        )
        ratios = [two / one for one, two in zip(shards, objects, strict=True)]
        told = ", ".join(f"{ratio:.1f}" for ratio in ratios)
        pace = (
            f"{size / min(shards):.0f} MiB/s as shards, {size / min(objects):.0f} one object each"
        )
        print(f"{part}: {pace}, ratio {statistics.median(ratios):.1f} ({told})")


@contextmanager
def store_for(address: str | None, folder: Path) -> Iterator[Store]:
    if address:
        yield open_store(address)
        return
    with served("rclone", folder / "buckets") as server:
        os.environ |= variables(server)
        plain_client(server).create_bucket(Bucket=BUCKET)
        yield open_store(f"s3://{BUCKET}/benchmark")


def made_files(folder: Path, count: int, size: int) -> dict[str, Path]:
    """{name: file}, of random bytes, as a JPEG's are."""
    folder.mkdir(parents=True)
    files = {f"{number:012d}.jpg": folder / f"{number:012d}.jpg" for number in range(count)}
    for number, path in enumerate(files.values()):
        path.write_bytes(random.Random(number).randbytes(size))
    return files


def measured(
    store: Store, files: Mapping[str, Path], folder: Path, number: int
) -> dict[str, float]:
    """Seconds of each part; what came back is what was sent. Taking turns, who is first changes."""
    members = {name: Member(path) for name, path in files.items()}
    work = folder / "work"
    ways: dict[str, tuple[Callable[[str], None], Callable[[Store, str, Path], None]]] = {
        "shards": (lambda name: send_shards(store, name, members, work), bring_shards),
        "objects": (lambda name: send(store, name, files), bring),
    }
    found = {}
    for way, (there, back) in sorted(ways.items(), reverse=number % 2 == 1):
        name, target = f"{way}-{number}", folder / f"node-{way}"
        found[f"send {way}"] = seconds(lambda name=name, there=there: there(name))
        found[f"bring {way}"] = seconds(
            lambda name=name, target=target, back=back: back(store, name, target)
        )
        for inner, path in files.items():
            assert (target / inner).read_bytes() == path.read_bytes(), inner
        shutil.rmtree(target)
        for inner in store.names(f"{name}/"):
            store.remove(inner)
    return found


if __name__ == "__main__":
    main()
