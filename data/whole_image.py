"""Whole images with all their people: prepared tables in, `WholeBatch` out (bottom-up networks).

One affine per sample; `keep` says where a loss may count: not over crowds and people without
labels, nor outside the image. Views for training and test follow HigherHRNet's code (Cheng et al.,
CVPR 2020, arXiv:1908.10357) and Lightweight OpenPose's (Osokin 2018, arXiv:1811.12004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import torch
from pycocotools import mask
from torch.utils.data import Dataset

from data.images import RowReader
from data.resize import Resize
from data.sample import WholeBatch
from data.skeletons import Skeleton
from data.table import Table
from data.transforms import (
    Photometric,
    Plug,
    View,
    check_draws,
    crop,
    invert,
    lowest_row,
    move,
    sample_generator,
    view_matrix,
)

MOST_PEOPLE = 30  # of one image that a batch carries
UNIT = 200.0  # pixels of an image side that HigherHRNet's shift is given for
KEEP_STRIDE = 2  # of `WholeBatch.keep`
Reference = Literal["short", "long", "tested"]
SHORT_SIDE = Resize("short", multiple=64)


@dataclass(frozen=True)
class WholeImageAugmentation:
    """Random views of whole images, drawn evenly (defaults: none but the flip).

    scale: smallest and largest factor of the view; rotation: largest angle in degrees; shift:
    largest move in pixels per 200 pixels of the view, along both axes (40: a fifth); reference:
    which side of the image fills the input (long: all of the image lies in it); tested: as large,
    at the place (from the left and the top) and interpolated as when it is tested. count_outside:
    losses count outside the image too, as background (the authors': they do not). photometric: as
    for crops.
    """

    view: Literal["whole_image"]
    scale: list[float] = field(default_factory=lambda: [1.0, 1.0])
    rotation: float = 0.0
    shift: float = 0.0
    flip_probability: float = 0.5
    reference: Reference = "short"
    count_outside: bool = False
    photometric: list[Plug] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_draws(self.scale, self.rotation, self.shift, self.flip_probability)


class WholeItem(NamedTuple):
    """One image, as `WholeBatch` without its first axis."""

    image: np.ndarray
    keypoints_input: np.ndarray
    visibility: np.ndarray
    keep: np.ndarray
    sample_id: int
    to_image: np.ndarray
    others: tuple[np.ndarray, ...] = ()


class ImagePeople:
    """Per image of a prepared split: its people's keypoints and what a loss must not count."""

    def __init__(self, prepared: Path, raw: Path, split: str) -> None:
        folder = Path(prepared) / split
        self.raw = str(raw)
        self.images = Table(folder / "images.arrow")
        self.persons = Table(folder / "persons.arrow")
        self.regions = Table(folder / "ignore.arrow")

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("people_of", "regions_of")}

    @cached_property
    def people_of(self) -> tuple[np.ndarray, np.ndarray]:
        """(rows of the person table by image, where each image's begin [I + 1])."""
        return _by_image(self.persons["image_row"], len(self.images))

    @cached_property
    def regions_of(self) -> tuple[np.ndarray, np.ndarray]:
        return _by_image(self.regions["image_row"], len(self.images))

    def with_people(self) -> np.ndarray:
        """Image rows with anyone on them, labelled or not: what HigherHRNet trains on."""
        people = np.diff(self.people_of[1]) + np.diff(self.regions_of[1])
        return np.flatnonzero(people)

    def path(self, row: int) -> str:
        return f"{self.raw}/{self.images['path'][row]}"

    def person_rows(self, row: int) -> np.ndarray:
        rows, start = self.people_of
        return rows[start[row] : start[row + 1]]

    def poses(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Of the first 30 people: keypoints_image [N, K, 2] float64, visibility [N, K] int64."""
        rows = self.person_rows(row)[:MOST_PEOPLE]
        keypoints = self.persons["keypoints_image"][rows].astype(np.float64)
        visibility = self.persons["visibility"][rows].astype(np.int64)
        return keypoints.reshape(len(rows), keypoints.shape[1] // 2, 2), visibility

    def unlabelled(self, row: int) -> np.ndarray:
        """uint8 [H, W]: 1 over crowds and people without labelled keypoints."""
        rows, start = self.regions_of
        height, width = int(self.images["height"][row]), int(self.images["width"][row])
        lengths = [
            {"size": [height, width], "counts": self.regions["counts"][int(region)].encode()}
            for region in rows[start[row] : start[row + 1]]
        ]
        if not lengths:
            return np.zeros((height, width), dtype=np.uint8)
        return np.asarray(mask.decode(mask.merge(lengths)), dtype=np.uint8)


def _by_image(image_row: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.argsort(image_row, kind="stable")
    return rows, np.searchsorted(image_row[rows], np.arange(images + 1))


class WholeImageDataset(Dataset[WholeItem]):
    """Images of a prepared split that have people; `dataset[row]` or `dataset[epoch, row]`.

    input_size: (width, height); without augmentation the plain view, its reference side filled.
    resize: how it is fed at test time, of which views have the `fill` outside the image, and those
    as tested their place.
    """

    def __init__(
        self,
        prepared: Path,
        raw: Path,
        split: str,
        input_size: tuple[int, int],
        skeleton: Skeleton,
        *,
        augmentation: WholeImageAugmentation | None = None,
        seed: int = 0,
        resize: Resize = SHORT_SIDE,
    ) -> None:
        self.people = ImagePeople(prepared, raw, split)
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.skeleton, self.seed, self.resize = skeleton, seed, resize
        self.augmentation = augmentation
        self.count_outside = augmentation is not None and augmentation.count_outside
        tested = augmentation is not None and augmentation.reference == "tested"
        self.interpolation = resize.interpolation if tested else cv2.INTER_LINEAR
        self.photometric = Photometric(augmentation.photometric if augmentation else [])
        self.rows = self.people.with_people()

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_read"}

    def __getitem__(self, index: int | tuple[int, int]) -> WholeItem:
        epoch, place = index if isinstance(index, tuple) else (0, index)
        row = int(self.rows[place])
        images = self.people.images
        size = int(images["width"][row]), int(images["height"][row])
        view, seed = plain_view(size, self.input_size), 0
        if self.augmentation is not None:
            rng = sample_generator(self.seed, epoch, int(images["image_id"][row]))
            view = draw_whole_view(rng, size, self.input_size, self.augmentation, self.resize)
            seed = int(rng.integers(1 << 31))
        return self._cut(place, row, view, seed)

    def _cut(self, place: int, row: int, view: View, seed: int) -> WholeItem:
        matrix = view_matrix(view, self.input_size, aligned=False)
        to_image = invert(matrix)
        rows = lowest_row(to_image, self.input_size)
        pixels = self._read(self.people.path(row), rows)
        image = crop(pixels, matrix, self.input_size, self.resize.fill, self.interpolation)
        if self.photometric.plugs:
            image = self.photometric(image, seed)
        keypoints, visibility = self.people.poses(row)
        if view.flip:
            keypoints, visibility = keypoints[:, self._mirror], visibility[:, self._mirror]
        keep = keep_of(self.people.unlabelled(row), matrix, self.input_size, self.count_outside)
        moved = move(matrix, keypoints).astype(np.float32)
        return WholeItem(image, moved, visibility, keep, place, to_image)

    @cached_property
    def _read(self) -> RowReader:
        return RowReader()

    @cached_property
    def _mirror(self) -> np.ndarray:
        return np.array(self.skeleton.mirror)


def plain_view(
    image_size: tuple[int, int],
    input_size: tuple[int, int],
    reference: Reference = "short",
    resize: Resize = SHORT_SIDE,
) -> View:
    """An image without changes, as `WholeImageAugmentation.reference` says."""
    width, height = image_size
    center = width * 0.5, height * 0.5
    pixels = (width / input_size[0], height / input_size[1])
    ratio = max(pixels) if reference == "long" else min(pixels)
    if reference == "tested":
        tested = invert(resize.matrix(image_size, min(input_size)))
        x, y = move(tested, np.array(input_size) / 2).tolist()
        center, ratio = (x, y), float(tested[0, 0])
    return View(center, (ratio * input_size[0], ratio * input_size[1]))


def draw_whole_view(
    rng: np.random.Generator,
    image_size: tuple[int, int],
    input_size: tuple[int, int],
    augmentation: WholeImageAugmentation,
    resize: Resize = SHORT_SIDE,
) -> View:
    """A random view of an image; always draws the same count of numbers."""
    size, turn, x, y, flip = rng.random(5).tolist()
    plain = plain_view(image_size, input_size, augmentation.reference, resize)
    least, most = augmentation.scale
    factor = least + (most - least) * size
    width, height = plain.size[0] * factor, plain.size[1] * factor
    reach = augmentation.shift * width / UNIT  # both axes by the width's scale, as the official
    return View(
        center=(plain.center[0] + (2 * x - 1) * reach, plain.center[1] + (2 * y - 1) * reach),
        size=(width, height),
        rotation=(2 * turn - 1) * augmentation.rotation,
        flip=flip < augmentation.flip_probability,
    )


def keep_of(
    unlabelled: np.ndarray,
    matrix: np.ndarray,
    input_size: tuple[int, int],
    outside: bool = False,
) -> np.ndarray:
    """uint8 [H / 2, W / 2] of an input: 1 except over `unlabelled` [h, w] of the image.

    outside: what lies outside the image counts too, as background.
    """
    to_cells = matrix / KEEP_STRIDE
    size = input_size[0] // KEEP_STRIDE, input_size[1] // KEEP_STRIDE
    counted = np.subtract(1, unlabelled, dtype=np.uint8) * np.uint8(255)
    border = 255 if outside else 0
    warped = cv2.warpAffine(counted, to_cells, size, flags=cv2.INTER_LINEAR, borderValue=border)
    return (warped > 127).astype(np.uint8)


def collate_whole(items: Sequence[WholeItem]) -> WholeBatch:
    """Items stacked; people padded with absent ones to the most that one image has, at least 1."""
    most = max([1, *(len(item.keypoints_input) for item in items)])
    return WholeBatch(
        torch.from_numpy(np.stack([item.image for item in items])),
        torch.from_numpy(np.stack([_padded(item.keypoints_input, most) for item in items])),
        torch.from_numpy(np.stack([_padded(item.visibility, most) for item in items])),
        torch.from_numpy(np.stack([item.keep for item in items])),
        torch.tensor([item.sample_id for item in items], dtype=torch.int64),
        torch.from_numpy(np.stack([item.to_image for item in items])),
        tuple(
            torch.from_numpy(np.stack(same))
            for same in zip(*(item.others for item in items), strict=True)
        ),
    )


def _padded(people: np.ndarray, most: int) -> np.ndarray:
    filled = np.zeros((most, *people.shape[1:]), dtype=people.dtype)
    filled[: len(people)] = people
    return filled
