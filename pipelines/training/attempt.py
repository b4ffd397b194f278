"""One rank's attempt at a training: alone in its folder, told to MLflow, known errors as values."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist

from data.files.whole_file import write_text_whole
from data.ground.refusal import masked, refusal
from pipelines.host.processes import run_lock
from pipelines.recipe.profile import Cluster
from pipelines.tracking.run_log import Address
from pipelines.tracking.runs import open_run
from pipelines.training.device import use_for
from pipelines.training.job import Job, Listener, SilentListener, TrainingStopped, TrainingSummary
from pipelines.training.load import Teller, load_told
from pipelines.training.loaders import with_loaders
from pipelines.training.loop import train_loop
from pipelines.training.notices import notice_by_signal
from pipelines.training.preflight import preflight
from pipelines.training.rank import Rank
from pipelines.training.watch import failure_note, watched

FULL = (errno.ENOSPC, errno.EDQUOT)
AGREE_S = 5.0  # how long a rank that fails waits for the others to fail as well
PATIENCE_S, HASTE_S = 10.0, 3.0  # for what MLflow was not told yet; when a signal ends us


class TrackedListener(Listener, Teller, Protocol):
    """A listener that is told what is spent meanwhile, and how the training ended."""

    def close(self, status: str, patience: float) -> Path | None: ...


OpenLog = Callable[[Job, Rank], TrackedListener]
Train = Callable[[Job, Rank, Listener], TrainingSummary]
Check = Callable[[Job, Rank], Job]


@dataclass(frozen=True)
class Outcome:
    """What a rank gives back: how training went, or the message of an error not worth a retry."""

    summary: TrainingSummary | None = None
    error: str = ""
    stopped: bool = False


def run_tags(job: Job, rank: Rank) -> dict[str, str]:
    """What MLflow is told of a training beside its recipe."""
    use = use_for(job, rank)
    return {
        "recipe": job.name,
        "recipe_digest": job.recipe.digest(),
        "data_hash": job.data_hash,
        "dataset": job.recipe.dataset,
        "world_size": str(rank.world_size),
        "device_use": str(use),
        "resumes": use.resumes,
        **({"trial": job.trial} if job.trial else {}),
    }


def open_run_log(
    job: Job, rank: Rank, *, later: bool = False, address: Address | None = None
) -> TrackedListener:
    """The training's run in MLflow; later, address: see `open_run`."""
    params = job.recipe.as_dict()
    name = f"{job.name} {job.trial}" if job.trial else job.name
    return open_run(
        name,
        job.fingerprint,
        job.run_folder,
        params=params,
        tags=run_tags(job, rank),
        later=later,
        address=address,
    )


def run_rank(
    job: Job,
    rank: Rank,
    attempt: str = "",
    *,
    train: Train = train_loop,
    open_log: OpenLog = open_run_log,
    agree_s: float = AGREE_S,
    stall_s: float | None = None,
    check: Check | None = None,
) -> Outcome:
    """Trains; what no retry can mend comes back as a value. `attempt`: the driver's name for it.

    A ValueError that only some ranks meet (a broken image) leaves the others waiting, so it is
    written down and raised; Ray then starts the workers again, and they all hear of it here.
    stall_s: after so long without moving all ranks are ended (`watch.py`); None: nobody watches.
    check: what comes before the training, on every rank (`before_training`); it trains the job
    that comes back.
    """
    failure = failure_note(job.run_folder, attempt)
    if known := _known_failure(failure, rank) if attempt else "":
        return Outcome(error=known)
    if stall_s is not None:
        train = _watched(train, attempt, stall_s)
    try:
        if check:
            job = check(job, rank)
        return Outcome(_train_tracked(job, rank, train, open_log))
    except TrainingStopped as error:
        return Outcome(error=str(error), stopped=True)
    except ValueError as error:
        if rank.world_size == 1 or not attempt:
            return Outcome(error=str(error))
        with suppress(OSError):  # a full disk: the error is raised all the same
            _write_down(failure, rank, error)
            if _all_failed(job.run_folder, rank, attempt, agree_s):
                return Outcome(error=str(error))
        raise


def _watched(train: Train, attempt: str, stall_s: float) -> Train:
    def train_watched(job: Job, rank: Rank, listener: Listener) -> TrainingSummary:
        with watched(rank, job.run_folder, attempt, stall_s) as moving:
            return train(job, moving, listener)

    return train_watched


def before_training(auto_loaders: bool) -> Check:
    """What comes before a training; auto_loaders: its loader processes are counted there."""
    return partial(preflight, measure=with_loaders) if auto_loaders else preflight


def check_rank(
    job: Job, rank: Rank, attempt: str = "", *, check: Check = preflight, **_: object
) -> Outcome:
    """As `run_rank`, but only what comes before the training."""
    try:
        check(job, rank)
    except ValueError as error:
        return Outcome(error=str(error))
    return Outcome()


def _known_failure(note: Path, rank: Rank) -> str:
    """What any rank noted of this attempt before the workers were started again; "": nothing.

    Where ranks share no folder, the one that noted it may alone know.
    """
    mine = note.read_text() if note.is_file() else ""
    return next((each for each in rank.gather(mine) if each), "")


def _write_down(note: Path, rank: Rank, error: ValueError) -> None:
    """Rank 0's word counts where several fail."""
    note.parent.mkdir(parents=True, exist_ok=True)
    if rank.is_main or not note.exists():
        write_text_whole(note, masked(str(error)))


def _all_failed(folder: Path, rank: Rank, attempt: str, agree_s: float) -> bool:
    """Whether all ranks are here within `agree_s`: then none waits for another in vain."""
    (folder / f"failed-{attempt}-{rank.rank}").touch()
    end = time.monotonic() + agree_s
    while time.monotonic() < end:
        if len(list(folder.glob(f"failed-{attempt}-*"))) == rank.world_size:
            return True
        time.sleep(0.05)
    return False


def _train_tracked(job: Job, rank: Rank, train: Train, open_log: OpenLog) -> TrainingSummary:
    """The training with rank 0 telling MLflow; how it ended stands there, signals included."""
    with ExitStack() as stack:
        log = _hold_and_open(stack, job, rank, open_log)
        status = "KILLED"
        try:
            with _full_disk_told(job.run_folder), load_told(rank, log):
                summary = train(job, rank, log or SilentListener())
            status = "FINISHED"
        except (TrainingStopped, ValueError):
            status = "FAILED"
            raise
        finally:
            started = time.perf_counter()
            if log:
                with _full_disk_told(job.run_folder):  # that it failed finds no room either
                    log.close(status, HASTE_S if status == "KILLED" else PATIENCE_S)
        summary.seconds["tracking"] = round(time.perf_counter() - started, 3)
        return replace(summary, run_id=log.run_id if log else None)


@contextmanager
def _full_disk_told(folder: Path) -> Iterator[None]:
    """A disk without room, however deep torch met it, as a ValueError; what is kept is whole."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        cause: BaseException | None = error
        while cause and not (isinstance(cause, OSError) and cause.errno in FULL):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise refusal(
            f"{folder} on {socket.gethostname()}",
            fault=f"cannot be written ({cause}); the last checkpoint that was written is whole",
            do="make room on that disk, or set LIMBER_HOME to a folder that has some and move "
            f"{folder.name} there, then run the same command again",
        ) from error


def _hold_and_open(
    stack: ExitStack, job: Job, rank: Rank, open_log: OpenLog
) -> TrackedListener | None:
    """Rank 0's log, once the run folder is held; where rank 0 cannot, all ranks raise its error."""
    log, problem = None, ""
    if rank.is_main:
        try:
            stack.enter_context(run_lock(job.run_folder))
            log = open_log(job, rank)
        except (ValueError, OSError) as error:
            problem = str(error)
    if problem := rank.from_main(problem):
        raise ValueError(problem)
    return log


def train_in_this_process(
    job: Job, cluster: Cluster, run: Callable[..., Outcome] = run_rank
) -> Outcome:
    """One process, or one of torchrun's."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cpu")
    if cluster.machine.gpu:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if world > 1:
        dist.init_process_group(cluster.machine.backend)
    try:
        with notice_by_signal() as notice:
            number = int(os.environ.get("RANK", "0"))
            rank = Rank(number, world, device, notice=notice)
            check = before_training(cluster.machine.auto_loaders)
            return run(job, rank, stall_s=cluster.stall_s, check=check)
    finally:
        if world > 1:
            dist.destroy_process_group()
