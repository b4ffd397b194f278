"""One training's voice: epochs, pictures, checkpoints, load and cost, into an outbox."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pipelines.tracking.outbox import NoPostman, Outbox, Postman

FINAL_PATIENCE_SECONDS = 60.0
LONGEST_PARAM = 6000
COST = "cost/"  # what a training spent, all its attempts together
QUIET_SECONDS = 60.0  # between two sendings of load alone
Address = Callable[[Path, str], str]  # of a checkpoint (its file, its sha256): where it is kept


class RunLog:
    """The training's `Listener`. Its methods return at once; sending is the postman's.

    address: where checkpoints are kept, if that is not the run folder.
    """

    def __init__(
        self, outbox: Outbox, postman: Postman | NoPostman, address: Address | None = None
    ) -> None:
        self._outbox, self._postman, self._address = outbox, postman, address
        self._epochs = outbox.epochs()
        self._checkpoints = outbox.checkpoints()
        self._began, self._woken = outbox.began(), time.monotonic()
        self._spent = outbox.last_system(COST)
        self._closed = False

    @property
    def run_id(self) -> str | None:
        """MLflow's id of this run; None as long as no server has answered."""
        return self._postman.run_id

    def start(self) -> RunLog:
        self._postman.start()
        return self

    def wait(self, seconds: float) -> str | None:
        """`run_id`, waited for at most so long."""
        return self._postman.connected(seconds)

    def epoch(self, epoch: int, step: int, metrics: dict[str, float]) -> None:
        """An epoch's numbers, once: an epoch that is already written down is left out."""
        if epoch in self._epochs:
            return
        self._epochs.add(epoch)
        self._outbox.append("epoch", epoch=epoch, step=step, metrics=finite_only(metrics))
        self._postman.notify()

    def picture(self, path: Path, folder: str) -> None:
        self._outbox.append("picture", path=self._outbox.path_told(path), folder=folder)
        self._postman.notify()

    def checkpoint(self, path: Path, epoch: int, metrics: dict[str, float], sha256: str) -> None:
        """A checkpoint that is kept: its place, digest and numbers, not its weights."""
        if (epoch, sha256) in self._checkpoints:
            return
        self._checkpoints.add((epoch, sha256))
        place = self._address(path, sha256) if self._address else self._outbox.path_told(path)
        self._outbox.append(
            "checkpoint",
            place=place,
            epoch=epoch,
            metrics=finite_only(metrics),
            sha256=sha256,
        )
        self._postman.notify()

    def load(self, metrics: Mapping[str, float], spent: Mapping[str, float]) -> None:
        """What machines and ranks take now, its step the seconds since the first attempt began.

        spent: since the last call, by a name below `cost/`; told is the sum, over all attempts.
        """
        for name, amount in spent.items():
            self._spent[COST + name] = self._spent.get(COST + name, 0.0) + amount
        step = int(time.time() - self._began)
        told = finite_only({**metrics, **self._spent})
        self._outbox.append("system", step=step, metrics=told)
        if time.monotonic() - self._woken >= QUIET_SECONDS:
            self._woken = time.monotonic()
            self._postman.notify()

    def age(self) -> float:
        """Seconds since the first attempt began."""
        return time.time() - self._began

    def tag(self, name: str, value: str) -> None:
        """A word about this attempt, kept as `limber.<name>`."""
        self._outbox.append("tags", tags={f"limber.{name}": value})

    def close(self, status: str, patience: float = FINAL_PATIENCE_SECONDS) -> Path | None:
        """Ends the run (FINISHED, FAILED or KILLED); the outbox if something was left unsent.

        Waits at most `patience` seconds, and prints the command that sends what is left.
        """
        assert status in ("FINISHED", "FAILED", "KILLED"), status
        if self._closed:
            return None
        self._closed = True
        self._outbox.append("close", status=status)
        sent = self._postman.finish(patience)
        self._outbox.release()
        if sent:
            return None
        print(
            "tracking: not everything reached the tracking server. When it answers:\n"
            f"    python -m pipelines.tracking {self._outbox.path}",
            file=sys.stderr,
        )
        return self._outbox.path


def finite_only(metrics: dict[str, float]) -> dict[str, float]:
    """Numbers as json takes them; what is not finite is left out (a gap in the curve)."""
    return {key: float(value) for key, value in metrics.items() if math.isfinite(value)}


def flatten(nested: dict[str, object], prefix: str = "") -> dict[str, str]:
    """`{"training": {"epochs": 8}}` -> `{"training.epochs": "8"}`, cut to what MLflow takes."""
    flat: dict[str, str] = {}
    for key, value in nested.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)[:LONGEST_PARAM]
    return flat


def metric_name(ours: str) -> str:
    """MLflow's spelling: no `@` is allowed there, `AP@gt` becomes `gt/AP`.

    Its page draws what stands before the last `/` as one group of charts, so that a protocol's
    numbers are together; `analysis/miss@gt` becomes `analysis/gt/miss`.
    """
    name, _, protocol = ours.rpartition("@")
    if name:
        folder, slash, last = name.rpartition("/")
        ours = f"{folder}{slash}{protocol}/{last}"
    return re.sub(r"[^/\w.\- :]", "_", ours)
