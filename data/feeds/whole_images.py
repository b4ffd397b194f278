"""Whole images with all their people: prepared tables in, `WholeBatch` out (bottom-up networks).

One affine per sample; `keep` says where a loss may count: not over crowds and people without
labels, nor outside the image. Views for training and test follow HigherHRNet's code (Cheng et al.,
CVPR 2020, arXiv:1908.10357) and Lightweight OpenPose's (Osokin 2018, arXiv:1811.12004).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from data.feeds.image_people import ImagePeople
from data.files.tiles import Tiles
from data.files.windows import WindowReader
from data.ground.resize import Resize
from data.ground.sample import WholeBatch
from data.ground.skeleton import Skeleton
from data.views.draws import Index, sample_generator, turn_of
from data.views.geometry import View, crop, invert, move, seen_window, view_matrix
from data.views.photometric import Photometric
from data.views.settings import WholeImageAugmentation
from data.views.whole_views import SHORT_SIDE, draw_whole_view, plain_view

KEEP_STRIDE = 2  # of `WholeBatch.keep`


class WholeItem(NamedTuple):
    """One image, as `WholeBatch` without its first axis."""

    image: np.ndarray
    keypoints_input: np.ndarray
    visibility: np.ndarray
    keep: np.ndarray
    sample_id: int
    to_image: np.ndarray
    others: tuple[np.ndarray, ...] = ()


class WholeImageDataset(Dataset[WholeItem]):
    """Images of a prepared split that have people; by row, (epoch, row) or `Turn`.

    input_size: (width, height); without augmentation the plain view, its reference side filled.
    resize: how it is fed at test time, of which views have the `fill` outside the image, and those
    as tested their place; tiles: folder of photos in pieces, which give the same samples.
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
        tiles: Path | None = None,
    ) -> None:
        self.people = ImagePeople(prepared, raw, split)
        self.tiles = Tiles(tiles, split, self.people.images) if tiles else None
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

    def __getitem__(self, index: Index) -> WholeItem:
        epoch, place, again = turn_of(index)
        row = int(self.rows[place])
        images = self.people.images
        size = int(images["width"][row]), int(images["height"][row])
        view, seed = plain_view(size, self.input_size), 0
        if self.augmentation is not None:
            rng = sample_generator(self.seed, epoch, int(images["image_id"][row]), again)
            view = draw_whole_view(rng, size, self.input_size, self.augmentation, self.resize)
            seed = int(rng.integers(1 << 31))
        return self._cut(place, row, view, seed)

    def _cut(self, place: int, row: int, view: View, seed: int) -> WholeItem:
        matrix = view_matrix(view, self.input_size, aligned=False)
        to_image = invert(matrix)
        window = seen_window(to_image, self.input_size)
        pixels = self._read(row, self.people.path(row), window)
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
    def _read(self) -> WindowReader:
        return WindowReader(self.tiles)

    @cached_property
    def _mirror(self) -> np.ndarray:
        return np.array(self.skeleton.mirror)


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
