"""Trains a recipe, or goes on with its training, as one Ray Train job.

    python -m pipelines.train RECIPE [--workers N] [--again]  a cluster that runs, else a local head
    python -m pipelines.train RECIPE --preflight              only see whether it can; no training
    python -m pipelines.train RECIPE --local                  one process, no Ray
    torchrun --nproc-per-node 2 -m pipelines.train RECIPE     several, no Ray

In: recipes/RECIPE.yaml, its prepared data set and weights, the cluster profile of params.yaml.
Out: runs/RECIPE-FINGERPRINT (checkpoints, outbox), results/RECIPE/trained (best.pt, summary.json,
history.csv). Exit code: 0 done; 1 stopped (losses not finite, workers that died); 2 refused; 3 its
job was stopped by somebody; 128 + n after a signal: the same command goes on from the last
checkpoint.
Where `cluster.address` of params.yaml or RAY_ADDRESS names a cluster, the training is a job there:
one that runs already is followed, its log is shown, a signal stops it, and it goes on alone where
this command is killed.
A training that is finished, a submitted one too, is taken over by whoever asks for it again on the
same recipe, data, weights and code; --again trains anew beside it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from data.ground.refusal import masked
from pipelines.cluster.addresses import inside_a_job, wanted_address
from pipelines.host import places
from pipelines.host.command import Arguments, run_command, whole_number
from pipelines.host.progress import Clock
from pipelines.host.signals import Interrupted, catch_signals, interruption, say_interrupted
from pipelines.host.writable import writable
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import COUNTS, INSTEAD, Cluster
from pipelines.recipe.schema import Recipe
from pipelines.training.job import Job, LoaderError, TrainingStopped

if TYPE_CHECKING:
    from pipelines.training.attempt import Outcome
    from pipelines.training.finished import Finished


def main(argv: Sequence[str], stage: Callable[..., None] | None = None) -> int:
    arguments = Arguments("train", __doc__)
    arguments.add_argument("recipe", help="name of a file in recipes/, without .yaml")
    arguments.add_argument("--local", action="store_true", help="in this process, without Ray")
    arguments.add_argument("--workers", type=whole_number(COUNTS["workers"]), help=INSTEAD)
    arguments.add_argument("--again", action="store_true", help="also where it is finished")
    arguments.add_argument("--preflight", action="store_true", help="only see whether it can")
    return run_command(arguments, argv, lambda options: exit_code(options, stage or train))


def exit_code(options: Namespace, stage: Callable[..., None]) -> int:
    """Of the stage; a refusal is raised."""
    from pipelines.cluster.stage import JobEnded

    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # also into a file
    catch_signals()
    local = options.local or "TORCHELASTIC_RUN_ID" in os.environ  # torchrun: no Ray either
    try:
        if options.preflight:
            preflight(options.recipe, local=local, workers=options.workers)
        else:
            stage(options.recipe, local=local, workers=options.workers, again=options.again)
    except (Interrupted, TrainingStopped, LoaderError) as error:
        if interrupted := interruption(error):
            return say_interrupted(options.recipe, int(interrupted.args[0]))
        print(masked(f"error: {error}"), file=sys.stderr, flush=True)
        return error.code if isinstance(error, JobEnded) else 1
    return 0


def train(
    name: str,
    *,
    local: bool,
    workers: int | None = None,
    again: bool = False,
    recipe: Recipe | None = None,
    train_local: Callable[[Job, Cluster], Outcome] | None = None,
) -> None:
    """The whole stage. Raises ValueError, before Ray starts where it can, and TrainingStopped.

    recipe: what trains under that name, where it is not recipes/NAME.yaml; again: also where the
    same training is finished; train_local: in place of `train_in_this_process`.
    """
    from pipelines.cluster.by_store import train_for_all
    from pipelines.cluster.driver import planned
    from pipelines.cluster.ray_train import train_through_ray
    from pipelines.cluster.stage import train_by_job
    from pipelines.training.attempt import train_in_this_process

    address = wanted_address(load_params()["cluster"].get("address"))
    if address and not (local or recipe or inside_a_job()):
        check_kept(name)
        return train_by_job(name, address, workers=workers, again=again)
    clock = Clock()
    with clock("configuration"):
        torchrun = int(os.environ.get("WORLD_SIZE", "1")) if local else None
        job, cluster = planned(name, torchrun or workers, recipe)
    through_ray = partial(train_through_ray, cluster=cluster, clock=clock)
    if cluster.storage:
        return train_for_all(cluster.storage, job, through_ray, clock)
    if not local:
        return train_here(job, clock, through_ray, again=again)
    here, is_main = train_local or train_in_this_process, os.environ.get("RANK", "0") == "0"
    attempt = partial(_attempt_here, here, cluster)
    return train_here(job, clock, attempt, again=again, is_main=is_main)


def _attempt_here(
    here: Callable[[Job, Cluster], Outcome],
    cluster: Cluster,
    job: Job,
    around: AbstractContextManager[object],
) -> Outcome:
    with around:
        return here(job, cluster)


def train_here(
    job: Job,
    clock: Clock,
    attempt: Callable[..., Outcome],
    *,
    again: bool,
    is_main: bool = True,
) -> None:
    """In this home's folders. is_main: of several processes by torchrun the one that writes;
    attempt: of the job, and of `around`, which it enters when nothing is left that could be asked
    before the training begins: a finished run is moved aside there."""
    from pipelines.training.finished import aside, finished_alike, take_back

    if is_main:
        take_back(job.run_folder)
    done = None if again else finished_alike(job)
    if is_main:
        places.leave_note()
    if done:
        return _take_over(job, done, clock) if is_main else None
    if not is_main:
        attempt(job, around=nullcontext())
        return None
    check_kept(job.name)
    check_writable(job.run_folder if job.run_folder.is_dir() else job.run_folder.parent)
    outcome = attempt(job, around=aside(job.run_folder, job.code))
    return _keep(job, outcome, clock)


def check_kept(name: str) -> None:
    """Raises ValueError, before anything is trained, where results could not be written."""
    check_writable(places.trained(name).parent)


def check_writable(folder: Path) -> None:
    with writable(folder / "any"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"room")


def _take_over(job: Job, done: Finished, clock: Clock) -> None:
    from pipelines.training.finished import say_taken_over
    from pipelines.training.results import write_results

    say_taken_over(job, done)
    write_results(job, done.summary, clock)


def preflight(name: str, *, local: bool, workers: int | None) -> None:
    """What comes before a training, without it: on the cluster that is named, else here. Raises
    ValueError with what is lacking where; JobEnded where a cluster's job, whose log says it, fails.
    """
    from pipelines.cluster.driver import planned
    from pipelines.cluster.ray_train import check_worker, train_through_ray
    from pipelines.cluster.stage import check_by_job
    from pipelines.training.attempt import check_rank, train_in_this_process

    address = wanted_address(load_params()["cluster"].get("address"))
    if address and not (local or inside_a_job()):
        check_by_job(name, address, workers=workers)
        return
    torchrun = int(os.environ.get("WORLD_SIZE", "1")) if local else None
    job, cluster = planned(name, torchrun or workers, None)
    if local:
        outcome = train_in_this_process(job, cluster, check_rank)
    else:
        outcome = train_through_ray(job, cluster, Clock(), check_worker)
    if outcome.error:
        raise ValueError(outcome.error)


def _keep(job: Job, outcome: Outcome, clock: Clock) -> None:
    from pipelines.training.finished import Finished
    from pipelines.training.results import write_results

    if outcome.summary is None:
        raise TrainingStopped(outcome.error) if outcome.stopped else ValueError(outcome.error)
    with clock("results"):
        write_results(job, outcome.summary, clock)
    Finished(time.time(), job.code, outcome.summary).write(job.run_folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
