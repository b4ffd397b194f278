"""Photos of a prepared data set in pieces, where params.yaml wants them so, and a note of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from data.files.whole_file import write_text_whole
from pipelines.host import places
from pipelines.host.writable import writable
from pipelines.intake.tiling import Pieces, photos_with_people, write_tiles

Wanted = Callable[[Callable[[str], int]], Sequence[str]]  # splits, by how many photos each has


def tiles_folder(dataset: str) -> Path:
    """Where the pieces lie; may be removed at any time that no training goes on."""
    return places.origin() / "data" / "store" / "regions" / dataset


def tiles_note(dataset: str) -> Path:
    """What `prepare` left there, with a digest."""
    return places.home() / "data" / "store" / "regions" / f"{dataset}.json"


def leave_tiles(dataset: str, wanted: Wanted) -> None:
    """Photos of the splits that are `wanted` in pieces, told how many; of others none are left.

    Raises ValueError as `write_tiles`.
    """
    folder, place = tiles_folder(dataset), (places.prepared(dataset), places.raw(dataset))
    found: dict[str, Pieces] = {}
    for split in wanted(partial(photos_with_people, *place)):
        found[split] = write_tiles(folder, *place, split)
        print(f"  {split}: {_told(found[split])}", flush=True)
    if not found and folder.is_dir():
        shutil.rmtree(folder)
    note = tiles_note(dataset)
    with writable(note):
        note.parent.mkdir(parents=True, exist_ok=True)
        said = {name: pieces._asdict() for name, pieces in found.items()}
        write_text_whole(note, json.dumps(said, indent=2) + "\n")


def _told(pieces: Pieces) -> str:
    rest = pieces.of - pieces.photos
    others = f"; {rest:,} are read as they are" if rest else ""
    return f"{pieces.photos:,} photos in pieces, {pieces.bytes / 1e6:,.0f} MB{others}"
