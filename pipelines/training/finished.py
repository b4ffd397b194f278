"""A training that is finished or interrupted: what is taken over, and when it starts afresh."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from data.files.whole_file import write_text_whole
from pipelines.host.folders import writable
from pipelines.host.processes import run_lock
from pipelines.host.sessions import is_alive
from pipelines.tracking.runs import OUTBOX_NAME
from pipelines.training.checkpoint import read_manifests
from pipelines.training.job import Job, TrainingSummary

FINISHED = "finished.json"  # in a run folder: its results are written
ASIDE = "aside.json"  # there: the old training, and the process that moved it for a new one


@dataclass(frozen=True)
class Finished:
    """time: seconds since 1970; code: as of `Job`, when the training began or went on."""

    time: float
    code: str
    summary: TrainingSummary

    def write(self, run_folder: Path) -> None:
        write_text_whole(run_folder / FINISHED, json.dumps(asdict(self)))


def read_finished(run_folder: Path) -> Finished | None:
    """None where the training is not finished, or a note of an older kind says too little."""
    try:
        return finished_of((run_folder / FINISHED).read_text())
    except (OSError, ValueError):
        return None


def finished_of(text: str) -> Finished | None:
    """Of a note's text; None where it says too little."""
    try:
        note = json.loads(text)
        summary = TrainingSummary(**note.pop("summary"))  # whole numbers stay whole in history.csv
        return Finished(**note, summary=summary)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def finished_alike(job: Job) -> Finished | None:
    """The job's training where it is finished already: same recipe, data, weights and code."""
    done = read_finished(job.run_folder)
    return done if done and done.code and done.code == job.code else None


def say_taken_over(job: Job, done: Finished) -> None:
    when = datetime.fromtimestamp(done.time).isoformat(" ", "minutes")
    print(
        f"{job.name}: finished already on {when}, same recipe, data and code: its result is taken "
        f"over, nothing is trained (`python -m pipelines.train {job.name} --again` trains anew)",
        flush=True,
    )


@contextmanager
def aside(run_folder: Path, code: str = "") -> Iterator[None]:
    """As `set_aside`; the old training comes back where the new one is refused before it begins."""
    old = set_aside(run_folder, code)
    try:
        yield
    finally:
        if old and not _has_begun(run_folder):
            _put_back(old, run_folder)


def take_back(run_folder: Path) -> None:
    """What a command that was ended before its training began had moved aside is there again.

    For the process that decides what becomes of the folder.
    """
    try:
        note = json.loads((run_folder / ASIDE).read_text())
        old, mover = run_folder.with_name(str(note["old"])), int(note["process"])
    except (OSError, ValueError, TypeError, KeyError):
        return
    if old.is_dir() and not is_alive(mover) and not _has_begun(run_folder):
        _put_back(old, run_folder)


def _put_back(old: Path, run_folder: Path) -> None:
    with writable(run_folder):
        shutil.rmtree(run_folder, ignore_errors=True)  # what Ray noted of it
        old.rename(run_folder)
    print(f"{old.name}: is {run_folder.name} again, nothing was trained", flush=True)


def _has_begun(run_folder: Path) -> bool:
    """Whether a training there told anything, or kept a checkpoint."""
    told = run_folder / OUTBOX_NAME
    return (told.is_file() and told.stat().st_size > 0) or bool(read_manifests(run_folder))


def set_aside(run_folder: Path, code: str = "") -> Path | None:
    """A training that is not gone on with gets a number; the new one starts afresh in its place.
    Its folder now; None where there was none to set aside.

    That is a finished one whose result is not taken over, and an interrupted one whose deciding
    code has changed since: half of it would be by other code than the other half. code: of the new
    one. Raises ValueError where another process still trains there.
    """
    take_back(run_folder)
    if not why_aside(run_folder, code):
        return None
    with run_lock(run_folder):
        if why := why_aside(run_folder, code):  # whom we waited for may have moved it
            number = 1
            while (old := run_folder.with_name(f"{run_folder.name}.{number}")).exists():
                number += 1
            run_folder.rename(old)
            run_folder.mkdir()
            note = {"old": old.name, "process": os.getpid()}
            write_text_whole(run_folder / ASIDE, json.dumps(note))
            print(f"{run_folder.name}: {why.format(old=old.name)}", flush=True)
            return old
    return None


def why_aside(run_folder: Path, code: str) -> str:
    """Why the training there is not gone on with, `{old}` for its new name; "" where it is."""
    if (run_folder / FINISHED).is_file():
        done = read_finished(run_folder)
        by = ", by other code" if done else ", by unknown code"
        by = "" if done and done.code == code else by
        return f"was finished{by}; trained again, the old run is {{old}}"
    begun = {manifest.code for manifest in read_manifests(run_folder)}
    if not begun or begun == {code}:
        return ""
    return (
        "was interrupted, and the code that decides it has changed since; trained from the "
        "beginning, the old run is {old} (to go on with it, take that code back and rename it)"
    )
