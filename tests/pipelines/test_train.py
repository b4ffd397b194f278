"""The stage around the loop: refusals before Ray, results, resume policy, profiles, one head."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch

from pipelines import train
from pipelines.digests.deciding import training_code
from pipelines.host import places
from pipelines.host.signals import SIGNALS, Interrupted
from pipelines.intake.prepared import data_hash
from pipelines.recipe.schema import Recipe
from pipelines.training import checkpoint
from pipelines.training.attempt import run_rank, train_in_this_process
from pipelines.training.finished import FINISHED, read_finished
from pipelines.training.job import (
    Job,
    Listener,
    LoaderError,
    SilentListener,
    TrainingStopped,
    TrainingSummary,
    training_fingerprint,
)
from pipelines.training.load import SilentTeller
from pipelines.training.loop import train_loop
from pipelines.training.rank import Rank
from tests.worlds import drawn
from tests.worlds.here import ROOT

# a training sets torch's threads, too
pytestmark = pytest.mark.usefixtures("one_thread", "signals_as_before")
T = TypeVar("T")


class QuietLog(SilentListener, SilentTeller):
    """A run log that tells nobody."""

    run_id = "run-1"
    status = ""

    def close(self, status: str, patience: float) -> None:
        self.status = status


def open_quiet_log(job: Job, rank: Rank) -> QuietLog:
    return QuietLog()


@pytest.fixture
def drawn_home(home: Path) -> Path:
    """A home with drawn people."""
    drawn.draw_at_home()
    return home


def small_recipe() -> Recipe:
    return drawn.small_recipe(epochs=2, steps_per_epoch=2)


def train_small(
    name: str = "small",
    *,
    local: bool = True,
    workers: int | None = None,
    again: bool = False,
    loop: Any = train_loop,
) -> None:
    """The stage on a recipe of the tests' own; nothing goes to MLflow."""
    run = partial(run_rank, train=loop, open_log=open_quiet_log)
    train.train(
        name,
        local=local,
        workers=workers,
        again=again,
        recipe=small_recipe(),
        train_local=partial(train_in_this_process, run=run),
    )


def test_results_say_what_was_trained(drawn_home: Path) -> None:
    train_small()
    folder = places.trained("small")
    best = torch.load(folder / "best.pt", weights_only=True)
    summary = json.loads((folder / "summary.json").read_text())
    recipe = small_recipe()
    assert best["recipe"] == recipe.as_dict()
    assert (
        best["fingerprint"]
        == summary["fingerprint"]
        == training_fingerprint(recipe, data_hash(drawn.NAME))
    )
    assert best["epoch"] == summary["best_epoch"]
    assert (summary["steps"], summary["epochs"], summary["world_size"]) == (4, 2, 1)
    assert summary["run_id"] == "run-1"
    assert {"configuration", "build", "steps", "validation"} <= set(summary["seconds"])
    state = checkpoint.read_checkpoint(drawn_home / summary["checkpoint"])
    assert all(torch.equal(best["model"][k], v) for k, v in state["average"]["network"].items())
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "learning_rate", "AP@gt"} <= set(rows[0])


def test_a_disk_that_does_not_even_take_that_it_is_full_is_told(tmp_path: Path) -> None:
    """As the outbox's last line there, which says that the training failed."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class FullLog(QuietLog):
        def close(self, status: str, patience: float) -> None:
            raise full

    def loop(job: Job, rank: Rank, listener: Listener) -> TrainingSummary:
        raise full

    job = drawn.small_job(tmp_path, (tmp_path, tmp_path), small_recipe())
    outcome = run_rank(job, Rank(), train=loop, open_log=lambda *_: FullLog())
    assert re.search(r"cannot be written .*No space left.*make room", outcome.error)


def test_a_folder_that_cannot_be_written_is_told_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ValueError, match=r"runs.* cannot be written .*give this user write"):
        train.check_writable(tmp_path / "runs" / "small")
    train.check_writable(tmp_path / "results" / "small")
    assert list((tmp_path / "results" / "small").iterdir()) == []


def never(job: Job, rank: Rank, listener: Listener) -> TrainingSummary:
    raise AssertionError("trained")


def test_an_unfinished_training_goes_on_and_a_finished_one_is_taken_over(
    drawn_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_small()
    runs = drawn_home / "runs"
    (run,) = runs.iterdir()
    (run / FINISHED).unlink()  # as if killed before its results were written
    train_small()
    assert "goes on from" in capsys.readouterr().out
    assert [path.name for path in runs.iterdir()] == [run.name]
    kept = {path.name: path.read_bytes() for path in places.trained("small").iterdir()}
    summary = json.loads(kept.pop("summary.json"))
    shutil.rmtree(places.trained("small"))  # as DVC does before it runs the stage
    train_small(loop=never)
    assert "its result is taken over, nothing is trained" in capsys.readouterr().out
    for name, content in kept.items():
        assert (places.trained("small") / name).read_bytes() == content, name
    again = json.loads((places.trained("small") / "summary.json").read_text())
    summary["seconds"].pop("configuration"), again["seconds"].pop("configuration")
    summary["seconds"].pop("results", None), again["seconds"].pop("results", None)
    assert again == summary
    assert [path.name for path in runs.iterdir()] == [run.name]


def test_a_finished_training_starts_afresh_where_asked_or_by_other_code(
    drawn_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_small()
    runs = drawn_home / "runs"
    (run,) = runs.iterdir()
    train_small(again=True)
    assert f"{run.name}: was finished; trained again" in capsys.readouterr().out
    done = read_finished(run)
    assert done is not None
    assert done.code == training_code(small_recipe())
    replace(done, code="other").write(run)
    train_small()
    assert f"{run.name}: was finished, by other code; trained again" in capsys.readouterr().out
    (run / FINISHED).write_text('{"time": 0.0}')  # as an older version left it
    train_small()
    told = capsys.readouterr().out
    assert f"{run.name}: was finished, by unknown code; trained again" in told
    assert "goes on from" not in told
    names = [run.name, *(f"{run.name}.{number}" for number in (1, 2, 3))]
    assert sorted(path.name for path in runs.iterdir()) == names


def test_a_machine_that_is_too_small_is_told_before_a_finished_training_is_moved(
    drawn_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_small()
    runs = drawn_home / "runs"
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def moved(*_: object) -> None:
        raise AssertionError("moved, or a head started, before the machine was looked at")

    monkeypatch.setattr("pipelines.training.finished.set_aside", moved)
    monkeypatch.setattr("pipelines.cluster.ray_train.ray_address", moved)
    monkeypatch.setattr("pipelines.cluster.ray_train.usable_cores", lambda: 1)
    before = [path.name for path in runs.iterdir()]
    with pytest.raises(ValueError, match="asks for 2 CPUs, this machine has 1"):
        train_small(local=False, workers=2, again=True)
    assert [path.name for path in runs.iterdir()] == before


@pytest.mark.parametrize("begun_by", ["other", None])
def test_an_interrupted_training_whose_code_has_changed_starts_afresh_beside_it(
    drawn_home: Path, capsys: pytest.CaptureFixture[str], begun_by: str | None
) -> None:
    train_small()
    runs = drawn_home / "runs"
    (run,) = runs.iterdir()
    (run / FINISHED).unlink()  # as if killed before its results were written
    for note in checkpoint.checkpoint_folder(run).glob("*.json"):
        content = json.loads(note.read_text())
        assert content.pop("code") == training_code(small_recipe())
        del content[checkpoint.CHECK]  # of what was there
        more = {"code": begun_by} if begun_by else {}  # none: as an older version left it
        note.write_text(json.dumps(content | more))
    kept = checkpoint.read_manifests(run)
    train_small()
    told = capsys.readouterr().out
    assert f"{run.name}: was interrupted, and the code that decides it has changed since" in told
    assert f"the old run is {run.name}.1" in told and "goes on from" not in told
    assert checkpoint.read_manifests(run.with_name(f"{run.name}.1")) == kept
    assert {each.code for each in checkpoint.read_manifests(run)} == {training_code(small_recipe())}


def test_a_stopped_training_leaves_the_old_results(
    drawn_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(job: Job, rank: Rank, listener: Listener) -> TrainingSummary:
        raise TrainingStopped("enough")

    places.trained("small").mkdir(parents=True)
    with pytest.raises(TrainingStopped, match="enough"):
        train_small(loop=stop)
    assert list(places.trained("small").iterdir()) == []
    assert train.main(["small", "--local"], partial(train_small, loop=stop)) == 1
    assert capsys.readouterr().err == "error: enough\n"

    def loses_loader(job: Job, rank: Rank, listener: Listener) -> TrainingSummary:
        raise LoaderError("a loader process was ended")

    assert train.main(["small", "--local"], partial(train_small, loop=loses_loader)) == 1
    assert capsys.readouterr().err == "error: a loader process was ended\n"


class RankAlone(Rank):
    """Of two, without the other one: what rank 0 tells, it tells itself."""

    def from_main(self, value: T) -> T:
        return value

    def gather(self, value: T) -> list[T]:
        return [value]


def test_an_error_of_all_ranks_is_a_value_and_one_of_some_is_raised_once(
    tmp_path: Path,
) -> None:
    def refuse(job: Job, rank: Rank, listener: Listener) -> TrainingSummary:
        raise ValueError("a broken image")

    job = drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe())
    run = partial(run_rank, job, RankAlone(0, 2), train=refuse, open_log=open_quiet_log)
    with pytest.raises(ValueError, match="a broken image"):
        run("one", agree_s=0.1)  # the other rank waits somewhere
    assert run("one", agree_s=0.1).error == "a broken image"  # started again
    (tmp_path / "failed-two-1").touch()  # the other rank is here as well
    assert run("two", agree_s=60.0).error == "a broken image"


def test_how_a_training_ended_stands_in_its_log(tmp_path: Path) -> None:
    """FAILED where it is refused or stops, KILLED where a signal ends it."""
    job = drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe())
    for end, status in (
        (ValueError("no"), "FAILED"),
        (TrainingStopped("no"), "FAILED"),
        (Interrupted(15), "KILLED"),
    ):
        log = QuietLog()

        def break_off(*_: object, end: BaseException = end) -> TrainingSummary:
            raise end

        with suppress(Interrupted):
            run_rank(job, Rank(), train=break_off, open_log=lambda *_, log=log: log)
        assert log.status == status


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "no recipe 'nothing'"),
        (
            ["demo_hrnet"],
            "run `python -m pipelines.fetch stick_figures` and `python -m pipelines.prepare",
        ),
        (["demo_hrnet", "--workers", "3"], "3 workers: given 32, accepted: a multiple of 3"),
        (
            ["demo_hrnet", "--workers", "many"],
            "argument --workers: given 'many', accepted: a whole number",
        ),
    ],
)
def test_what_is_wrong_is_said_before_ray_starts(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert train.main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not home.exists()


@pytest.mark.contract
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_never_success(tmp_path: Path, number: int) -> None:
    code = (
        "import sys, time; from pipelines import train\n"
        "stage = lambda *_, **__: (print('ready', flush=True), time.sleep(60))\n"
        "sys.exit(train.main(['demo_hrnet'], stage))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    told = child.communicate(timeout=60)[1]
    assert child.returncode == 128 + number
    assert f"demo_hrnet: ended by {signal.Signals(number).name}; the same command goes on" in told
