"""One optimizer step: forward, losses, backward, agreement of all ranks, update."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from data.ground.sample import Batch, Fields, Targets, WholeBatch
from pipelines.prediction.pixels import autocast, normalise
from pipelines.training.job import Job
from pipelines.training.parts import Parts, layout_of
from pipelines.training.rank import Rank
from pipelines.training.totals import add_hits, empty_sums


class Taken(NamedTuple):
    """A step that was taken: what this rank has to say of it, and what all ranks know.

    sums: as in `totals`, of each loss, a 1 for the step, and the codec's hits; bad: a rank's loss
    is not finite, or a sample not read, so nothing was changed; noticed: a rank heard that the
    training ends soon.
    """

    sums: Tensor
    bad: bool
    noticed: bool


def train_step(job: Job, rank: Rank, parts: Parts, micro: Sequence[Batch | WholeBatch]) -> Taken:
    """One optimizer step; where any rank's loss is not finite, or a sample not read, none.

    All ranks hear of that, and of a notice, through two numbers that are summed over them while
    the last backward pass is on its way.
    """
    settings = job.recipe
    losses = len(parts.losses)
    sums = empty_sums(losses, rank.device)
    word = torch.zeros(2, device=rank.device)  # losses that are not finite, ranks with a notice
    bad = word[0]
    if rank.notice.heard():
        word[1].fill_(1)
    kept = _copies(parts) if settings.training.skip_non_finite else []
    parts.network.train()
    answer = None
    for n, batch in enumerate(micro):
        last = n == len(micro) - 1
        with nullcontext() if last else _no_sync(parts):
            stages, targets = painted(job, rank, parts, batch)
            values = losses_of(parts, stages, targets)
            loss = values.sum() / len(micro)
            sums[:losses] += values.detach().double() / len(micro)
            add_hits(sums, parts.codec.hits(stages, targets))
            bad += (~torch.isfinite(loss.detach())).float()
            bad += (batch.sample_id < 0).any().to(rank.device).float()  # not read: a stand-in
            if last:
                answer = Answer(rank.total(word))
            parts.scaler.scale(loss).backward()
    sums[losses] = 1
    assert answer is not None
    broken, noticed = answer.read()
    if broken:
        parts.optimizer.zero_grad(set_to_none=True)
        for buffer, before in zip(parts.network.buffers(), kept, strict=False):
            buffer.copy_(before)
        return Taken(sums, True, noticed)
    _update(parts, settings.optimizer.clip_norm)
    return Taken(sums, False, noticed)


def _update(parts: Parts, clip_norm: float | None) -> None:
    """The weights by their gradients, and the average by the weights."""
    if clip_norm is not None:
        parts.scaler.unscale_(parts.optimizer)
        torch.nn.utils.clip_grad_norm_(parts.network.parameters(), clip_norm)
    parts.scaler.step(parts.optimizer)
    parts.scaler.update()
    parts.optimizer.zero_grad(set_to_none=True)
    if parts.average:
        parts.average.update(parts.network)


def _no_sync(parts: Parts) -> AbstractContextManager[None]:
    """Gradients are only summed up: the last micro-batch brings those of all ranks together."""
    wrapped = parts.wrapped
    return wrapped.no_sync() if isinstance(wrapped, DistributedDataParallel) else nullcontext()


def _copies(parts: Parts) -> list[Tensor]:
    """Of the running statistics, which a bad forward pass spoils."""
    buffers: list[Tensor] = list(parts.network.buffers())
    return [buffer.clone() for buffer in buffers]


def painted(
    job: Job, rank: Rank, parts: Parts, batch: Batch | WholeBatch
) -> tuple[list[Fields], list[Targets]]:
    """What the network paints of a batch, and what it should: targets are written on the device."""
    batch = batch.on(rank.device)
    targets: list[Targets] = parts.codec.encode(batch, parts.network.outputs, job.input_size)
    images = normalise(batch.images, job.recipe.pixels)
    with autocast(rank.device, job.recipe.training.precision):
        stages: list[Fields] = parts.wrapped(
            images.contiguous(memory_format=layout_of(job.recipe.training))
        )
    return stages, targets


def losses_of(parts: Parts, stages: list[Fields], targets: list[Targets]) -> Tensor:
    """Each field's weighted loss over all stages."""
    found = []
    for name, of_stages in parts.losses.items():
        pairs = [(s[name], t[name]) for s, t in zip(stages, targets, strict=True) if name in t]
        terms = [
            w * loss(p.float(), *t) for (p, t), (loss, w) in zip(pairs, of_stages, strict=True)
        ]
        found.append(torch.stack(terms).sum())
    return torch.stack(found)


class Answer:
    """Numbers on their way from the device: reading them waits for them alone, not for all work."""

    def __init__(self, numbers: Tensor) -> None:
        self._numbers = numbers.detach().to("cpu", non_blocking=True)
        self._there = torch.cuda.Event() if numbers.is_cuda else None
        if self._there:
            self._there.record()

    def read(self) -> list[bool]:
        """Whether each is more than 0."""
        if self._there:
            self._there.synchronize()
        return [number > 0 for number in self._numbers.tolist()]
