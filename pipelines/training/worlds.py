"""How many of the workers that are there train: a recipe's global batch on a world that changes.

A step trains on the recipe's global batch at its learning rate on any number of workers: each takes
an equal share, cut into micro-batches that fit (`batches.py`). A world that cannot share it evenly
trains on the largest one that can, and its other workers stand by. BatchNorm's statistics are those
of a micro-batch, so their groups change with the world, as they do with `--workers`; with
`training.sync_batch_norm` a group is the micro-batches of all workers.
"""

from __future__ import annotations

from dataclasses import replace

import torch.distributed as dist

from data.ground.refusal import refusal
from pipelines.recipe.profile import Profile
from pipelines.training.batches import plan_batches
from pipelines.training.rank import Rank


def working(global_batch: int, workers: int) -> int:
    """The largest number of `workers` that share the global batch evenly."""
    return next(n for n in range(workers, 0, -1) if global_batch % n == 0)


def check_worlds(global_batch: int, machine: Profile, largest: int) -> None:
    """Raises ValueError where the workers of a profile cannot share the batch.

    Of an elastic one some number from its least to its most must; others have who stands by.
    """
    if not machine.is_elastic:
        plan_batches(global_batch, machine.workers, largest)
        return
    plan_batches(global_batch, 1, largest)
    least, most = machine.least_workers, machine.workers
    if working(global_batch, most) < least:
        raise refusal(
            f"training.global_batch, {least} to {most} workers",
            given=global_batch,
            accepted=f"a multiple of a number from {least} to {most}",
            do="change it, or the workers of the cluster profile",
        )


def take_place(worker: Rank, global_batch: int) -> Rank | None:
    """A worker of all that are there as a rank of those that train; None where it stands by.

    Every worker calls it, torch.distributed set up. Who stands by returns at once: the others
    have a process group of their own.
    """
    there, ranks = worker.world_size, working(global_batch, worker.world_size)
    if ranks == there:
        return worker
    group = dist.new_group(list(range(ranks)))
    if worker.rank < ranks:
        return replace(worker, world_size=ranks, group=group)
    said = f"{ranks} of {there} workers share a global batch of {global_batch}"
    print(f"worker {worker.rank + 1} stands by: {said}", flush=True)
    return None
