"""How many loader processes a rank needs, where the profile says `loader_workers: auto`.

In: a job, whose loaders are the most that there may be, and a rank of it. Out: the job with as many
as it needs, the same on all ranks, and a line on rank 0 that says why, or how many cores are
missing. Decides nothing of how a training ends: its samples are the same by any number of loaders.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace

from pipelines.host.processes import usable_cores
from pipelines.training.job import Job
from pipelines.training.rank import Rank
from pipelines.training.sample_cost import Cost, measured

WAIT_SHARE = 0.04  # of the time: 5 % is the promise
MARGIN = 1.15  # loaders share memory and caches, and images differ
UNMEASURED = 8  # loaders at most where nobody knows


@dataclass(frozen=True)
class Loaders:
    """count: that there will be; wanted: were there cores for all; waits: share of the time that
    training waits for data."""

    count: int
    wanted: int
    waits: float


Measure = Callable[[Job, Rank], Cost | str]


def with_loaders(
    job: Job, rank: Rank, measure: Measure = measured, cores: Callable[[], int] = usable_cores
) -> Job:
    """The job with as many loader processes as it needs, at most the number that it came with.

    Every rank calls it at once. measure: the cost on this rank, or why it is not known;
    cores: of this node.
    """
    nodes = rank.gather(socket.gethostname())
    spare = spare_cores(job, rank, nodes.count(nodes[rank.rank]), cores())
    found = rank.gather((measure(job, rank), spare))
    spare = min(each for _, each in found)
    faults = [each for each, _ in found if isinstance(each, str)]
    if faults:
        loaders = Loaders(min(spare, UNMEASURED), 0, 0.0)
        said = f"could not be measured ({faults[0]}): {loaders.count}, by cores alone"
    else:
        # A step is through when its slowest rank is, and each rank must have its samples by then.
        costs = [each for each, _ in found if isinstance(each, Cost)]
        cost = Cost(max(each.read for each in costs), max(each.train for each in costs))
        loaders = decide(cost, spare)
        said = told(cost, loaders, spare)
    if rank.is_main:
        print(f"{job.name}: loaders auto: {said}", flush=True)
    return replace(job, loader_workers=loaders.count)


def spare_cores(job: Job, rank: Rank, here: int, usable: int) -> int:
    """Cores of each of `here` ranks on a node that do not train, at most the job's loaders.

    A GPU takes one, which tells it what to do.
    """
    trains = 1 if rank.device.type == "cuda" else job.threads
    return max(0, min(job.loader_workers, usable // here - trains))


def decide(cost: Cost, spare: int) -> Loaders:
    """None where reading between steps costs next to nothing, else enough to keep up."""
    alone = cost.read / (cost.read + cost.train)
    if alone < WAIT_SHARE:
        return Loaders(0, 0, alone)
    at_once = cost.read / cost.train  # cores that read as fast as one rank trains
    wanted = math.ceil(at_once * MARGIN)
    count = min(wanted, spare)
    return Loaders(count, wanted, max(0.0, 1 - count / at_once) if count else alone)


def told(cost: Cost, loaders: Loaders, spare: int) -> str:
    """In words."""
    read, train = (f"{1000 * seconds:.1f} ms" for seconds in (cost.read, cost.train))
    said = f"{read} to read a sample, {train} to train on it"
    if not loaders.wanted:
        return f"{said}: no loader is needed"
    if loaders.waits < WAIT_SHARE:
        return f"{said}: {loaders.count} of {spare} spare core{'s' * (spare > 1)} per rank"
    lacking = loaders.wanted - loaders.count
    cores = "1 core per rank is" if lacking == 1 else f"{lacking} cores per rank are"
    return (
        f"{said}: {loaders.count} of {loaders.wanted} needed, {cores} missing: training will wait "
        f"for data some {loaders.waits:.0%} of its time"
    )
