"""Prepared tables and images in, uint8 batches of crops out; draws fixed by seed, epoch, id."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

from data.images import RowReader, read_image
from data.sample import Batch
from data.skeletons import Skeleton
from data.table import Table
from data.transforms import (
    Augmentation,
    Photometric,
    View,
    box_to_view,
    crop,
    draw_view,
    invert,
    lowest_row,
    move,
    sample_generator,
    view_matrix,
)


class Item(NamedTuple):
    """One crop, as `Batch` without its first axis."""

    image: np.ndarray
    keypoints_input: np.ndarray
    visibility: np.ndarray
    sample_id: int
    to_image: np.ndarray


class TopDownDataset(Dataset[Item]):
    """Persons of a prepared split; `dataset[row]` or, with augmentation, `dataset[epoch, row]`.

    prepared: the data set's folder of tables; raw: what image paths are relative to;
    input_size: (width, height); aligned: DARK's pixel alignment (`codec.aligned`).
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
    ) -> None:
        self.raw = str(raw)
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.skeleton, self.aligned = skeleton, aligned
        self.augmentation, self.seed = augmentation, seed
        self.photometric = Photometric(augmentation.photometric if augmentation else [])
        self.persons = Table(Path(prepared) / split / "persons.arrow")
        self.images = Table(Path(prepared) / split / "images.arrow")

    def __len__(self) -> int:
        return len(self.persons)

    def __getstate__(self) -> dict[str, Any]:
        """Without opened columns and buffer: each process maps the file itself."""
        return {name: v for name, v in vars(self).items() if name not in ("_columns", "_read")}

    def __getitem__(self, index: int | tuple[int, int]) -> Item:
        epoch, row = index if isinstance(index, tuple) else (0, index)
        columns = self._columns
        keypoints_image = columns["keypoints_image"][row].reshape(-1, 2).astype(np.float64)
        visibility = columns["visibility"][row].astype(np.int64)
        view = self._view(columns["box_image"][row], columns["border"][row])
        if self.augmentation is not None:
            rng = sample_generator(self.seed, epoch, int(columns["person_id"][row]))
            view = self._draw(rng, view, keypoints_image, visibility)
        matrix = view_matrix(view, self.input_size, self.aligned)
        to_image = invert(matrix)
        rows = lowest_row(to_image, self.input_size)
        image = crop(self._read(self.image_path(row), rows), matrix, self.input_size)
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
    def _read(self) -> RowReader:
        return RowReader()

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
            raise ValueError(f"{len(image_paths)} image paths for {len(boxes_image)} boxes")
        self.image_paths = [str(path) for path in image_paths]
        self.boxes_image = np.asarray(boxes_image, dtype=np.float64).reshape(-1, 4)
        self.input_size, self.aligned = (int(input_size[0]), int(input_size[1])), aligned
        self._last: tuple[str, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.image_paths)

    def __getitem__(self, row: int) -> Item:
        view = box_to_view(self.boxes_image[row], self.input_size, self.aligned)
        matrix = view_matrix(view, self.input_size, self.aligned)
        image = crop(self._read(self.image_paths[row]), matrix, self.input_size)
        nothing = np.zeros((0, 2), dtype=np.float32)
        return Item(image, nothing, np.zeros(0, dtype=np.int64), row, invert(matrix))

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


class EpochSampler(DistributedSampler[Any]):
    """(epoch, row) of each sample of one rank, in whole global batches.

    Step s of an epoch trains on the same `global_batch` rows whatever the world size; rank r takes
    every world_size-th of them. The ragged tail of an epoch is dropped. A split smaller than one
    global batch is repeated until it fills one, or refused (ValueError). `steps` sets the steps of
    an epoch (default: as many as the split fills); beyond the split it is shuffled again.
    """

    def __init__(
        self,
        size: int,
        rank: int = 0,
        world_size: int = 1,
        seed: int = 0,
        global_batch: int = 1,
        shuffle: bool = True,
        small_split: Literal["repeat", "refuse"] = "repeat",
        steps: int | None = None,
    ) -> None:
        if size < 1:
            raise ValueError("a split without samples: zero training steps; check its summary.json")
        if global_batch < 1 or global_batch % world_size:
            raise ValueError(f"global batch: given {global_batch}, accepted: a multiple of the "
                             f"{world_size} workers")  # fmt: skip
        if size < global_batch and small_split == "refuse":
            raise ValueError(f"a split of {size} samples does not fill one global batch of "
                             f"{global_batch}; lower it or accept small_split: repeat")  # fmt: skip
        super().__init__(range(size), world_size, rank, shuffle, seed, drop_last=True)  # type: ignore[arg-type]
        self.size, self.global_batch, self.world_size = size, global_batch, world_size
        self.steps_per_epoch = steps or max(size // global_batch, 1)
        self.position = 0

    def set_epoch(self, epoch: int) -> None:
        """Another epoch, from its start."""
        self.epoch, self.position = epoch, 0

    def set_position(self, step: int) -> None:
        """Goes on after `step` optimizer steps of the epoch."""
        self.position = step

    def order(self) -> np.ndarray:
        """Rows of the whole epoch over all ranks, [steps_per_epoch, global_batch]."""
        wanted = self.steps_per_epoch * self.global_batch
        rounds = -(-wanted // self.size)
        rows = [self._permutation(number) for number in range(rounds)]
        return np.concatenate(rows)[:wanted].reshape(self.steps_per_epoch, self.global_batch)

    def _permutation(self, number: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.size)
        return np.random.default_rng([self.seed, self.epoch, number]).permutation(self.size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        mine = self.order()[self.position :, self.rank :: self.world_size]
        return iter([(self.epoch, row) for row in mine.reshape(-1).tolist()])

    def __len__(self) -> int:
        return (self.steps_per_epoch - self.position) * (self.global_batch // self.world_size)


def shard(size: int, rank: int = 0, world_size: int = 1) -> list[int]:
    """Rows of one rank, a contiguous run, none twice: metrics over all ranks are exact."""
    return list(range(size * rank // world_size, size * (rank + 1) // world_size))


def build_loader(
    dataset: Dataset[Any],
    sampler: Sampler[Any] | Sequence[int] | None = None,
    batch_size: int = 1,
    workers: int = 0,
    *,
    batches: Sequence[Sequence[int]] | None = None,
    collate: Callable[[Any], Any] = collate,
) -> DataLoader[Any]:
    """Batches in the sampler's order, or of the rows that `batches` lists.

    Workers live across epochs; each holds one CPU thread. forkserver: no inherited locks of Ray,
    CUDA or OpenCV, and modules are imported only once.
    """
    context = None
    if workers:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["data.loader", "data.whole_image"])
    order: dict[str, Any] = {"batch_size": batch_size, "sampler": sampler}
    return DataLoader(
        dataset,
        **(order if batches is None else {"batch_sampler": batches}),
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context=context,
        persistent_workers=workers > 0,
        worker_init_fn=_start_worker if workers else None,
        generator=torch.Generator(),  # its seeds for workers, unused here, cost us no random number
    )


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
