"""The processes of one training: which one this is, and what they tell each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")


def no_beat(_: str) -> None:
    """Of a rank that nobody watches."""


def no_word() -> bool:
    return False


def nothing_to_do() -> None: ...


@dataclass(frozen=True)
class Notice:
    """Word that a training is to be cut off soon: a node that goes, a time that is up.

    heard: asked once a step, whether this rank had word since it was asked last; what one rank
    heard, all act on after the same step, with a checkpoint. kept: called on rank 0 once that is
    written; where it must reach another place in time, it returns when it is there.
    """

    heard: Callable[[], bool] = no_word
    kept: Callable[[], None] = nothing_to_do


@dataclass(frozen=True)
class Rank:
    """Process `rank` of `world_size`, on `device`; more than one: torch.distributed is set up.

    beat: told what this rank is about to do, so that one that stops moving is found.
    group: of these processes, the first `world_size` of all, where others stand by; None: all work.
    """

    rank: int = 0
    world_size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    beat: Callable[[str], None] = field(default=no_beat, compare=False)
    group: dist.ProcessGroup | None = None
    notice: Notice = field(default_factory=Notice)

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, in place; `tensor` lies on the rank's device."""
        if self.world_size > 1:
            dist.all_reduce(tensor, group=self.group)
        return tensor

    def from_main(self, value: T) -> T:
        """Rank 0's `value`, on every rank."""
        if self.world_size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self.group, device=self.device)
        return box[0]

    def gather(self, value: T) -> list[T]:
        """Every rank's `value`, in the order of the ranks, on every rank."""
        if self.world_size == 1:
            return [value]
        boxes: list[T] = [value] * self.world_size
        dist.all_gather_object(boxes, value, group=self.group)
        return boxes

    def share_buffers(self, module: nn.Module) -> None:
        """Makes the buffers (BatchNorm's running statistics) of all ranks those of rank 0."""
        if self.world_size == 1:
            return
        for group in _by_dtype(list(module.buffers())):
            flat = torch.cat([buffer.reshape(-1) for buffer in group])
            dist.broadcast(flat, src=0, group=self.group)
            for buffer, part in zip(group, flat.split([b.numel() for b in group]), strict=True):
                buffer.copy_(part.view_as(buffer))


def _by_dtype(buffers: list[Tensor]) -> list[list[Tensor]]:
    kinds = dict.fromkeys(buffer.dtype for buffer in buffers)
    return [[buffer for buffer in buffers if buffer.dtype == kind] for kind in kinds]
