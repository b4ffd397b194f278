"""The stage by a job, on a cluster that is played: what is taken over, sent, brought back, told."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipelines import submit, train
from pipelines.cluster.capacity import Facts, Node
from pipelines.cluster.stage import Doors, JobEnded, check_by_job, train_by_job
from pipelines.depot.key import run_key
from pipelines.depot.results import stored_finish
from pipelines.depot.run_files import NON_FINITE
from pipelines.host import places
from pipelines.host.signals import Interrupted
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.store.folder_store import FolderStore
from pipelines.training import plan
from pipelines.training.attempt import run_rank
from pipelines.training.job import Job, SilentListener
from pipelines.training.load import SilentTeller
from pipelines.training.rank import Rank
from tests.worlds import drawn
from tests.worlds.played_cluster import QUICK, Played

pytestmark = pytest.mark.usefixtures("one_thread", "signals_as_before", "s3_variables_as_before")
RAY, PYTHON = importlib.metadata.version("ray"), platform.python_version()
ROOMY = Facts(RAY, PYTHON, [Node("10.0.0.1", 8, 0)])
CPU = read_cluster(load_params(), gpus=0)


class Quiet(SilentListener, SilentTeller):
    def close(self, status: str, patience: float) -> None: ...


@pytest.fixture
def job(home: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Of the recipe `small`, whose data are at home."""
    drawn.draw_at_home()
    recipe = drawn.small_recipe(epochs=1, steps_per_epoch=2)
    monkeypatch.setattr(plan, "load_recipe", lambda name: recipe)
    monkeypatch.setenv("LIMBER_GIT_COMMIT", "0123456")
    monkeypatch.delenv("LIMBER_STORAGE", raising=False)
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_JOB_CONFIG_JSON_ENV_VAR"):
        monkeypatch.delenv(name, raising=False)
    return plan.make_job("small", CPU)


def doors(jobs: Played, facts: Facts = ROOMY) -> Doors:
    return Doors(lambda _: jobs, lambda _: facts, QUICK)


def at_the_end(job: Job, train: Callable[[Job], None]) -> Callable[[], str]:
    """A state of the job: it trains, and has succeeded."""

    def succeed() -> str:
        train(job)
        return "SUCCEEDED"

    return succeed


def train_at_home(job: Job) -> None:
    """As a job's driver and rank do where they see the home."""
    run = partial(run_rank, open_log=lambda *_: Quiet())
    train.train("small", local=True, recipe=job.recipe, train_local=lambda j, _: run(j, Rank()))


def test_a_job_is_asked_for_and_its_results_are_here(job: Job) -> None:
    jobs = Played(["RUNNING", at_the_end(job, train_at_home)])
    train_by_job("small", "http://head", workers=2, doors=doors(jobs))
    (given,) = jobs.submitted
    assert given["submission_id"] == f"{run_key(job)}-1"
    assert given["entrypoint"] == "python -m pipelines.train small --workers 2"
    told = json.loads(given["runtime_env"]["env_vars"]["LIMBER_TRAINING"])
    assert (told["fingerprint"], told["code"]) == (job.fingerprint, job.code)
    assert (places.trained("small") / "best.pt").is_file()
    train_by_job("small", "http://head", doors=doors(Played([AssertionError("asked")])))


@pytest.mark.parametrize(("status", "code"), [("FAILED", 1), ("STOPPED", 3)])
def test_a_job_that_did_not_succeed_is_no_success(job: Job, status: str, code: int) -> None:
    with pytest.raises(JobEnded, match=f"small: its job is {status}") as caught:
        train_by_job("small", None, doors=doors(Played([status])))
    assert caught.value.code == code

    def stage(*_: Any, **__: Any) -> None:
        raise caught.value

    assert train.main(["small"], stage) == submit.main(["small"], stage) == code


def test_a_preflight_is_a_job_of_its_own(job: Job) -> None:
    """It is no attempt of the training, nor taken for one that runs."""
    jobs = Played(["SUCCEEDED"], {f"{run_key(job)}-1": "RUNNING"})
    check_by_job("small", "http://head", workers=2, doors=doors(jobs))
    (given,) = jobs.submitted
    assert given["submission_id"] == f"{run_key(job)}-preflight-1"
    assert given["entrypoint"] == "python -m pipelines.train small --workers 2 --preflight"
    assert not places.trained("small").exists()
    with pytest.raises(JobEnded, match="small: its job is FAILED"):
        check_by_job("small", "http://head", doors=doors(Played(["FAILED"])))


@pytest.mark.parametrize("status", ["FAILED", "STOPPED"])
def test_what_a_job_told_until_it_failed_comes_back(
    status: str, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path / "store")
    monkeypatch.setenv("LIMBER_STORAGE", str(tmp_path / "store"))
    told = b'{"step": 1}\n'

    def fails() -> str:
        store.write(f"runs/{run_key(job)}/{NON_FINITE}", told)
        return status

    with pytest.raises(JobEnded, match=f"its job is {status}"):
        train_by_job("small", None, doors=doors(Played([fails])))
    assert (job.run_folder / NON_FINITE).read_bytes() == told


def test_success_without_results_is_none(job: Job) -> None:
    """As of a cluster whose nodes have another folder of that name."""
    with pytest.raises(ValueError, match=r"succeeded, but its results are not in .*set `storage`"):
        train_by_job("small", None, doors=doors(Played(["SUCCEEDED"])))


def test_what_never_fits_is_told_before_anything_is_sent(job: Job) -> None:
    for facts, said in (
        (Facts(RAY, PYTHON, [Node("10.0.0.1", 1, 0)]), "take 1"),
        (Facts("2.1.0", PYTHON, ROOMY.nodes), r"Ray: given '2\.1\.0'"),
    ):
        jobs = Played(["SUCCEEDED"])
        with pytest.raises(ValueError, match=said):
            train_by_job("small", None, workers=2, doors=doors(jobs, facts))
        assert jobs.submitted == []


def test_auto_is_by_the_clusters_cards(job: Job) -> None:
    jobs = Played(["FAILED"])
    with pytest.raises(JobEnded):
        cards = Facts(RAY, PYTHON, [Node("10.0.0.1", 16, 1)])
        train_by_job("small", None, doors=doors(jobs, cards))
    told = json.loads(jobs.submitted[0]["runtime_env"]["env_vars"]["LIMBER_TRAINING"])
    assert told["profile"] == "single_gpu"


def test_by_a_store_data_go_before_the_job_and_anew_forgets_once(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that is lost is submitted again, and keeps what it has trained meanwhile."""
    store = FolderStore(tmp_path / "store")
    monkeypatch.setenv("LIMBER_STORAGE", str(tmp_path / "store"))
    key = run_key(job)
    store.write(f"runs/{key}/checkpoints/old.json", b"{}")
    seen = list[set[str]]()

    def lost() -> Any:
        seen.append(set(store.names()))
        store.write(f"runs/{key}/checkpoints/new.json", b"{}")
        return ("FAILED", "JOB_SUPERVISOR_ACTOR_DIED")

    def failed() -> str:
        seen.append(set(store.names()))
        return "FAILED"

    jobs = Played([lost, failed])
    with pytest.raises(JobEnded):
        train_by_job("small", None, again=True, doors=doors(jobs))
    first, second = seen
    assert any(name.startswith("inputs/trainings/") for name in first)
    assert not [name for name in first if name.startswith("runs/")]
    assert f"runs/{key}/checkpoints/new.json" in second
    told = [json.loads(g["runtime_env"]["env_vars"]["LIMBER_TRAINING"]) for g in jobs.submitted]
    assert told[0]["anew"] and told[0] == told[1]
    assert stored_finish(store, key) is None


def test_a_signal_is_told_by_the_exit_code(job: Job) -> None:
    def stage(*_: Any, **__: Any) -> None:
        raise Interrupted(15)

    assert submit.main(["small"], stage) == 143
