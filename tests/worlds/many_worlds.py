"""One training on 4, 2, 3 workers and then 1: `-m tests.worlds.many_worlds JOB FOLDER`.

Four processes, forked once all is imported. What each rank was given in each step stands in
FOLDER/changing.jsonl, of the same training on one worker alone in FOLDER/alone.jsonl.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # an optimizer imports it: once here, not in each process
import torch.distributed as dist

from pipelines.training import checkpoint
from pipelines.training.job import Job, SilentListener
from pipelines.training.loop import train_loop
from pipelines.training.parts import Parts
from pipelines.training.rank import Notice, Rank
from pipelines.training.step import Taken, train_step
from pipelines.training.worlds import take_place

PROCESSES = 4
PHASES = ((4, 1), (2, 2), (3, 5), (1, None))  # workers, step after which they are ended


class Ended(Exception):  # noqa: N818 - it tells what happened
    """The workers are taken away."""


class Steps:
    """As `train_step`, without BatchNorm's groups; writes down what the rank was given."""

    def __init__(self, done: int, last: int | None, file: Path) -> None:
        self._done, self._last, self._file = done, last, file

    def heard(self) -> bool:
        return self._done + 1 == self._last  # asked in the step that is the next to be done

    def __call__(self, job: Job, rank: Rank, parts: Parts, micro: Sequence[Any]) -> Taken:
        if self._done == self._last:
            raise Ended
        parts.network.eval()
        parts.network.train = lambda mode=True: parts.network  # type: ignore
        taken = train_step(job, rank, parts, micro)
        self._done += 1
        rows = [row for batch in micro for row in batch.sample_id.tolist()]
        rate = parts.optimizer.param_groups[0]["lr"]
        loss = float(taken.sums[0])
        line = json.dumps([self._done, rank.world_size, len(micro), rows, loss, rate])
        with self._file.open("a") as file:
            file.write(line + "\n")
        return taken


def trained(job: Job, rank: Rank, last: int | None, file: Path) -> None:
    """Until `last` steps are done, of which the last worker alone hears beforehand."""
    manifests = checkpoint.read_manifests(job.run_folder)
    steps = Steps(manifests[-1].step if manifests else 0, last, file)
    if rank.rank == rank.world_size - 1:
        rank = replace(rank, notice=Notice(steps.heard))
    try:
        summary = train_loop(job, rank, SilentListener(), steps)
    except Ended:
        return
    if rank.is_main:
        file.with_suffix(".history").write_text(json.dumps(summary.history))


def run(job: Job, folder: Path, number: int) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=number, world_size=PROCESSES)
    for workers, last in PHASES:
        group = dist.new_group(list(range(workers)))
        if number < workers:
            trained(job, Rank(number, workers, group=group), last, folder / "changing.jsonl")
        dist.barrier()
    place = take_place(Rank(number, PROCESSES), 9)  # 3 of 4 share a batch of 9
    said = int(place.total(torch.ones(1))) if place else 0
    (folder / f"place_{number}").write_text(str(said))
    dist.destroy_process_group()


def main(path: str, given: str) -> None:
    job: Job = pickle.loads(Path(path).read_bytes())
    folder = Path(given)
    children = []
    for number in range(PROCESSES):
        child = os.fork()
        if not child:
            run(job, folder, number)
            os._exit(0)
        children.append(child)
    codes = [os.waitpid(child, 0)[1] for child in children]
    assert not any(codes), codes
    alone = replace(job, run_folder=folder / "alone")
    trained(alone, Rank(), None, folder / "alone.jsonl")


if __name__ == "__main__":
    main(*sys.argv[1:])
