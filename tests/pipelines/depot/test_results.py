"""A training on nodes that share nothing but a store: interrupted, gone on with, brought back."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from data.ground.sample import Batch
from pipelines.depot.key import run_key
from pipelines.depot.mirror import Mirror, Pace
from pipelines.depot.mirrored import failures_shared, mirrored_log, run_mirrored
from pipelines.depot.owner import Owner
from pipelines.depot.results import bring_results, forget_run, leave_results
from pipelines.depot.run_files import bring_others
from pipelines.host import places
from pipelines.prediction.best_weights import BestWeights
from pipelines.store.folder_store import FolderStore
from pipelines.tracking.server import IMPATIENT, QUIET, mlflow_client
from pipelines.training.attempt import Outcome, run_rank
from pipelines.training.finished import finished_alike
from pipelines.training.job import Job, Listener, SilentListener, TrainingSummary
from pipelines.training.loop import Step, train_loop
from pipelines.training.parts import Parts
from pipelines.training.rank import Notice, Rank
from pipelines.training.record import TrainingRecord
from pipelines.training.step import Taken, train_step
from tests.worlds import drawn

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("s3_variables_as_before")]

PACE = Pace(look_s=0.05, quiet_s=0.0, back_off_s=0.05, longest_s=0.2, patience_s=100.0)


@pytest.fixture(autouse=True)
def tracked_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the client of MLflow sets in the environment goes again; git is not asked."""
    for name, value in {**QUIET, **IMPATIENT, "LIMBER_GIT_COMMIT": "0123456"}.items():
        monkeypatch.setenv(name, value)


class CutOff(BaseException):
    """As a signal."""


def steps_until(last: int) -> Step:
    """`train_step` that is cut off instead of the step after `last`."""
    taken = []

    def step(job: Job, rank: Rank, parts: Parts, micro: Sequence[Batch]) -> Taken:
        if len(taken) == last:
            raise CutOff
        taken.append(1)
        return train_step(job, rank, parts, micro)

    return step


def epochs_told(uri: str, run_id: str) -> list[int]:
    return [point.step for point in mlflow_client(uri).get_metric_history(run_id, "epoch")]


def test_a_training_that_changed_nodes_comes_back_whole_and_is_told_once(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = drawn.draw(tmp_path / "data", train=16, val=4)
    job = replace(drawn.small_job(tmp_path / "a" / "run", data, drawn.small_recipe()), code="c")
    store, key = FolderStore(tmp_path / "store"), run_key(job)

    def cut(job: Job, rank: Rank, listener: Listener) -> TrainingSummary:
        return train_loop(job, rank, listener, steps_until(3))

    with pytest.raises(CutOff):  # in its second epoch, on the first node
        mirror = Mirror(store, key, job.run_folder, PACE)
        run_rank(job, Rank(), train=cut, open_log=mirrored_log(mirror))
    assert bring_results(store, job) is None
    elsewhere = replace(job, run_folder=tmp_path / "b" / "run")
    outcome = run_mirrored(elsewhere, Rank(), "attempt", store, PACE)
    assert outcome.summary is not None, outcome.error
    assert not (home / "mlflow.db").exists(), "a node makes no database"

    driver = replace(job, run_folder=tmp_path / "c" / "run")
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path / "c"))
    leave_results(store, key, driver, outcome.summary)
    monkeypatch.setenv("LIMBER_HOME", str(home))
    checkout = replace(job, run_folder=home / "runs" / "small")
    done = bring_results(store, checkout)
    assert done is not None and finished_alike(checkout) == done

    record, run_id = TrainingRecord.read(places.trained("small")), done.summary.run_id
    assert run_id and record.run_id == run_id
    uri = f"sqlite:///{home}/mlflow.db"
    client = mlflow_client(uri)
    assert epochs_told(uri, run_id) == [1, 2]
    assert len(client.list_artifacts(run_id, "predictions")) == 2
    models = client.search_logged_models([client.get_run(run_id).info.experiment_id])
    kept = {model.params["place"].partition("/checkpoints/")[0] for model in models}
    assert kept == {f"file://{tmp_path}/store/runs/{key}"}
    assert bring_results(store, checkout) == done
    assert epochs_told(uri, run_id) == [1, 2]

    whole = replace(job, run_folder=tmp_path / "undisturbed")
    train_loop(whole, Rank(), SilentListener())
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path / "d"))
    there = FolderStore(tmp_path / "other")
    leave_results(there, key, whole, outcome.summary)
    undisturbed = BestWeights.read(places.best_weights("small"))
    monkeypatch.setenv("LIMBER_HOME", str(home))
    found = BestWeights.read(places.best_weights("small"))
    assert found.epoch == undisturbed.epoch
    assert all(torch.equal(found.model[name], undisturbed.model[name]) for name in found.model)

    forget_run(store, key)
    assert not store.names(f"runs/{key}/")


def test_a_training_that_another_attempt_took_over_ends_at_the_next_step(
    tmp_path: Path, home: Path
) -> None:
    data = drawn.draw(tmp_path / "data", train=16, val=4)
    job = drawn.small_job(tmp_path / "run", data, drawn.small_recipe(epochs=500))
    store = FolderStore(tmp_path / "store")

    others = [Owner(store, run_key(job))]

    def heard() -> bool:
        """Asked once a step; after the first one another attempt is there."""
        while others:
            others.pop().take()
        return False

    outcome = run_mirrored(job, Rank(notice=Notice(heard)), "attempt", store, PACE)
    assert "another attempt at this training has taken over" in outcome.error


def test_of_other_code_nothing_is_brought(tmp_path: Path, home: Path) -> None:
    job = drawn.small_job(tmp_path / "run", (tmp_path, tmp_path), drawn.small_recipe())
    store = FolderStore(tmp_path / "store")
    summary = {"history": [], "steps": 1, "world_size": 1, "skipped": 0, "run_id": None}
    note = {"time": 0.0, "code": "other", "summary": {**summary, "seconds": {}}}
    store.write(f"runs/{run_key(job)}/finished.json", json.dumps(note).encode())
    assert bring_results(store, job) is None
    assert not (tmp_path / "run").exists()


def test_an_error_of_one_node_is_read_by_the_others(tmp_path: Path) -> None:
    first = drawn.small_job(tmp_path / "a", (tmp_path, tmp_path), drawn.small_recipe())
    second, store = replace(first, run_folder=tmp_path / "b"), FolderStore(tmp_path / "store")

    def broken(job: Job, rank: Rank, listener: Listener) -> TrainingSummary:
        raise ValueError("image 7 is broken")

    class OneOfTwo(Rank):
        def from_main(self, value):  # type: ignore[no-untyped-def]
            return value

        def gather(self, value):  # type: ignore[no-untyped-def]
            return [value] * self.world_size

    def fails() -> Outcome:
        return run_rank(first, OneOfTwo(1, 2), "attempt", train=broken, agree_s=0.0)

    def never() -> Outcome:
        raise AssertionError("it trains although another node has failed for good")

    with pytest.raises(ValueError, match="image 7"):
        failures_shared(store, first, "attempt", fails)
    assert failures_shared(store, second, "attempt", never).error == "image 7 is broken"


def test_a_disk_that_is_full_is_told_with_node_and_folder(tmp_path: Path, home: Path) -> None:
    job = drawn.small_job(tmp_path / "run", (tmp_path, tmp_path), drawn.small_recipe())

    def full(job: Job, rank: Rank, listener: Listener) -> TrainingSummary:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos 704") from None  # as torch.save does

    mirror = Mirror(FolderStore(tmp_path / "store"), run_key(job), job.run_folder, PACE)
    error = run_rank(job, Rank(), train=full, open_log=mirrored_log(mirror)).error
    assert "No space left on device" in error and str(tmp_path / "run") in error


def test_a_name_in_a_store_that_leads_out_of_the_run_folder_is_refused(tmp_path: Path) -> None:
    """Before anything is written."""

    class Odd(FolderStore):
        def names(self, prefix: str = "") -> dict[str, int]:
            return {f"{prefix}epoch_1.jpg": 1, f"{prefix}../../../evil.sh": 1}

        def read(self, name: str) -> bytes | None:
            return b"x"

    run_folder = tmp_path / "runs" / "x-1"
    with pytest.raises(ValueError, match=r"leaves its folder \('pictures/\.\./"):
        bring_others(Odd(tmp_path / "store"), "x-1", run_folder)
    assert not list(tmp_path.rglob("*.sh")) and not run_folder.exists()
