"""A version that MLflow itself loads is held against its registry's tag, not what lies beside."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from pipelines.host.folders import file_digest
from pipelines.registry.gate import read_candidate, register
from pipelines.registry.rules import RULES, read_rules
from pipelines.registry.versions import Registry
from tests.worlds.promoted import SLOT
from tests.worlds.registries import artifacts
from tests.worlds.results import write_results

pytestmark = pytest.mark.contract


def test_files_changed_with_all_that_tells_of_them_are_refused(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    registry = Registry()
    write_results("one")
    version = register(registry, SLOT, read_candidate("one"), read_rules(RULES)[SLOT])
    mlflow.pyfunc.load_model(f"models:/{SLOT}/1")
    mlflow.pyfunc.load_model(version.source)  # of no version: by its own digests
    assert "held against its own digests alone" not in capfd.readouterr().err
    folder = artifacts(registry, "1")
    card, told = folder / "artifacts" / "card.json", folder / "artifacts" / "digests.json"
    before = {path: path.read_text() for path in (card, told, folder / "MLmodel")}
    card.write_text(before[card] + " ")
    told.write_text(json.dumps(json.loads(before[told]) | {"card.json": file_digest(card)}))
    with pytest.raises(MlflowException, match="is not what was registered"):
        mlflow.pyfunc.load_model(version.source)
    old, new = (told_digest(folder), file_digest(told))
    (folder / "MLmodel").write_text(before[folder / "MLmodel"].replace(old, new))
    with pytest.raises(MlflowException, match=r"(MLmodel|artifacts/card\.json) is not"):
        mlflow.pyfunc.load_model(f"models:/{SLOT}/1")
    for path, text in before.items():
        path.write_text(text)
    mlflow.pyfunc.load_model(f"models:/{SLOT}/1")


def told_digest(folder: Path) -> str:
    """What MLmodel tells of digests.json, as it was first."""
    model = mlflow.models.Model.load(str(folder))
    digest = str(model.metadata["limber.sha256"]["artifacts/digests.json"])
    assert digest in (folder / "MLmodel").read_text()
    return digest
