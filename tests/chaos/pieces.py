"""Photos in pieces: cutting that is killed at any moment, files that are damaged afterwards."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np

from data.feeds.person_crops import TopDownDataset
from data.files.table import Table
from data.files.tiles import Tiles, tile_files
from data.ground.skeleton import load_skeleton
from data.views.settings import Augmentation
from pipelines.intake.tiling import write_tiles
from tests.chaos.fault import Fault, Outcome, shared_folder
from tests.worlds import drawn
from tests.worlds.here import ROOT

PHOTOS, SPLIT = 24, "train"
WORK = """
import sys
from pathlib import Path
from pipelines.intake.tiling import write_tiles
print("begins", flush=True)
write_tiles(*map(Path, sys.argv[1:4]), "train", workers=1)
"""
CHANGES = Augmentation(scale=0.5, rotation=90.0, shift=0.3)


def fill(folder: Path) -> None:
    drawn.draw(folder, train=PHOTOS, val=1)


def people() -> tuple[Path, Path, str]:
    store = shared_folder("photos", fill) / "data" / "store"
    return store / "prepared" / drawn.NAME, store / "raw" / drawn.NAME, SPLIT


def killed(draw: random.Random, folder: Path) -> Outcome:
    """SIGKILL somewhere in the two seconds that cutting takes; then the same again."""
    place, tiles = people(), folder / "tiles"
    for _ in range(draw.choice((1, 2))):
        command = [sys.executable, "-c", WORK, str(tiles), str(place[0]), str(place[1])]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline()
            try:
                process.wait(draw.uniform(0, 2))
            except subprocess.TimeoutExpired:
                process.kill()
    write_tiles(tiles, *place, workers=1)
    left = sorted(path.name for path in tiles.iterdir() if not path.name.startswith("."))
    assert left == sorted(path.name for path in tile_files(tiles, SPLIT)), left
    images = Table(place[0] / SPLIT / "images.arrow")
    assert all(row in Tiles(tiles, SPLIT, images) for row in range(PHOTOS)), "not all are cut"
    assert_same(place, tiles)
    return "recovered"


def damaged(draw: random.Random, folder: Path) -> Outcome:
    """A file of the finished pieces is gone, empty, cut off or other bytes from somewhere on."""
    place, tiles = people(), folder / "tiles"
    write_tiles(tiles, *place, workers=1)
    path = draw.choice(tile_files(tiles, SPLIT))
    content = path.read_bytes()
    at = draw.randrange(len(content))
    made = draw.choice((None, b"", content[:at], content[:at] + bytes(len(content) - at)))
    if path.suffix == ".tiles" and made is not None and len(made) == len(content):
        made = content[: at // 2]  # of bytes that are others no reader of photos knows either
    path.unlink() if made is None else path.write_bytes(made)
    assert_same(place, tiles)
    return "recovered"


def assert_same(place: tuple[Path, Path, str], tiles: Path) -> None:
    coco = load_skeleton("coco")
    plain, ours = (
        TopDownDataset(*place, (96, 128), coco, aligned=False, augmentation=CHANGES, tiles=each)
        for each in (None, tiles)
    )
    for row in range(len(plain)):
        np.testing.assert_array_equal(ours[1, row].image, plain[1, row].image)


FAULTS = [
    Fault("pieces-killed", "SIGKILL while photos are cut into pieces",
          "the same command goes on; every sample is that of the photo to the bit", killed, 60),
    Fault("pieces-damaged", "files of photos in pieces that are gone, empty or cut",
          "training reads the photos: the same samples to the bit", damaged, 200),
]  # fmt: skip
