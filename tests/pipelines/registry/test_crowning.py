"""Whatever was removed on MLflow's page, whoever decides beside us: the best one is champion."""

from __future__ import annotations

import threading
from pathlib import Path

import mlflow
import pytest

from pipelines import promote
from pipelines.host import places
from pipelines.registry.ledger import Ledger
from pipelines.registry.versions import Registry
from tests.worlds.promoted import SLOT, actions, ledger, offer
from tests.worlds.results import write_results

pytestmark = [
    pytest.mark.contract,  # MLflow asks the machine by a process
    pytest.mark.usefixtures("registry_home"),
]


@pytest.fixture
def registry() -> Registry:
    """Version 1 of AP 0.693 is champion of `pose-coco`, version 2 of 0.616 was rejected."""
    write_results("good", quality=0.693, seed=1)
    write_results("bad", quality=0.616, seed=2)
    offer("good", "bad", slots=(SLOT,))
    registry = Registry()
    assert registry.aliases(SLOT) == {"champion": "1", "candidate": "2"}
    return registry


def champion(registry: Registry) -> str | None:
    return registry.aliases(SLOT).get("champion")


@pytest.mark.parametrize("recipes", [("bad",), ("bad", "good"), ()])
def test_a_champion_whose_alias_was_removed_is_champion_again(
    registry: Registry, recipes: tuple[str, ...]
) -> None:
    registry.point(SLOT, "champion", None)
    offer(*recipes, slots=(SLOT,))
    assert champion(registry) == "1"
    assert actions() == ["promoted", "rejected", "restored"]
    assert ledger()["slots"][SLOT]["AP@gt"] == 0.693
    assert "it was champion before" in registry.version(SLOT, "1").tags["limber.reason"]
    offer(*recipes, slots=(SLOT,))
    assert len(actions()) == 3


def test_a_deleted_champion_leaves_the_best_of_the_others(registry: Registry) -> None:
    write_results("worst", quality=0.5, seed=3)
    write_results("best", quality=0.9, seed=4)
    offer("worst", "best", slots=(SLOT,))
    assert champion(registry) == "4"
    registry.client.delete_model_version(SLOT, "4")
    offer("worst", "bad", slots=(SLOT,))
    assert champion(registry) == "1", "0.693, which gave way"
    assert "previous" not in registry.aliases(SLOT)
    assert "limber.stepped_down" not in registry.version(SLOT, "1").tags
    registry.client.delete_model_version(SLOT, "1")
    offer("worst", slots=(SLOT,))
    assert champion(registry) == "2", "0.616 against 0.5"
    offer("worst", "bad", "good", "best", slots=(SLOT,))
    assert champion(registry) == "6", "both are registered again; 0.9"


def test_what_was_rolled_back_is_not_restored(registry: Registry) -> None:
    write_results("best", quality=0.9, seed=4)
    offer("best", slots=(SLOT,))
    assert promote.main(["--rollback", SLOT]) == 0
    registry.point(SLOT, "champion", None)
    offer("bad", "best", slots=(SLOT,))
    assert champion(registry) == "1"


def test_below_the_floor_nobody_is_restored(registry: Registry) -> None:
    registry.client.delete_registered_model(SLOT)
    write_results("low", quality=0.1)
    offer("low", slots=(SLOT,))
    offer("low", slots=(SLOT,))
    assert champion(registry) is None
    offer("bad", slots=(SLOT,))
    assert champion(registry) == "2", "a first one"


def test_a_slot_added_later_or_what_was_deleted_meets_no_traceback(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    mlflow.set_tracking_uri("sqlite:///stray.db")  # as in a new process
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    offer("good")
    assert registry.aliases("pose-coco-lite")["champion"] == "1"
    twins = [registry.version(SLOT, "1"), registry.version("pose-coco-lite", "1")]
    assert twins[0].source == twins[1].source, "stored once"
    registry.client.delete_registered_model("pose-coco-lite")
    registry.client.delete_logged_model(twins[0].tags["limber.model_id"])
    offer("good", slots=("pose-coco-lite",))
    assert registry.version("pose-coco-lite", "1").source != twins[0].source, "stored again"
    registry.client.delete_registered_model("pose-coco-lite")
    registry.client.delete_run(str(registry.version(SLOT, "2").run_id))
    offer("bad", slots=("pose-coco-lite",))
    run = registry.version("pose-coco-lite", "1").run_id
    assert registry.client.get_run(str(run)).info.lifecycle_stage == "active"
    experiment = registry.client.get_run(str(run)).info.experiment_id
    registry.client.delete_experiment(experiment)
    write_results("new", quality=0.95, seed=5)
    offer("new", slots=(SLOT,))
    assert registry.client.get_experiment(experiment).lifecycle_stage == "active"
    assert champion(registry) == "3"
    assert not list(elsewhere.iterdir())


def test_two_at_once_register_each_once_and_lose_no_line() -> None:
    names = [f"recipe{number}" for number in range(2)]
    for number, name in enumerate(names):
        write_results(name, quality=0.5 + number / 10, seed=number)
    both = [threading.Thread(target=offer, args=names) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    kept = Registry().client.search_model_versions(f"name = '{SLOT}'")
    assert sorted(version.tags["limber.recipe"] for version in kept) == names
    assert actions() == ["promoted", "promoted"] == actions("pose-coco-lite")


def test_a_ledger_is_read_again_before_it_is_written(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path / "ledger.json"), Ledger(tmp_path / "ledger.json")
    first.append(SLOT, "promoted", "one")
    second.append(SLOT, "rejected", "two")
    first.set_slots({SLOT: {"champion": "1"}})
    second.append(SLOT, "rejected", "three")
    again = Ledger(tmp_path / "ledger.json")
    assert [d["reason"] for d in again.decisions] == ["one", "two", "three"]
    assert again.slots == {SLOT: {"champion": "1"}}


def test_files_that_are_gone_are_named(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((places.home() / "mlartifacts").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    write_results("new", quality=0.9, seed=7)
    with pytest.raises(
        ValueError, match=f"models:/{SLOT}/1/artifacts/evaluation.*promote --verify"
    ):
        offer("new", slots=(SLOT,))
