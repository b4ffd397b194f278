"""A rank's attempt at a training whose run folder is kept in a store: `run_rank`, mirrored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from data.ground.refusal import masked
from pipelines.depot.checkpoints import checkpoint_address
from pipelines.depot.key import run_key, run_prefix
from pipelines.depot.mirror import PACE, Mirror, Pace
from pipelines.store.store import Store
from pipelines.tracking.database import database_file
from pipelines.tracking.server import tracking_uri
from pipelines.training.attempt import OpenLog, Outcome, TrackedListener, open_run_log, run_rank
from pipelines.training.finished import set_aside
from pipelines.training.job import Job
from pipelines.training.rank import Notice, Rank

NOTICED_S = 60.0  # how long training waits for the checkpoint that it writes on a notice


class MirroredLog:
    """A training's log whose run folder is mirrored; see `attempt.TrackedListener`.

    Raises ValueError from `epoch` and `checkpoint` where another attempt has taken over, which ends
    the training.
    """

    def __init__(self, log: TrackedListener, mirror: Mirror) -> None:
        self._log, self._mirror = log, mirror

    @property
    def run_id(self) -> str | None:
        return self._log.run_id

    def epoch(self, epoch: int, step: int, metrics: dict[str, float]) -> None:
        self._log.epoch(epoch, step, metrics)
        self._mirror.check()

    def picture(self, path: Path, folder: str) -> None:
        self._log.picture(path, folder)

    def checkpoint(self, path: Path, epoch: int, metrics: dict[str, float], sha256: str) -> None:
        self._log.checkpoint(path, epoch, metrics, sha256)
        self._mirror.check()

    def load(self, metrics: Mapping[str, float], spent: Mapping[str, float]) -> None:
        self._log.load(metrics, spent)

    def age(self) -> float:
        return self._log.age()

    def tag(self, name: str, value: str) -> None:
        self._log.tag(name, value)

    def flush(self, timeout: float) -> bool:
        """Waits until all is up, so many seconds at most: after a checkpoint before a node goes."""
        return self._mirror.flush(timeout)

    def close(self, status: str, patience: float) -> Path | None:
        """Raises ValueError where a whole training's last checkpoint cannot be put up."""
        left = self._log.close(status, patience)
        if status == "FINISHED":
            self._mirror.close()
        else:
            self._mirror.leave(patience)
        return left


def mirrored_log(mirror: Mirror, open_log: OpenLog | None = None) -> OpenLog:
    """Opens a training's log once its run folder has what the store knows of it.

    open_log: `open_run_log` where a server is told, its outbox alone where none is: then the
    checkout tells its own database when the results come back. Raises ValueError where the store
    stays away or this node's disk is full.
    """

    def opened(job: Job, rank: Rank) -> MirroredLog:
        mirror.begin()
        log = (open_log or _own_log(mirror))(job, rank)
        mirror.start()
        return MirroredLog(log, mirror)

    return opened


def _own_log(mirror: Mirror) -> OpenLog:
    def address(path: Path, sha256: str) -> str:
        return checkpoint_address(mirror.store, mirror.key, path.name, sha256)

    here = database_file(tracking_uri()) is not None
    return partial(open_run_log, later=here, address=address)


def mirrored_notice(given: Notice, mirror: Mirror) -> Notice:
    """A notice whose checkpoint is in the store before training goes on; also that another attempt
    has taken over, which ends the training at the next step instead of the epoch's end."""

    def heard() -> bool:
        word = given.heard()
        return word or mirror.is_lost

    def kept() -> None:
        mirror.check()
        mirror.flush(NOTICED_S)
        given.kept()

    return Notice(heard, kept)


def run_mirrored(
    job: Job, rank: Rank, attempt: str, store: Store, pace: Pace = PACE, **how: Any
) -> Outcome:
    """As `run_rank`, which takes `how`, on nodes that share nothing but the store.

    What lies in rank 0's run folder of other code is set aside first.
    """

    def run() -> Outcome:
        if not rank.is_main:
            return run_rank(job, rank, attempt, **how)
        set_aside(job.run_folder, job.code)
        mirror = Mirror(store, run_key(job), job.run_folder, pace)
        main = replace(rank, notice=mirrored_notice(rank.notice, mirror))
        return run_rank(job, main, attempt, open_log=mirrored_log(mirror), **how)

    return failures_shared(store, job, attempt, run)


def failures_shared(store: Store, job: Job, attempt: str, run: Callable[[], Outcome]) -> Outcome:
    """What `run_rank` writes down of an error that only some ranks meet, for all nodes' ranks."""
    name = f"{run_prefix(run_key(job))}failed-{attempt}"
    if attempt and (said := store.read(name)) is not None:
        return Outcome(error=said.decode())
    try:
        return run()
    except ValueError as error:
        if attempt:
            with suppress(ValueError):  # the store is away: the first error is the one to tell
                store.write(name, masked(str(error)).encode())
        raise
