"""What a training sample costs: a core's time to read it, a rank's to train on it; tried, briefly.

In: a job, whose data and network it is, and a rank, whose device. Out: seconds of each, or in words
why they are not known. It takes a second or so, or as long as one step of two samples where that is
longer. What a CPU does is counted in its own time, so that others on the machine do not show.

Leaves nothing behind that decides how a training ends: the network is thrown away, and random
numbers go on as if nobody had drawn any.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

import cv2
import numpy as np
import torch

from pipelines.recipe.build import build_architecture, build_codec, build_losses
from pipelines.training.batches import plan_batches
from pipelines.training.board import within
from pipelines.training.device import set_flags, use_for
from pipelines.training.job import Job
from pipelines.training.optimizer import Average, build_optimizer
from pipelines.training.parts import Parts, TrainingFeed, build_feed, layout_of
from pipelines.training.rank import Rank
from pipelines.training.step import train_step

LOOK_S = 0.5  # for reading, and for training, each
READING_S = 20.0  # a disk that answers slower than that is the training's own to complain of
WARM, AT_ONCE = 2, 8  # samples: that are read first and not counted, and between two looks
TURNS = 4096  # of the first epoch that are read in a circle
UNREAD = 16  # samples that may be broken
BUSY = 4.0  # times as long on the clock where others work on the same cores
WARM_STEPS, STEPS = 2, 3  # on CUDA, of the job's own batch
# What is compiled or recorded trains faster than what is tried, by at most about so much on GPUs of
# these years. Compiling it for that would take minutes.
COMPILED, RECORDED = 1.5, 1.6


@dataclass(frozen=True)
class Cost:
    """Seconds a sample: of a core to read it, what a disk takes beside left out, and of the rank to
    train on it."""

    read: float
    train: float


def measured(job: Job, rank: Rank, look_s: float = LOOK_S) -> Cost | str:
    """What a sample costs on this rank, or why that is not known: whatever fails here, the training
    meets itself, and says it as it would have."""
    try:
        with _random_as_before(rank.device):
            return _measured(job, rank, look_s)
    except Exception as error:  # noqa: BLE001 - the training raises it again, or was not bothered
        return " ".join(f"{type(error).__name__}: {error}".split())[:300]
    finally:
        if rank.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()


def _measured(job: Job, rank: Rank, look_s: float) -> Cost:
    feed = build_feed(replace(job, loader_workers=0), rank)
    turns = list(islice(feed.sampler, TURNS))

    def read() -> tuple[float, list[Any]] | Exception:
        try:
            return _read(feed, turns, look_s)
        except Exception as error:  # noqa: BLE001 - raised below
            return error

    answer = within(READING_S, read)
    if answer is None:
        raise TimeoutError(f"a few samples take more than {READING_S:g} s to read")
    if isinstance(answer, Exception):
        raise answer
    took, items = answer
    return Cost(took, _train(job, rank, feed, items, look_s))


def _read(feed: TrainingFeed, turns: list[Any], look_s: float) -> tuple[float, list[Any]]:
    """(seconds of this thread for a sample, as a loader process has one thread; some samples)."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        items = _readable(feed.loader.dataset.samples, turns)
        kept = list(islice(items, WARM))
        took, count, end = 0.0, 0, time.monotonic() + look_s
        while not count or time.monotonic() < end:
            started = time.thread_time()
            kept = list(islice(items, AT_ONCE))
            feed.loader.collate_fn(kept)
            took += time.thread_time() - started
            count += len(kept)
        return took / count, kept
    finally:
        cv2.setNumThreads(threads)


def _readable(samples: Any, turns: list[Any]) -> Iterator[Any]:
    """One after the other, without end; raises ValueError where too many are broken."""
    broken = 0
    for turn in cycle(turns):
        try:
            item = samples[turn]
        except ValueError:
            broken += 1
            if broken > UNREAD:
                raise
            continue
        yield item


def _train(job: Job, rank: Rank, feed: TrainingFeed, items: list[Any], look_s: float) -> float:
    """Seconds of a sample in steps of a network that learns for itself alone."""
    alone = Rank(device=rank.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(job.threads)
    try:
        parts = _parts_to_throw_away(job, rank)

        def step(size: int) -> float:
            batch = feed.loader.collate_fn(list(islice(cycle(items), size)))
            started = _now(rank.device)
            train_step(job, alone, parts, [batch])
            return _now(rank.device) - started

        size, _ = plan_batches(
            job.recipe.training.global_batch, rank.world_size, job.max_batch_per_worker
        )
        if rank.device.type == "cuda":
            steps = [step(size) for _ in range(WARM_STEPS + STEPS)]
            seconds = min(steps[WARM_STEPS:]) / size
        else:
            seconds = _growing(step, size, look_s)
    finally:
        torch.set_num_threads(threads)
    faster = COMPILED if job.recipe.training.compile else 1.0
    return seconds / (faster * RECORDED if parts.use.cuda_graphs else faster)


def _growing(step: Callable[[int], float], size: int, look_s: float) -> float:
    """The least seconds of a sample: a large network takes seconds for two samples, a small one
    is at its best with many. The first step, which warms up, counts where it took all the time."""
    count, end = min(2, size), time.monotonic() + BUSY * look_s
    spent = took = step(count)
    least = took / count
    while spent < look_s and time.monotonic() < end:
        count = min(2 * count, size)
        took = step(count)
        spent, least = spent + took, min(least, took / count)
    return least


def _parts_to_throw_away(job: Job, rank: Rank) -> Parts:
    """As `build_parts` for one rank, from no weights, neither wrapped nor compiled.

    Flags of CUDA are those that the training sets, and must be set before the first work there.
    """
    recipe, training = job.recipe, job.recipe.training
    use = use_for(job, rank)
    if rank.device.type == "cuda":
        set_flags(use)
    network = build_architecture(recipe)
    network = network.to(rank.device, memory_format=layout_of(training))  # type: ignore[call-overload]
    return Parts(
        network,
        network,
        Average(network, training.ema_decay) if training.ema_decay is not None else None,
        build_optimizer(recipe.optimizer, network, fused=use.fused_optimizer),
        torch.amp.GradScaler(rank.device.type, enabled=training.precision == "fp16"),
        build_codec(recipe),
        build_losses(recipe, network.outputs),
        use,
    )


def _now(device: torch.device) -> float:
    """Seconds of a CPU that this thread had, backward passes among it, whose other threads work as
    long; on CUDA those of the clock, once the device is through with what it was given."""
    if device.type != "cuda":
        return time.thread_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


@contextmanager
def _random_as_before(device: torch.device) -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
