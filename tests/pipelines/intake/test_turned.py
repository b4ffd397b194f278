"""Photos that EXIF turns, their labels made as seen: `exif: apply` reaches whoever reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from data.datasets.stick_figures import draw_split
from data.feeds.person_crops import BoxDataset, TopDownDataset
from data.feeds.resized_images import ResizedDataset
from data.feeds.whole_images import WholeImageDataset
from data.files.images import AS_SEEN, read_image
from data.ground.resize import Resize
from data.ground.skeleton import load_skeleton
from pipelines import prepare as stage
from pipelines.host import places
from pipelines.intake.prepared import image_files, image_sizes
from pipelines.intake.splits import AS_STORED

COCO = load_skeleton("coco")
SIZE = (96, 128)


def store_turned(path: Path) -> None:
    """The same photo as a camera held sideways stores it: its pixels turned, and EXIF says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = cv2.rotate(read_image(path), cv2.ROTATE_90_COUNTERCLOCKWISE)
    Image.fromarray(pixels).save(path, "PNG", exif=exif)


def crops(prepared: Path, raw: Path) -> list[np.ndarray]:
    feed = TopDownDataset(prepared, raw, "train", SIZE, COCO, aligned=False)
    return [feed[row].image for row in range(len(feed))]


def wholes(prepared: Path, raw: Path) -> list[np.ndarray]:
    feed = WholeImageDataset(prepared, raw, "train", (128, 128), COCO)
    return [part for row in range(len(feed)) for part in (feed[row].image, feed[row].keep)]


def boxed(prepared: Path, raw: Path) -> list[np.ndarray]:
    files = list(image_files(prepared, raw, "train").values())
    boxes = np.array([[10.0, 20, 60, 90]] * len(files))
    feed = BoxDataset(files, boxes, SIZE, aligned=False)
    return [feed[row].image for row in range(len(feed))]


def resized(prepared: Path, raw: Path) -> list[np.ndarray]:
    feed = ResizedDataset(
        list(image_files(prepared, raw, "train").values()), Resize("short", multiple=64), 128
    )
    return [feed[row].image for row in range(len(feed))]


def pictures(prepared: Path, raw: Path) -> list[np.ndarray]:
    sizes = image_sizes(prepared, "train")
    return [np.array(list(sizes.values())), cv2.imread(str(prepared / "preview.png"))]


READERS = (crops, wholes, boxed, resized, pictures)


@pytest.fixture
def raw(home: Path) -> Path:
    raw = places.raw("coco")
    for split in ("train", "val"):
        draw_split(raw, split, 2, seed=1)
    return raw


def prepared_as(settings: dict[str, Any]) -> Path:
    stage.act("coco", {"bad_row_limit": 0.0} | settings)
    return places.prepared("coco")


def test_everybody_reads_them_as_seen(raw: Path) -> None:
    first = sorted((raw / "train2017").iterdir())[0]
    Image.fromarray(read_image(first)).save(first, "PNG")  # no loss, so that pixels compare
    folder = prepared_as({"exif": "apply"})
    before = {read.__name__: read(folder, raw) for read in READERS}
    store_turned(first)
    folder = prepared_as({"exif": "apply"})
    assert [str(p).endswith(AS_SEEN) for p in image_files(folder, raw, "train").values()] == [
        True, False]  # fmt: skip
    for read in READERS:
        for one, other in zip(before[read.__name__], read(folder, raw), strict=True):
            np.testing.assert_array_equal(one, other, read.__name__)


def test_by_default_they_are_read_as_stored_and_said(raw: Path) -> None:
    folder = prepared_as({})
    assert notes(folder) == {}
    first = sorted((raw / "train2017").iterdir())[0]
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(read_image(first)).save(first, "PNG", exif=exif)
    prepared_as({})
    assert notes(folder) == {AS_STORED: 1}
    assert not any(str(p).endswith(AS_SEEN) for p in image_files(folder, raw, "train").values())


def notes(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text())["splits"]["train"]["notes"]


def test_another_word_is_refused(raw: Path) -> None:
    with pytest.raises(ValueError, match=r"datasets.coco.exif: given 'turn', accepted: stored"):
        prepared_as({"exif": "turn"})
