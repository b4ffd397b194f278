"""A training that is finished: its note, what is taken over from it, and when it starts afresh."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from data.files.whole_file import write_text_whole
from pipelines.training.job import Job, TrainingSummary

FINISHED = "finished.json"  # in a run folder: its results are written


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
        note = json.loads((run_folder / FINISHED).read_text())
        summary = TrainingSummary(**note.pop("summary"))  # whole numbers stay whole in history.csv
        return Finished(**note, summary=summary)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
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


def set_aside(run_folder: Path, code: str = "") -> None:
    """A finished training whose result is not taken over gets a number; the new one starts afresh.

    code: of the new one.
    """
    if not (run_folder / FINISHED).is_file():
        return
    number = 1
    while (old := run_folder.with_name(f"{run_folder.name}.{number}")).exists():
        number += 1
    done = read_finished(run_folder)
    by = "" if done and done.code == code else ", by other code" if done else ", by unknown code"
    run_folder.rename(old)
    say = f"was finished{by}; trained again, the old run is {old.name}"
    print(f"{run_folder.name}: {say}", flush=True)
