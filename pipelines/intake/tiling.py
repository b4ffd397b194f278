"""A prepared split's photos in, pieces of them out: one packed file, of which training reads parts.

All cores cut; what was cut before an interruption is kept, photo by photo, while the photos are the
same. Pieces decide nothing: without them training reads the photos, to the same samples.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from data.feeds.image_people import ImagePeople
from data.feeds.worker import end_with_parent
from data.files.images import AS_SEEN
from data.files.table import Table, write_table
from data.files.tiles import COLUMNS, Layout, tile_files
from data.ground.refusal import refusal
from pipelines.host.one_writer import one_writer
from pipelines.host.progress import Tally, duration
from pipelines.host.writable import writable
from pipelines.intake.cutting import Cut, cut_file

FEW = 500  # photos, below which processes cost more than they save, and nothing is foretold
TRIED = 24  # photos that say beforehand how long all take, and how large they become
AT_ONCE = 16
_RECORD = np.dtype([(name, np.int64) for name in COLUMNS])


class Pieces(NamedTuple):
    """A split in pieces: photos that lie in pieces, of how many; bytes; a digest of all of it."""

    photos: int
    of: int
    bytes: int
    digest: str


class _Photos(NamedTuple):
    """What is to be cut: rows of the images' table, crc32 and path of each."""

    rows: np.ndarray
    crc32: np.ndarray
    paths: Sequence[str]


def write_tiles(
    folder: Path, prepared: Path, raw: Path, split: str, workers: int | None = None
) -> Pieces:
    """The pieces of a split's photos with people, written into `folder`, or found there.

    workers: processes; None: one per core. Raises ValueError where the disk has no room, or cannot
    be written.
    """
    photos = _photos(prepared, raw, split)
    images = Table(prepared / split / "images.arrow")
    packed, table = tile_files(folder, split)
    with writable(packed):
        folder.mkdir(parents=True, exist_ok=True)
        with one_writer(packed):
            if not _is_there(packed, table, photos, len(images)):
                table.unlink(missing_ok=True)
                records = _cut_all(packed, photos, workers or len(os.sched_getaffinity(0)))
                write_table(table, _columns(records, photos, len(images)))
    return _said(Table(table), len(photos.rows))


def photos_with_people(prepared: Path, raw: Path, split: str) -> int:
    """How many photos of a split training may read."""
    return len(ImagePeople(prepared, raw, split).with_people())


def _photos(prepared: Path, raw: Path, split: str) -> _Photos:
    people = ImagePeople(prepared, raw, split)
    rows = people.with_people()
    paths = [people.path(int(row)) for row in rows]
    return _Photos(rows, people.images["crc32"][rows], paths)


def _is_there(packed: Path, table: Path, photos: _Photos, images: int) -> bool:
    if not (packed.is_file() and table.is_file()):
        return False
    found = Table(table)
    try:
        same = len(found) == images and np.array_equal(found["crc32"][photos.rows], photos.crc32)
        end = int((found["start"] + found["size"]).max(initial=0))
    except ValueError:
        return False
    return same and packed.stat().st_size >= end


def _cut_all(packed: Path, photos: _Photos, workers: int) -> np.ndarray:
    """Records of all photos, whose pieces lie in `packed` then."""
    part, log = packed.with_name(f"{packed.name}.part"), packed.with_name(f"{packed.name}.log")
    done = _kept(part, log, photos)
    left = range(len(done), len(photos.rows))
    name = f"{packed.parent.name} {packed.stem.rpartition('-')[0]}: pieces of photos"
    if len(left) >= FEW:
        _foretell(name, packed, photos, left, workers)
    tally = Tally(name, len(photos.rows), "photos")
    tally.add(len(done), fresh=False)
    with part.open("ab") as data, log.open("ab") as told:
        end = data.tell()
        for numbers, cuts in _cuts(photos, left, workers):
            records = np.zeros(len(numbers), _RECORD)
            for record, number, cut in zip(records, numbers, cuts, strict=True):
                _record(record, int(photos.crc32[number]), cut, end)
                if cut is not None:
                    data.write(cut.content)
                    end += len(cut.content)
            _to_disk(data)  # first the pieces, then that they are there
            told.write(records.tobytes())
            _to_disk(told)
            tally.add(len(numbers))
    tally.close()
    part.replace(packed)
    records = np.fromfile(log, _RECORD)
    log.unlink()
    return records


def _kept(part: Path, log: Path, photos: _Photos) -> np.ndarray:
    """Records of an interrupted run, as far as photos and files are still those; the rest goes."""
    part.touch()
    log.touch()
    found = np.fromfile(log, _RECORD)[: len(photos.rows)]
    ends = np.maximum.accumulate(np.where(found["start"] < 0, 0, found["start"] + found["size"]))
    good = (found["crc32"] == photos.crc32[: len(found)]) & (ends <= part.stat().st_size)
    count = len(good) if good.all() else int(np.argmin(good))
    os.truncate(log, count * _RECORD.itemsize)
    os.truncate(part, int(ends[count - 1]) if count else 0)
    return found[:count]


def _record(record: Any, crc32: int, cut: Cut | None, start: int) -> None:
    record["crc32"], record["start"] = crc32, -1
    if cut is not None:
        record["start"], record["size"] = start, len(cut.content)
        record["digest"] = zlib.crc32(cut.content)
        for name, value in zip(Layout._fields, cut.layout, strict=True):
            record[name] = value


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _columns(records: np.ndarray, photos: _Photos, images: int) -> dict[str, np.ndarray]:
    """Of the table: a row for each image, of those that were not cut with start -1."""
    columns = {name: np.zeros(images, np.int64) for name in COLUMNS}
    columns["start"][:] = -1
    for name, column in columns.items():
        column[photos.rows] = records[name]
    return columns


def _said(table: Table, photos: int) -> Pieces:
    digest = hashlib.sha256()
    for name in COLUMNS:
        digest.update(table[name].tobytes())
    cut = int((table["start"] >= 0).sum())
    return Pieces(cut, photos, int(table["size"].sum()), digest.hexdigest())


def _foretell(name: str, packed: Path, photos: _Photos, left: range, workers: int) -> None:
    """Tells how large and how late it will be, by some of the photos. ValueError without room."""
    sizes = [_size(photos.paths[number]) for number in left]
    tried = [left[at] for at in np.linspace(0, len(left) - 1, min(TRIED, len(left)), dtype=int)]
    started = time.process_time()
    cuts = [cut_file(photos.paths[number]) for number in tried]
    seconds = (time.process_time() - started) / len(tried)
    files = sum(_size(photos.paths[n]) for n, cut in zip(tried, cuts, strict=True) if cut)
    ratio = sum(len(cut.content) for cut in cuts if cut) / max(files, 1)
    share = sum(cut is not None for cut in cuts) / len(cuts)
    wanted, free = int(sum(sizes) * ratio * share), shutil.disk_usage(packed.parent).free
    print(
        f"{name}: {len(left):,} to cut, about {wanted / 1e9:.2g} GB and "
        f"{duration(seconds * len(left) / workers)} on {workers} cores",
        flush=True,
    )
    if wanted > free:
        fault = f"no room for about {wanted / 1e9:.2g} GB of pieces ({free / 1e9:.2g} GB free)"
        do = "make room, or set `regions: false` in params.yaml: training reads the photos then"
        raise refusal(packed.parent, fault=fault, do=do)


def _size(path: str) -> int:
    file = Path(path.removesuffix(AS_SEEN))
    return file.stat().st_size if file.is_file() else 0


def _cuts(photos: _Photos, left: range, workers: int) -> Iterator[tuple[range, list[Cut | None]]]:
    """(numbers of photos, their pieces), in order, some at once."""
    groups = [left[at : at + AT_ONCE] for at in range(0, len(left), AT_ONCE)]
    paths = [[photos.paths[number] for number in group] for group in groups]
    alone = workers == 1 or len(left) < FEW
    context = multiprocessing.get_context("forkserver")
    pool = None if alone else ProcessPoolExecutor(workers, context, end_with_parent)
    with pool or nullcontext():
        made = pool.map(_cut_group, paths) if pool else map(_cut_group, paths)
        try:
            yield from zip(groups, made, strict=True)
        except BrokenProcessPool as error:
            do = "run the same command again, which goes on; `regions: false` goes without pieces"
            raise refusal("photos in pieces", fault="a process that cut was lost", do=do) from error


def _cut_group(paths: Sequence[str]) -> list[Cut | None]:
    return [cut_file(path) for path in paths]
