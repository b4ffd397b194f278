"""Prepared tables and images in, crops of persons out (top-down)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from data.files.images import read_image
from data.files.table import Table
from data.files.tiles import Tiles
from data.files.windows import WindowReader
from data.ground.refusal import refusal
from data.ground.sample import Batch
from data.ground.skeleton import Skeleton
from data.views.crop_views import draw_view
from data.views.draws import Index, sample_generator, turn_of
from data.views.geometry import (
    View,
    box_to_view,
    crop,
    cut_box,
    invert,
    move,
    seen_window,
    view_matrix,
)
from data.views.photometric import Photometric
from data.views.settings import Augmentation


class Item(NamedTuple):
    """One crop, as `Batch` without its first axis."""

    image: np.ndarray
    keypoints_input: np.ndarray
    visibility: np.ndarray
    sample_id: int
    to_image: np.ndarray


class TopDownDataset(Dataset[Item]):
    """Persons of a prepared split; by row or, with augmentation, by (epoch, row) or `Turn`.

    prepared: the data set's folder of tables; raw: what image paths are relative to;
    input_size: (width, height); aligned: DARK's pixel alignment (`codec.aligned`); tiles: folder of
    photos in pieces, which read faster and give the same samples to the bit.
    """

    def __init__(
        self,
        prepared: Path,
        raw: Path,
        split: str,
        input_size: tuple[int, int],
        skeleton: Skeleton,
        *,
        aligned: bool,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        tiles: Path | None = None,
    ) -> None:
        self.raw = str(raw)
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.skeleton, self.aligned = skeleton, aligned
        self.augmentation, self.seed = augmentation, seed
        self.photometric = Photometric(augmentation.photometric if augmentation else [])
        self.persons = Table(Path(prepared) / split / "persons.arrow")
        self.images = Table(Path(prepared) / split / "images.arrow")
        self.tiles = Tiles(tiles, split, self.images) if tiles else None

    def __len__(self) -> int:
        return len(self.persons)

    def __getstate__(self) -> dict[str, Any]:
        """Without opened columns and buffer: each process maps the file itself."""
        return {name: v for name, v in vars(self).items() if name not in ("_columns", "_read")}

    def __getitem__(self, index: Index) -> Item:
        epoch, row, again = turn_of(index)
        columns = self._columns
        keypoints_image = columns["keypoints_image"][row].reshape(-1, 2).astype(np.float64)
        visibility = columns["visibility"][row].astype(np.int64)
        view = self._view(columns["box_image"][row], columns["border"][row])
        if self.augmentation is not None:
            rng = sample_generator(self.seed, epoch, int(columns["person_id"][row]), again)
            view = self._draw(rng, view, keypoints_image, visibility)
        matrix = view_matrix(view, self.input_size, self.aligned)
        to_image = invert(matrix)
        window = seen_window(to_image, self.input_size)
        photo = self._read(int(columns["image_row"][row]), self.image_path(row), window)
        image = crop(photo, matrix, self.input_size)
        if self.photometric.plugs:
            image = self.photometric(image, int(rng.integers(1 << 31)))
        if view.flip:
            keypoints_image = keypoints_image[self._mirror]
            visibility = visibility[self._mirror]
        keypoints_input = move(matrix, keypoints_image).astype(np.float32)
        return Item(image, keypoints_input, visibility, row, to_image)

    def image_path(self, row: int) -> str:
        """The image file of a person."""
        return f"{self.raw}/{self._columns['path'][int(self._columns['image_row'][row])]}"

    def _view(self, box_image: np.ndarray, border: int) -> View:
        x, y, width, height = box_image.tolist()
        if self.aligned:
            x, y, width, height = with_border((x, y, width, height), border)
        return box_to_view((x, y, width, height), self.input_size, self.aligned)

    def _draw(
        self, rng: np.random.Generator, view: View, keypoints: np.ndarray, visibility: np.ndarray
    ) -> View:
        assert self.augmentation is not None
        size, aligned, changes = self.input_size, self.aligned, self.augmentation
        return draw_view(rng, view, keypoints, visibility, self.skeleton, size, aligned, changes)

    @cached_property
    def _columns(self) -> dict[str, Any]:
        names = ("person_id", "image_row", "box_image", "keypoints_image", "visibility")
        columns = {name: self.persons[name] for name in names} | {"path": self.images["path"]}
        bordered = "border" in self.persons.names  # else the boxes are COCO's
        border = self.persons["border"] if bordered else np.ones(len(self.persons), np.int8)
        return columns | {"border": border}

    @cached_property
    def _read(self) -> WindowReader:
        return WindowReader(self.tiles)

    @cached_property
    def _mirror(self) -> np.ndarray:
        return np.array(self.skeleton.mirror)


def with_border(box: Any, border: Any) -> Any:
    """A true box (x, y, w, h), or columns of many, as DARK's code (`codec.aligned`) takes it.

    border 1 (COCO): both border pixels count. 0 (an annotator's centre and scale): the box is
    moved by the half pixel that `box_to_view` moves aligned ones back, so its centre stays.
    """
    x, y, width, height = box
    shift = (1 - border) / 2
    return x + shift, y + shift, width + border, height + border


class BoxDataset(Dataset[Item]):
    """Crops of boxes [N, 4] (x, y, w, h) in image pixels, for prediction: items without keypoints.

    The last image stays decoded, so boxes that follow each other in one image cost one decoding.
    """

    def __init__(
        self,
        image_paths: Sequence[Path | str],
        boxes_image: np.ndarray,
        input_size: tuple[int, int],
        aligned: bool,
    ) -> None:
        if len(image_paths) != len(boxes_image):
            fault = f"{len(image_paths)} image paths for {len(boxes_image)} boxes"
            raise refusal("boxes", fault=fault, accepted="one path for each")
        self.image_paths = [str(path) for path in image_paths]
        self.boxes_image = np.asarray(boxes_image, dtype=np.float64).reshape(-1, 4)
        self.input_size, self.aligned = (int(input_size[0]), int(input_size[1])), aligned
        self._last: tuple[str, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.image_paths)

    def __getitem__(self, row: int) -> Item:
        photo, box = self._read(self.image_paths[row]), self.boxes_image[row]
        image, to_image = cut_box(photo, box, self.input_size, self.aligned)
        nothing = np.zeros((0, 2), dtype=np.float32)
        return Item(image, nothing, np.zeros(0, dtype=np.int64), row, to_image)

    def _read(self, path: str) -> np.ndarray:
        if self._last is None or self._last[0] != path:
            self._last = (path, read_image(path))
        return self._last[1]


def collate(items: Sequence[Item]) -> Batch:
    """Items stacked to a batch of tensors."""
    images, keypoints, visibility, ids, to_image = zip(*items, strict=True)
    return Batch(
        torch.from_numpy(np.stack(images)),
        torch.from_numpy(np.stack(keypoints)),
        torch.from_numpy(np.stack(visibility)),
        torch.tensor(ids, dtype=torch.int64),
        torch.from_numpy(np.stack(to_image)),
    )
