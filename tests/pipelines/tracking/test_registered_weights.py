"""Weights of what is registered, found again by alias, version, run and model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.host import places
from pipelines.tracking.registered_weights import bring_weights, exact_address
from pipelines.tracking.server import experiment_id, mlflow_client, tracking_uri, use_server

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def registered(module_home: Path) -> tuple[Any, str]:
    """(client, run id): two versions of `pose-own`, files of one run, the second is champion."""
    client = mlflow_client()
    use_server(tracking_uri())
    where = experiment_id(client, "limber", tracking_uri())
    run = client.create_run(where).info.run_id
    client.create_registered_model("pose-own")
    for number in (1, 2):
        folder = module_home / f"model-{number}" / "artifacts"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(f"weights {number}".encode())
        model = client.create_logged_model(where, f"model-{number}", run, model_type="pose")
        client.log_model_artifacts(model.model_id, str(folder.parent))
        client.finalize_logged_model(model.model_id, "READY")
        source = f"models:/{model.model_id}"
        client.create_model_version("pose-own", source, run, model_id=model.model_id)
    client.set_registered_model_alias("pose-own", "champion", "2")
    client.log_artifact(run, str(folder / "model.safetensors"), "kept")
    return client, run


@pytest.mark.parametrize(
    ("address", "content"),
    [
        ("models:/pose-own@champion", b"weights 2"),
        ("models:/pose-own/1", b"weights 1"),
        ("runs:/RUN/kept/model.safetensors", b"weights 2"),
        ("runs:/RUN", b"weights 2"),
    ],
)
def test_weights_come_by_every_address(
    registered: tuple[Any, str], tmp_path: Path, address: str, content: bytes
) -> None:
    _, run = registered
    target = tmp_path / "below" / "model.safetensors"
    exact = bring_weights(address.replace("RUN", run), target)
    assert target.read_bytes() == content
    if "@" in address:
        assert exact == "models:/pose-own/2/artifacts/model.safetensors"


@pytest.mark.parametrize(
    "address", ["models:/pose-own@nobody", "models:/pose-own/7", "models:/none@champion", "runs:/0"]
)
def test_an_address_of_nothing_says_what_there_is(
    registered: tuple[Any, str], tmp_path: Path, address: str
) -> None:
    with pytest.raises(ValueError, match=r"promote --list` says who is champion"):
        bring_weights(address, tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_run_of_which_nothing_is_registered(registered: tuple[Any, str]) -> None:
    client, run = registered
    bare = client.create_run(client.get_run(run).info.experiment_id).info.run_id
    with pytest.raises(ValueError, match="nothing of this run is registered"):
        exact_address(client, f"runs:/{bare}")
    assert places.tracking_database().is_file()
