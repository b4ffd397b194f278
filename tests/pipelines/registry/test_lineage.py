"""What a champion was made from: by MLflow, and by the ledger and results where none answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines import lineage
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.registry.versions import Registry
from tests.worlds.promoted import SLOT, offer
from tests.worlds.results import recipe, write_results

pytestmark = pytest.mark.contract  # MLflow asks the machine by a process
CHAMPION = f"{SLOT}@champion"


@pytest.fixture(scope="module")
def promoted(module_home: Path, empty_database: bytes) -> Registry:
    """`good` gave way to `best`."""
    (module_home / "mlflow.db").write_bytes(empty_database)
    for name, quality, seed in (("good", 0.69, 1), ("best", 0.9, 3)):
        write_results(name, quality=quality, seed=seed)
    offer("good", "best", slots=(SLOT,))
    return Registry()


def told(what: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert lineage.main([what, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.full  # models are registered
def test_a_champion_is_told_alike_with_mlflow_and_without(
    promoted: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = told(CHAMPION, capsys)
    facts = whole["facts"]
    assert whole["version"] == "2"
    assert facts["recipe"] == "best" and facts["data_hash"] == "d" * 64
    assert facts["recipe_digest"] == recipe(3).digest()
    assert facts["checkpoint_sha256"] == file_digest(places.best_weights("best"))
    assert facts["run_id"] == promoted.version(SLOT, "2").run_id
    actions = [(each["version"], each["action"]) for each in whole["decisions"]]
    assert actions == [("2", "promoted")]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    alone = told(CHAMPION, capsys)
    assert alone["version"] == "2" and alone["decisions"] == whole["decisions"]
    kept = ("recipe", "data_hash", "recipe_digest", "fingerprint", "run_id", "checkpoint_sha256")
    assert {key: alone["facts"][key] for key in kept} == {key: facts[key] for key in kept}
    assert any("no MLflow server answers" in each for each in alone["missing"])


@pytest.mark.full  # models are registered
def test_a_tree_says_what_is_here_and_what_is_not(
    promoted: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert lineage.main([f"{SLOT}:1"]) == 0
    tree = capsys.readouterr().out
    assert tree.startswith(f"{SLOT}:1: version 1 of {SLOT}\n")
    assert f"data stick_figures {'d' * 12}: not here" in tree
    digest = file_digest(places.best_weights("good"))[:12]
    assert f"best.pt {digest}: the same here" in tree
    assert "version 1 promoted: first version" in tree
    assert "version 2 promoted" in tree, "to which it gave way"
    assert "not known: runs/" in tree
    places.best_weights("good").write_bytes(b"another")
    assert lineage.main([f"{SLOT}:1"]) == 0
    assert f"best.pt {digest}: here is another" in capsys.readouterr().out


def test_a_folder_of_results_and_a_recipe_are_told_without_a_database(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results("good", quality=0.69)
    by_name, by_folder = told("good", capsys), told(str(home / "results" / "good"), capsys)
    assert by_name == by_folder and by_name["facts"]["recipe"] == "good"
    assert not places.tracking_database().exists()


@pytest.mark.parametrize("what", ["no-such-slot", "pose-coco@champion", "0" * 32, "a/b@c@d"])
def test_what_nobody_knows_is_refused(
    home: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lineage.main([what]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and what in said and "SLOT@champion" in said
