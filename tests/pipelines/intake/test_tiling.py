"""Samples from photos in pieces are those of the photos, to the bit, whatever the view sees."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data.feeds.image_people import ImagePeople
from data.feeds.person_crops import TopDownDataset
from data.feeds.person_views import PersonViewDataset
from data.feeds.whole_images import WholeImageDataset
from data.files.images import read_image
from data.files.tiles import Tiles, decode_part
from data.ground.sample import Sample
from data.ground.skeleton import load_skeleton
from data.views.settings import Augmentation, PersonCropAugmentation, WholeImageAugmentation
from pipelines.intake.tiling import write_tiles
from tests.worlds.listed import Listed, pose, write_tables

COCO = load_skeleton("coco")
SIZE = (48, 64)
SAMPLING = cv2.IMWRITE_JPEG_SAMPLING_FACTOR
PHOTOS = {  # name -> (height, width, how it is written)
    "420.jpg": (331, 427, [SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]),
    "422.jpg": (250, 333, [SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422]),
    "440.jpg": (251, 335, [SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440]),
    "411.jpg": (240, 333, [SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411]),
    "444.jpg": (203, 301, [SAMPLING, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]),
    "gray.jpg": (207, 311, []),
    "progressive.jpg": (211, 313, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    "restarts.jpg": (211, 313, [cv2.IMWRITE_JPEG_RST_INTERVAL, 3]),
    "optimised.jpg": (211, 313, [cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_QUALITY, 99]),
    "small.jpg": (9, 7, []),
    "turned.jpg": (211, 313, []),
    "other.png": (100, 90, []),
}
IN_PIECES = len(PHOTOS) - 1  # but what is no JPEG
EXTREMES = Augmentation(
    scale=[0.3, 2.5], rotation=[-180.0, 180.0], rotation_probability=0.7, shift=0.6,
    half_body_probability=0.4,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of each kind, with people in the middle, at the corners and beyond them."""
    root = tmp_path_factory.mktemp("photos")
    samples = [_sample(root, number, *told) for number, told in enumerate(PHOTOS.items())]
    write_tables(root, Listed(samples, COCO), root, "train")
    pieces = write_tiles(root / "tiles", root, root, "train", workers=1)
    assert (pieces.photos, pieces.of) == (IN_PIECES, len(PHOTOS))
    return root


def _sample(root: Path, number: int, name: str, how: tuple[int, int, list[int]]) -> Sample:
    height, width, options = how
    rng = np.random.default_rng(number)
    noise = rng.integers(0, 255, (height // 4 + 2, width // 4 + 2, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    path = root / name
    cv2.imwrite(str(path), picture[..., 0] if name == "gray.jpg" else picture, options)
    content = path.read_bytes()
    if name == "turned.jpg":
        exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
        segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
        path.write_bytes(content[:2] + segment + content[2:])
    boxes = [
        (width * x, height * y, width * w + 1, height * h + 1)
        for x, y, w, h in ((0.4, 0.3, 0.2, 0.4), (0, 0, 0.2, 0.3), (0.8, 0.7, 0.3, 0.5),
                           (0.55, -0.1, 0.1, 0.2), (-0.1, -0.1, 1.2, 1.2))
    ]  # fmt: skip
    people = [
        pose(
            number * 10 + n,
            box,
            rng.uniform(box[:2], np.add(box[:2], box[2:]), (17, 2)),
            np.ones(17, np.int64),
        )
        for n, box in enumerate(boxes)
    ]
    return Sample(number + 1, path, width, height, tuple(people))


VIEWS = {
    "crops": lambda *place, **how: TopDownDataset(
        *place, SIZE, COCO, aligned=False, augmentation=EXTREMES, **how
    ),
    "aligned crops": lambda *place, **how: TopDownDataset(
        *place, SIZE, COCO, aligned=True, augmentation=EXTREMES, **how
    ),
    "plain crops": lambda *place, **how: TopDownDataset(*place, SIZE, COCO, aligned=False, **how),
    "around people": lambda *place, **how: PersonViewDataset(
        *place, (64, 64), COCO,
        augmentation=PersonCropAugmentation("person_crop", scale=[0.3, 3.0], rotation=180.0), **how
    ),
    "whole images": lambda *place, **how: WholeImageDataset(
        *place, (64, 64), COCO,
        augmentation=WholeImageAugmentation("whole_image", scale=[0.1, 1.5], rotation=180.0,
                                            shift=80.0), **how
    ),
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_sample_is_the_photos_to_the_bit(folder: Path, view) -> None:  # type: ignore[no-untyped-def]
    place = folder, folder, "train"
    plain, ours = view(*place), view(*place, tiles=folder / "tiles")
    rng = np.random.default_rng(5)
    for epoch in range(1):
        for row in range(len(plain)):
            ours._read._canvas[:400_000] = rng.integers(0, 255)  # what lay there before
            expected, found = plain[(epoch, row)], ours[(epoch, row)]
            np.testing.assert_array_equal(found.image, expected.image)
            np.testing.assert_array_equal(found.keypoints_input, expected.keypoints_input)


@pytest.mark.parametrize("row", range(IN_PIECES))
def test_a_part_is_the_photo_but_for_colours_at_its_edges(folder: Path, row: int) -> None:
    """What the module says of edges where the photo goes on: two rows and columns at most."""
    people = ImagePeople(folder, folder, "train")
    tiles = Tiles(folder / "tiles", "train", people.images)
    photo, (width, height) = read_image(people.path(row)), tiles.size(row)
    assert photo.shape[:2] == (height, width)
    rng = np.random.default_rng(row)
    for _ in range(20):
        (left, right), (top, bottom) = (
            np.sort(rng.integers(-9, n + 9, 2)) for n in (width, height)
        )
        part = tiles.part(row, (int(left), int(top), int(right), int(bottom)))
        away = np.abs(decode_part(part)[..., :3].astype(int) - photo[
            part.top : part.top + part.height, part.left : part.left + part.width
        ])  # fmt: skip
        right_edge, lower_edge = part.left + part.width < width, part.top + part.height < height
        inner = away[
            2 * (part.top > 0) : part.height - 2 * lower_edge,
            2 * (part.left > 0) : part.width - 2 * right_edge,
        ]
        assert inner.max(initial=0) == 0
