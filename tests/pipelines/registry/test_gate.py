"""From evaluated recipes to versions, champions and a ledger, in a registry of its own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import promote
from pipelines.evaluation.folder import read_evaluation
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.prediction.best_weights import BestWeights
from pipelines.prediction.trained import load_trained
from pipelines.registry.gate import read_candidate
from pipelines.registry.versions import Registry, champion_checkpoint
from pipelines.report.difference import registered_evaluation
from pipelines.report.evaluated_recipe import evaluated_recipe
from tests.worlds.promoted import SLOT, actions, ledger, offer
from tests.worlds.results import (
    COST,
    OWN_BOXES,
    hits,
    write_evaluation,
    write_mpii_results,
    write_results,
)

pytestmark = pytest.mark.contract  # MLflow asks the machine by a process


@pytest.fixture
def home(registry_home: Path) -> Path:
    return registry_home


def test_the_road_of_a_slot(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results("first", quality=0.6, seed=1)
    offer("first", "missing")
    said = capsys.readouterr().out
    assert "missing: not evaluated" in said
    assert "\npose-coco: champion version 1 (first, AP@gt 0.600): first version" in said
    registry = Registry()
    assert registry.aliases(SLOT) == {"champion": "1", "candidate": "1"}
    check_lineage(registry)

    write_results("better", quality=0.8, seed=2)
    offer("first", "better")
    assert registry.aliases(SLOT) == {"champion": "2", "candidate": "2", "previous": "1"}
    gained = ledger()["decisions"][-1]
    assert gained["interval"]["low"] > 0 and gained["champion"]["version"] == "1"
    before = places.promotion().read_bytes()
    offer("first", "better")
    assert places.promotion().read_bytes() == before, "nothing new to decide"
    assert len(registry.client.search_model_versions(f"name = '{SLOT}'")) == 2
    shutil.move(places.evaluated("first"), places.home() / "away")
    run_id = str(registry.version(SLOT, "1").run_id)
    first = registered_evaluation(run_id, places.home() / "got", registry)
    assert read_evaluation(first).record.numbers["AP@gt"] == 0.6, "a run by its id"
    assert evaluated_recipe(read_evaluation(first)) is not None, "its card brings the recipe"
    shutil.move(places.home() / "away", places.evaluated("first"))

    assert promote.main(["--rollback", SLOT]) == 0
    assert registry.aliases(SLOT)["champion"] == "1"
    assert registry.aliases(SLOT)["previous"] == "2"
    offer("first", "better")
    assert registry.aliases(SLOT)["champion"] == "1", "what was rolled back stays so"
    assert actions() == ["promoted", "promoted", "rolled back"]
    assert ledger()["slots"][SLOT]["champion"] == "1"
    assert "rolled back by hand" in ledger()["slots"][SLOT]["reason"]
    assert registry.version(SLOT, "2").tags["limber.decision"] == "rolled back"
    assert actions("pose-coco-lite") == ["promoted", "promoted"]


def test_mpii_has_a_slot_of_its_own(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mpii_results("low", quality=0.4)
    write_mpii_results("first", quality=0.7, seed=2)
    write_mpii_results("better", quality=0.8, seed=3)
    write_results("coco", quality=0.6)
    offer("low", "first", "better", "coco")
    said = capsys.readouterr().out
    assert "coco: not for pose-mpii" not in said, "its skeleton could never fill that slot"
    assert "better: not for pose-coco" not in said
    assert "coco: not for pose-coco-bottom-up: no AP under image in its evaluation" in said
    assert actions("pose-mpii") == ["rejected", "promoted", "promoted"]
    gained = [d for d in ledger()["decisions"] if d["slot"] == "pose-mpii"][-1]
    assert gained["metric"] == "PCKh@0.5@gt" and gained["interval"]["low"] > 0
    state = ledger()["slots"]["pose-mpii"]
    assert state["recipe"] == "better" and state["PCKh@0.5@gt"] == 0.8
    assert "pose-mpii: champion version 3 (better, PCKh@0.5@gt 0.800)" in said
    assert Registry().version("pose-mpii", "3").tags["limber.PCKh.0.5.gt"] == "0.800000"


def check_lineage(registry: Registry) -> None:
    version = registry.version(SLOT, "1")
    best = places.best_weights("first")
    tags = {key.removeprefix("limber."): value for key, value in version.tags.items()}
    assert tags["data_hash"] == "d" * 64 and tags["recipe"] == "first"
    assert tags["checkpoint_sha256"] == file_digest(best)
    assert tags["run_id"] == version.run_id and tags["decision"] == "promoted"
    assert tags["AP.gt"] == "0.600000" and tags["recipe_digest"]
    run = registry.client.get_run(str(version.run_id))
    assert run.data.metrics["evaluation/gt/AP"] == 0.6
    path, identity = champion_checkpoint(SLOT)
    assert identity.version == "1" and identity.recipe == "first"
    path.rename(path.with_name("version-1-ofanotherone.pt"))  # of a registry that was here before
    path, _ = champion_checkpoint(SLOT)
    restored = load_trained(path, "champion", None)
    original = load_trained(best, "first", None)
    ours, theirs = restored.network.state_dict(), original.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(ours[key].equal(theirs[key]) for key in ours)


def test_a_worse_and_an_equal_model_stay_candidates(home: Path) -> None:
    write_results("champion", quality=0.7, seed=1)
    write_results("equal", quality=0.7, seed=2)
    write_results("low", quality=0.1, seed=3)
    offer("champion", "equal", "low")
    assert Registry().aliases(SLOT) == {"champion": "1", "candidate": "3"}
    assert actions() == ["promoted", "rejected", "rejected"]
    reasons = [d["reason"] for d in ledger()["decisions"] if d["slot"] == SLOT]
    assert "least gain" in reasons[1] and "below the floor" in reasons[2]


def test_a_large_model_is_not_for_the_lite_slot(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results("large", cost=replace(COST, params=28_500_000, exact_g=7.6))
    offer("large")
    said = capsys.readouterr().out
    assert "large: not for pose-coco-lite: 28.50 M parameters" in said
    assert "\npose-coco-lite: no champion" in said


def test_what_was_learnt_by_heart_is_left_out(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results("by_heart")
    best = BestWeights.read(places.best_weights("by_heart"))
    best.recipe["evaluation"]["split"] = "train"
    best.write(places.best_weights("by_heart"))
    offer("by_heart")
    assert (
        "by_heart: left out: evaluated on the images that it trained on" in capsys.readouterr().out
    )
    assert not ledger()["decisions"]


def test_other_data_is_refused_until_the_champion_is_evaluated_there(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results("old", quality=0.5, seed=1)
    offer("old")
    write_results("new", quality=0.8, seed=2, data_hash="e" * 64, protocols=("gt", "det"))
    offer("new")
    command = "python -m pipelines.evaluate --champion pose-coco --dataset stick_figures"
    assert command in capsys.readouterr().out
    assert Registry().aliases(SLOT)["champion"] == "1"
    offer("new")
    assert actions() == ["promoted", "refused"], "told once in the ledger"

    record = read_evaluation(places.evaluated("new")).record
    other = replace(record, slot=SLOT, version="1", numbers={"AP@gt": 0.6})
    folder = places.champion_evaluated(SLOT, "stick_figures", "e" * 64)
    write_evaluation(folder, other, {"gt": hits(0.6)})
    offer("new")
    assert Registry().aliases(SLOT) == {"champion": "2", "candidate": "2", "previous": "1"}
    last = [d for d in ledger()["decisions"] if d["slot"] == SLOT][-1]
    assert last["metric"] == "AP@gt" and last["champion"]["value"] == 0.6
    assert "0.800 against 0.600" in last["reason"]


def test_det_is_compared_from_the_same_boxes_alone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of another detector's, first the protocol that both share; where there is none, a refusal."""
    others = replace(OWN_BOXES, name="yolox", boxes_sha256="d" * 64)
    det = ("det",)
    write_results("old", quality=0.5, seed=1, protocols=det, boxes_from=OWN_BOXES)
    write_results("new", quality=0.8, seed=2, protocols=det, boxes_from=others)
    offer("old", "new", slots=(SLOT,))
    said = capsys.readouterr().out
    assert "AP@det starts from boxes of yolox (dddddddddddd), that of champion version 1 " in said
    assert "--champion pose-coco --dataset stick_figures" in said
    assert actions() == ["promoted", "refused"]
    detector = Registry().version(SLOT, "2").tags["limber.detector"]
    assert detector == "yolox (boxes AP 0.323, AR 0.430)"

    record = read_evaluation(places.evaluated("old")).record
    again = replace(record, slot=SLOT, version="1", boxes_from=others, numbers={"AP@det": 0.6})
    folder = places.champion_evaluated(SLOT, "stick_figures", "d" * 64)
    write_evaluation(folder, again, {"det": hits(0.6)})
    offer("new", slots=(SLOT,))
    assert Registry().aliases(SLOT)["champion"] == "2"
    assert "0.800 against 0.600" in ledger()["decisions"][-1]["reason"]

    write_results("both", quality=0.9, seed=3, protocols=("gt", "det"), boxes_from=OWN_BOXES)
    offer("both", slots=(SLOT,))
    assert "0.900 against 0.600" not in ledger()["decisions"][-1]["reason"]
    assert ledger()["decisions"][-1]["action"] == "refused"


def test_what_cannot_be_done_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert promote.main(["--rollback", "pose-koko"]) == 2
    assert "accepted: pose-coco, pose-coco-lite" in capsys.readouterr().err
    assert promote.main(["--rollback", SLOT]) == 2
    assert "no previous champion" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no champion yet"):
        champion_checkpoint(SLOT)
    write_results("first")
    folder = places.evaluated("first")
    replace(read_evaluation(folder).record, fingerprint="another").write(folder)
    with pytest.raises(ValueError, match="run `make repro RECIPE=first`"):
        read_candidate("first")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert promote.main(["--list"]) == 2
    assert "no MLflow server answers" in capsys.readouterr().err
