"""Batches of any feed's samples: whole global batches per epoch, sharded by rank, in processes."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

from data.feeds.person_crops import collate
from data.feeds.worker import end_with_parent
from data.ground.refusal import refusal
from data.views.draws import Turn

PRELOADED = (  # what workers need, where it is loaded here
    "data.feeds.person_crops", "data.feeds.whole_images", "data.feeds.readable",
    "data.feeds.loader", "albumentations",
)  # fmt: skip


SEEN_S = 2.0  # for the end of a process to be seen


class EpochSampler(DistributedSampler[Any]):
    """The turn of each sample of one rank, in whole global batches.

    Step s of an epoch trains on the same `global_batch` rows whatever the world size; rank r takes
    every world_size-th of them. The ragged tail of an epoch is dropped. A split smaller than one
    global batch is repeated until it fills one, or refused (ValueError). `steps` sets the steps of
    an epoch (default: as many as the split fills); beyond the split it is shuffled again. Each
    repeat is a round of its own, so that a sample comes in another view.
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
            fault = "no samples, so zero training steps"
            raise refusal("a split", fault=fault, do="check its summary.json")
        if global_batch < 1 or global_batch % world_size:
            accepted = f"a multiple of the {world_size} workers"
            raise refusal("global batch", given=global_batch, accepted=accepted)
        if size < global_batch and small_split == "refuse":
            fault = f"{size} samples do not fill one global batch of {global_batch}"
            raise refusal("a split", fault=fault, do="lower it or accept small_split: repeat")
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

    def rounds(self) -> np.ndarray:
        """How often the split was through before, for each of `order`."""
        order = self.order()
        return (np.arange(order.size) // self.size).reshape(order.shape)

    def __iter__(self) -> Iterator[Turn]:
        mine = slice(self.position, None), slice(self.rank, None, self.world_size)
        rows, rounds = (whole[mine].reshape(-1).tolist() for whole in (self.order(), self.rounds()))
        return iter([Turn(self.epoch, *each) for each in zip(rows, rounds, strict=True)])

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

    Workers live across epochs, and end with this process; each holds one CPU thread. forkserver: no
    inherited locks of Ray, CUDA or OpenCV, and modules are imported only once, for all workers.
    """
    context = None
    if workers:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([name for name in PRELOADED if name in sys.modules])
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


class LostWorkerError(RuntimeError):
    """A loader process was ended from outside, or by an image that took it along."""


@contextmanager
def losses_told(batches: object) -> Iterator[None]:
    """While batches of a loader are waited for: however it shows that one of its processes is gone
    (a word of torch, a pipe that breaks), that is LostWorkerError."""
    try:
        yield
    except (RuntimeError, OSError, EOFError) as error:
        if not _is_of_a_lost_worker(batches, error):
            raise
        raise LostWorkerError(str(error) or type(error).__name__) from error


def _is_of_a_lost_worker(batches: object, error: Exception) -> bool:
    if isinstance(error, RuntimeError) and "DataLoader worker (pid" in str(error):
        return True
    workers = getattr(getattr(batches, "_iterator", None), "_workers", ())
    wait([each.sentinel for each in workers], SEEN_S)  # its pipe may break before its end is seen
    return any(not each.is_alive() for each in workers)


def plainly(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches. A ValueError says what it says without loader processes, which add their
    traceback to its text."""
    try:
        yield from batches
    except ValueError as error:
        raise ValueError(as_raised(str(error))) from error


def as_raised(text: str) -> str:
    """Of a ValueError's text what was said where it was raised, in whatever process."""
    if "in DataLoader worker process" not in text.partition("\n")[0]:
        return text
    return text.rpartition("\nValueError: ")[2].strip()


def _start_worker(_: int) -> None:
    end_with_parent()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
