"""Photos in pieces: written whole whatever ends the writing, wanted or not, used while they are
those of the photos."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from data.feeds.person_crops import TopDownDataset
from data.files.table import Table, write_table
from data.files.tiles import COLUMNS, Tiles, tile_files
from data.ground.skeleton import load_skeleton
from pipelines.intake.tiled import leave_tiles, tiles_folder, tiles_note
from pipelines.intake.tiling import write_tiles
from pipelines.recipe.regions import MANY, splits_in_pieces
from tests.worlds.drawn import NAME, draw

COCO = load_skeleton("coco")


@pytest.fixture(scope="module")
def place(module_home: Path) -> tuple[Path, Path, str]:
    return *draw(module_home, train=4, val=1), "train"


@pytest.fixture(scope="module")
def cut(place: tuple[Path, Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cut") / "tiles"
    write_tiles(folder, *place, workers=1)
    return folder


@pytest.fixture
def folder(cut: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cut, tmp_path / "tiles"))


def records(folder: Path) -> np.ndarray:
    """Of the finished table, as they are noted while photos are cut."""
    table = Table(tile_files(folder, "train")[1])
    return np.stack([np.array(table[name]) for name in COLUMNS], axis=1)


def assert_same_samples(place: tuple[Path, Path, str], folder: Path) -> None:
    plain, ours = (
        TopDownDataset(*place, (48, 64), COCO, aligned=False, tiles=tiles)
        for tiles in (None, folder)
    )
    for row in range(len(plain)):
        np.testing.assert_array_equal(ours[row].image, plain[row].image)


def in_pieces(place: tuple[Path, Path, str], folder: Path) -> list[bool]:
    images = Table(place[0] / "train" / "images.arrow")
    tiles = Tiles(folder, "train", images)
    return [row in tiles for row in range(len(images))]


ENDINGS: dict[str, Callable[[np.ndarray, bytes], tuple[bytes, bytes]]] = {
    "before the first": lambda told, data: (b"", data[:100]),
    "in a note": lambda told, data: (told[:2].tobytes()[:-5], data),
    "behind a note": lambda told, data: (told[:2].tobytes(), data[: told[1, 1] + told[1, 2]]),
    "notes of what is not there": lambda told, data: (told.tobytes(), data[: told[2, 1] + 9]),
    "of other photos": lambda told, data: ((told + (COLUMNS.index("crc32") == 0)).tobytes(), data),
    "all but the table": lambda told, data: (told.tobytes(), data),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_cutting_goes_on_where_it_was_interrupted(
    place: tuple[Path, Path, str], folder: Path, ending: Callable[..., tuple[bytes, bytes]]
) -> None:
    packed, table = tile_files(folder, "train")
    whole, told = packed.read_bytes(), records(folder)
    log, part = ending(told, whole)
    packed.with_name(f"{packed.name}.log").write_bytes(log)
    packed.with_name(f"{packed.name}.part").write_bytes(part)
    packed.unlink()
    table.unlink()
    pieces = write_tiles(folder, *place, workers=1)
    assert packed.read_bytes() == whole and pieces.photos == len(told)
    assert (records(folder) == told).all()
    assert sorted(path.name for path in folder.iterdir()) == [table.name, packed.name]


def test_what_is_there_is_not_cut_again(place: tuple[Path, Path, str], folder: Path) -> None:
    before = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in tile_files(folder, "train")]
    write_tiles(folder, *place, workers=1)
    after = [(path.stat().st_mtime_ns, path.stat().st_ino) for path in tile_files(folder, "train")]
    assert after == before


def test_a_photo_that_is_another_one_is_read_itself(
    place: tuple[Path, Path, str], folder: Path
) -> None:
    table = tile_files(folder, "train")[1]
    columns = {name: np.array(Table(table)[name]) for name in COLUMNS}
    columns["crc32"][2] += 1
    table.unlink()
    write_table(table, columns)
    assert in_pieces(place, folder) == [row != 2 for row in range(4)]
    assert_same_samples(place, folder)


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "packed file gone": lambda packed, table: packed.unlink(),
    "packed file cut": lambda packed, table: packed.write_bytes(packed.read_bytes()[:9000]),
    "table gone": lambda packed, table: table.unlink(),
    "table cut": lambda packed, table: table.write_bytes(table.read_bytes()[:500]),
    "table of others": lambda packed, table: write_table(
        table, {name: np.zeros(3, np.int64) for name in COLUMNS}
    ),
    "no pieces there": lambda packed, table: packed.write_bytes(bytes(packed.stat().st_size)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_leave_the_samples_as_they_are(
    place: tuple[Path, Path, str], folder: Path, damage: Callable[[Path, Path], object]
) -> None:
    damage(*tile_files(folder, "train"))
    assert_same_samples(place, folder)
    write_tiles(folder, *place, workers=1)
    assert_same_samples(place, folder)


@pytest.mark.parametrize(
    ("said", "photos", "expected"),
    [
        ("auto", MANY, ["train"]),
        ("auto", MANY - 1, []),
        (True, 1, ["train"]),
        (False, MANY, []),
        ([NAME], 1, ["train"]),
        (["mpii"], MANY, []),
        (None, MANY, ["train"]),
    ],
)
def test_params_say_whose_photos_are_cut(
    tmp_path: Path, said: object, photos: int, expected: list[str]
) -> None:
    path = tmp_path / "params.yaml"
    run = {"recipes": {"demo_hrnet": {"dataset": NAME}}, "datasets": [NAME]}
    path.write_text(yaml.safe_dump({"run": run, "datasets": {NAME: {}}, "regions": said}))
    assert list(splits_in_pieces(NAME, lambda _: photos, path)) == expected


@pytest.mark.parametrize("said", ["no", 3, {"coco": True}, [1], ["strange"]])
def test_what_params_cannot_say_is_refused(tmp_path: Path, said: object) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"regions": said}))
    with pytest.raises(ValueError, match=r"regions|strange"):
        splits_in_pieces(NAME, lambda _: 1, path)


def test_the_note_says_what_there_is_and_nothing_is_left_of_what_is_not_wanted(
    place: tuple[Path, Path, str],
) -> None:
    leave_tiles(NAME, lambda photos: ["train"] if photos("train") == 4 else [])
    told = json.loads(tiles_note(NAME).read_text())["train"]
    assert (told["photos"], told["of"]) == (4, 4) and len(told["digest"]) == 64
    assert told["bytes"] == tile_files(tiles_folder(NAME), "train")[0].stat().st_size
    leave_tiles(NAME, lambda photos: [])
    assert json.loads(tiles_note(NAME).read_text()) == {} and not tiles_folder(NAME).exists()
