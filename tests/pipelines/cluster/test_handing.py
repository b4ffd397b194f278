"""What reaches a job and its ranks: what was decided, and no secret."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.cluster.driver import planned, unseen_home
from pipelines.cluster.handing import driver_variables, rank_variables
from pipelines.host import places
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import Cluster, read_cluster
from pipelines.training import plan
from pipelines.training.handed import VARIABLE, hand, handed_training
from pipelines.training.job import Job
from tests.worlds import drawn

SECRET = "do-not-tell"
SECRETS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RAY_AUTH_TOKEN",
    "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN",
)  # fmt: skip
CPU = read_cluster(load_params() | {}, gpus=0)


@pytest.fixture(autouse=True)
def shell(home: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Full of secrets; no store."""
    monkeypatch.setenv("LIMBER_GIT_COMMIT", "0123456")
    monkeypatch.delenv("LIMBER_STORAGE", raising=False)
    for name in SECRETS:
        monkeypatch.setenv(name, SECRET)
    return monkeypatch


def facts(tmp_path: Path) -> Any:
    return hand(drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe()), CPU)


def test_a_driver_and_its_ranks_are_told_where_all_is(
    tmp_path: Path, shell: pytest.MonkeyPatch
) -> None:
    shell.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")
    told = driver_variables(facts(tmp_path))
    assert told["LIMBER_HOME"] == str(places.home())
    assert told["MLFLOW_TRACKING_URI"] == "http://tracker:5000"
    assert told["LIMBER_GIT_COMMIT"] == "0123456"
    assert told["RAY_JOB_STOP_SIGNAL"] == "SIGTERM"
    assert "LIMBER_STORAGE" not in told and "LIMBER_CACHE" not in told
    for name, value in rank_variables(None).items():
        assert told[name] == value
    assert {"LIMBER_HOME", "MLFLOW_TRACKING_URI", "LIMBER_GIT_COMMIT"} <= set(rank_variables(None))


def test_a_shared_home_has_its_embedded_database(tmp_path: Path) -> None:
    told = driver_variables(facts(tmp_path))
    assert told["MLFLOW_TRACKING_URI"] == f"sqlite:///{places.tracking_database()}"


def test_with_a_store_no_folder_of_ours_is_named(tmp_path: Path, shell: pytest.MonkeyPatch) -> None:
    """Nor the embedded database, which no node could reach."""
    shell.setenv("LIMBER_STORAGE", "s3://bucket/prefix")
    shell.setenv("LIMBER_CACHE", "/laptop/cache")
    shell.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    told = driver_variables(facts(tmp_path))
    assert told["LIMBER_STORAGE"] == "s3://bucket/prefix"
    assert told["AWS_ENDPOINT_URL"] == "http://minio:9000"
    assert not {"LIMBER_HOME", "MLFLOW_TRACKING_URI", "LIMBER_CACHE"} & set(told)
    assert str(tmp_path) not in json.dumps(told)
    assert rank_variables("s3://bucket/prefix")["LIMBER_STORAGE"] == "s3://bucket/prefix"


@pytest.mark.parametrize("storage", [None, "s3://bucket/prefix"])
def test_no_secret_is_handed(
    tmp_path: Path, shell: pytest.MonkeyPatch, storage: str | None
) -> None:
    if storage:
        shell.setenv("LIMBER_STORAGE", storage)
    for told in (driver_variables(facts(tmp_path)), rank_variables(storage)):
        assert not set(SECRETS) & set(told)
        assert SECRET not in json.dumps(told)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("MLFLOW_TRACKING_URI", f"https://ann:{SECRET}@tracker"),
        ("MLFLOW_TRACKING_URI", f"postgresql://ann:{SECRET}@db/mlflow"),
        ("AWS_ENDPOINT_URL", f"http://ann:{SECRET}@minio:9000"),
    ],
)
def test_an_address_with_a_password_is_refused_without_telling_it(
    tmp_path: Path, shell: pytest.MonkeyPatch, name: str, address: str
) -> None:
    shell.setenv(name, address)
    with pytest.raises(ValueError, match=f"{name}.*holds a password.*take user and") as caught:
        driver_variables(facts(tmp_path))
    assert SECRET not in str(caught.value)
    assert SECRET not in json.dumps(rank_variables(None))


@pytest.fixture
def at_home(shell: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A recipe's job where its data are, made as the stage makes it."""
    drawn.draw_at_home()
    recipe = drawn.small_recipe()
    monkeypatch.setattr(plan, "load_recipe", lambda name: recipe)
    return plan.make_job("small", CPU)


def test_a_job_is_the_same_where_no_data_are(
    at_home: Job, shell: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Fingerprint, code and name decide its key; folders are those of the home there."""
    shell.setenv(VARIABLE, hand(at_home, CPU).as_json())
    shell.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    shell.setenv("LIMBER_STORAGE", str(tmp_path / "store"))
    shell.setenv("LIMBER_HOME", str(tmp_path / "node"))
    job, cluster = planned("small")
    folders = {"prepared": job.prepared, "raw": job.raw, "run_folder": job.run_folder}
    assert job.tiles is not None
    folders["tiles"] = job.tiles
    assert job == replace(at_home, **folders)
    assert all((tmp_path / "node") in path.parents for path in folders.values())
    assert cluster == replace(CPU, storage=str(tmp_path / "store"), fitted=True)


def test_a_node_that_does_not_see_the_home_is_named(
    at_home: Job, shell: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert unseen_home(at_home) == ""
    shell.setenv(VARIABLE, hand(at_home, CPU).as_json())
    shell.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    shell.setenv("LIMBER_HOME", str(tmp_path / "node"))
    with pytest.raises(ValueError, match=r"^node \S+: does not see .*node/.*set `storage`"):
        planned("small")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe_digest": "other"}, "is not the recipe that was asked for"),
        ({"python": "3.7.1"}, r"Python of the cluster: given '3\.\d+\.\d+', accepted: 3\.7"),
        ({"name": "another"}, "given 'another', accepted: small"),
    ],
)
def test_another_recipe_or_python_is_refused(
    at_home: Job, shell: pytest.MonkeyPatch, change: dict[str, str], said: str
) -> None:
    shell.setenv(VARIABLE, replace(hand(at_home, CPU), **change).as_json())
    shell.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    with pytest.raises(ValueError, match=said):
        planned("small")


def test_a_training_that_is_no_json_is_refused(shell: pytest.MonkeyPatch) -> None:
    for text in ("{", '{"name": "small"}'):
        shell.setenv(VARIABLE, text)
        with pytest.raises(ValueError, match="LIMBER_TRAINING"):
            handed_training("small")


def test_the_profile_of_the_cluster_is_handed_not_this_machines(
    at_home: Job, shell: pytest.MonkeyPatch
) -> None:
    """`auto` means the cluster's cards; a head has none."""
    card = read_cluster(load_params(), gpus=1)
    assert isinstance(card, Cluster) and card.profile == "single_gpu"
    shell.setenv(VARIABLE, hand(at_home, replace(card, grows=True, anew="x"), 1).as_json())
    shell.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    _, cluster = planned("small")
    assert (cluster.profile, cluster.grows, cluster.anew) == ("single_gpu", True, "x")
