"""Who becomes champion and why: the decision by table, the rule book, the registry around it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines import promote
from pipelines.evaluation.bootstrap import Interval
from pipelines.host import places
from pipelines.registry.decide import Scored, decide
from pipelines.registry.rules import RULES, Bootstrap, Limits, Rule, read_rules, why_not
from pipelines.registry.versions import Registry, champion_checkpoint
from pipelines.report.difference import registered
from pipelines.serving import model_files
from pipelines.tracking.server import mlflow_client
from tests.worlds.results import write_evaluation, write_mpii_results, write_results

RULE = Rule("coco", "AP", ["det", "gt"], 0.3, 0.002, Bootstrap(200, 0.95, 1))
LITE = replace(RULE, limits=Limits(params_m=5.0, exact_g=2.0))
SLOT = "pose-coco"


def scored(value: float, version: str = "2", data: str = "d", protocol: str = "gt") -> Scored:
    return Scored(version, "demo_hrnet", "coco", data * 64, protocol, value)


def interval(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 0.95, 1000, 1, 5000)


CHAMPION = scored(0.70, "1")
DECISIONS: list[tuple[Scored, Scored | None, Interval | None, bool, str]] = [
    (scored(0.5), None, None, True, "first version; AP@gt 0.500 reaches the floor 0.300"),
    (scored(0.3), None, None, True, "first version"),
    (scored(0.29), None, None, False, "AP@gt 0.290 is below the floor 0.300"),
    (scored(0.29), scored(0.1, "1"), interval(0.1, 0.3), False, "below the floor"),
    (scored(0.72), CHAMPION, interval(0.01, 0.03), True, "0.720 against 0.700 of version 1"),
    (scored(0.72), CHAMPION, interval(-0.001, 0.041), False, "may be chance: 95% interval -0.0010"),
    (scored(0.72), CHAMPION, interval(0.0, 0.04), False, "may be chance"),
    (scored(0.701), CHAMPION, interval(0.0005, 0.002), False, "less than the least gain 0.002"),
    (scored(0.69), CHAMPION, interval(-0.02, 0.0), False, "-0.0100, less than the least gain"),
    (scored(0.9, data="e"), CHAMPION, None, False, "evaluate --champion pose-coco --dataset coco"),
    (scored(0.9, protocol="det"), CHAMPION, None, False, "cannot be compared with the champion's"),
]


@pytest.mark.parametrize(("candidate", "champion", "span", "promoted", "reason"), DECISIONS)
def test_decisions(
    candidate: Scored, champion: Scored | None, span: Interval | None, promoted: bool, reason: str
) -> None:
    decision = decide(candidate, champion, RULE, span, SLOT)
    assert decision.promote is promoted
    assert reason in decision.reason
    assert decision.final is ("refused" not in decision.reason)


def test_a_slot_takes_what_fits() -> None:
    cost, metrics = {"params": 4_000_000, "exact_g": 1.5}, {"AP@gt": 0.5}
    assert why_not(LITE, "coco", cost, metrics) == ""
    assert "skeleton mpii" in why_not(LITE, "mpii", cost, metrics)
    assert "6.00 M" in why_not(LITE, "coco", {**cost, "params": 6_000_000}, metrics)
    assert "2.50 exact G" in why_not(LITE, "coco", {**cost, "exact_g": 2.5}, metrics)
    assert "no AP under det or gt" in why_not(LITE, "coco", cost, {"AP50@gt": 0.5})
    assert why_not(RULE, "coco", {"params": 9e9, "exact_g": 9e9}, metrics) == ""


def test_the_rule_book_of_this_repository() -> None:
    rules = read_rules(RULES)
    assert set(rules) == {"pose-coco", "pose-coco-lite", "pose-coco-bottom-up", "pose-mpii"}
    assert rules["pose-coco"].protocols == ["det", "gt"]
    limits = rules["pose-coco-lite"].limits
    assert limits is not None and limits.params_m == 5.0 and limits.exact_g == 2.0


@pytest.mark.parametrize(
    ("line", "wrong", "message"),
    [
        ("metric: AP\n", "metrik: AP\n", "metrik: unknown key; did you mean 'metric'"),
        ("metric: AP\n", "metric: AR\n", "metric: given 'AR', accepted: one of AP"),
        ("floor: 0.3", "floor: high", "floor: given 'high', accepted: a float"),
        ("[det, gt]", "[]", "protocols: given none"),
        ("confidence: 0.95", "confidence: 95", "confidence: given 95.0"),
        ("resamples: 1000", "resamples: 3", "accepted: 100 or more"),
        ("least_gain: 0.002", "least_gain: -1.0", "least_gain: given -1.0"),
    ],
)
def test_a_wrong_rule_book_is_named(tmp_path: Path, line: str, wrong: str, message: str) -> None:
    text = RULES.read_text()
    assert line in text
    path = tmp_path / "promotion.yaml"
    path.write_text(text.replace(line, wrong))
    with pytest.raises(ValueError, match=rf"promotion\.yaml: slots\.pose-coco\.?.*{message}"):
        read_rules(path)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """MLflow's tables, made once."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    mlflow_client(f"sqlite:///{path}").search_experiments()
    return path.read_bytes()


@pytest.fixture
def home(home: Path, monkeypatch: pytest.MonkeyPatch, empty_database: bytes) -> Path:
    """A home with a registry of its own; the graph's export is another test's business."""
    home.mkdir()
    (home / "mlflow.db").write_bytes(empty_database)
    monkeypatch.setattr(model_files, "write_graph", lambda graph, path: path.write_bytes(b"graph"))
    return home


def run(monkeypatch: pytest.MonkeyPatch, *recipes: str) -> None:
    content: dict[str, Any] = {"run": {"recipes": {name: {} for name in recipes}}}
    monkeypatch.setattr(promote, "load_params", lambda: content)
    assert promote.main([]) == 0


def ledger() -> dict[str, Any]:
    return dict(json.loads((places.reports() / "promotion.json").read_text()))


def actions(slot: str = SLOT) -> list[str]:
    return [d["action"] for d in ledger()["decisions"] if d["slot"] == slot]


def test_the_road_of_a_slot(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results("first", quality=0.6, seed=1)
    run(monkeypatch, "first", "missing")
    said = capsys.readouterr().out
    assert "missing: not evaluated" in said
    assert said.splitlines()[-4].startswith(
        "pose-coco: champion version 1 (first, AP@gt 0.600): first version"
    )
    registry = Registry()
    assert registry.aliases(SLOT) == {"champion": "1", "candidate": "1"}
    check_lineage(registry)

    write_results("better", quality=0.8, seed=2)
    run(monkeypatch, "first", "better")
    assert registry.aliases(SLOT) == {"champion": "2", "candidate": "2", "previous": "1"}
    gained = ledger()["decisions"][-1]
    assert gained["interval"]["low"] > 0 and gained["champion"]["version"] == "1"
    before = (places.reports() / "promotion.json").read_bytes()
    run(monkeypatch, "first", "better")
    assert (places.reports() / "promotion.json").read_bytes() == before, "nothing new to decide"
    assert len(registry.client.search_model_versions(f"name = '{SLOT}'")) == 2
    shutil.move(places.evaluated("first"), places.home() / "away")
    first = registered(str(registry.version(SLOT, "1").run_id), places.home() / "got")
    assert json.loads((first / "metrics.json").read_text())["AP@gt"] == 0.6, "a run by its id"
    shutil.move(places.home() / "away", places.evaluated("first"))

    assert promote.main(["--rollback", SLOT]) == 0
    assert registry.aliases(SLOT)["champion"] == "1"
    assert registry.aliases(SLOT)["previous"] == "2"
    run(monkeypatch, "first", "better")
    assert registry.aliases(SLOT)["champion"] == "1", "what was rolled back stays so"
    assert actions() == ["promoted", "promoted", "rolled back"]
    assert ledger()["slots"][SLOT]["champion"] == "1"
    assert "rolled back by hand" in ledger()["slots"][SLOT]["reason"]
    assert registry.version(SLOT, "2").tags["limber.decision"] == "rolled back"
    assert actions("pose-coco-lite") == ["promoted", "promoted"]


def test_mpii_has_a_slot_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mpii_results("low", quality=0.4)
    write_mpii_results("first", quality=0.7, seed=2)
    write_mpii_results("better", quality=0.8, seed=3)
    write_results("coco", quality=0.6)
    run(monkeypatch, "low", "first", "better", "coco")
    said = capsys.readouterr().out
    assert "coco: not for pose-mpii: skeleton coco, the slot takes mpii" in said
    assert "better: not for pose-coco: skeleton mpii, the slot takes coco" in said
    assert actions("pose-mpii") == ["rejected", "promoted", "promoted"]
    gained = [d for d in ledger()["decisions"] if d["slot"] == "pose-mpii"][-1]
    assert gained["metric"] == "PCKh@0.5@gt" and gained["interval"]["low"] > 0
    state = ledger()["slots"]["pose-mpii"]
    assert state["recipe"] == "better" and state["PCKh@0.5@gt"] == 0.8
    assert "pose-mpii: champion version 3 (better, PCKh@0.5@gt 0.800)" in said
    assert Registry().version("pose-mpii", "3").tags["limber.PCKh.0.5.gt"] == "0.800000"


def check_lineage(registry: Registry) -> None:
    version = registry.version(SLOT, "1")
    best = places.trained("first") / "best.pt"
    tags = {key.removeprefix("limber."): value for key, value in version.tags.items()}
    assert tags["data_hash"] == "d" * 64 and tags["recipe"] == "first"
    assert tags["checkpoint_sha256"] == promote.file_digest(best)
    assert tags["run_id"] == version.run_id and tags["decision"] == "promoted"
    assert tags["AP.gt"] == "0.600000" and tags["recipe_digest"]
    run = registry.client.get_run(str(version.run_id))
    assert run.data.metrics["evaluation/AP/gt"] == 0.6
    path, identity = champion_checkpoint(SLOT)
    assert identity["version"] == "1" and identity["recipe"] == "first"
    restored = promote.load_trained(path, "champion", None)
    original = promote.load_trained(best, "first", None)
    ours, theirs = restored.network.state_dict(), original.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(ours[key].equal(theirs[key]) for key in ours)


def test_a_worse_and_an_equal_model_stay_candidates(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results("champion", quality=0.7, seed=1)
    write_results("equal", quality=0.7, seed=2)
    write_results("low", quality=0.1, seed=3)
    run(monkeypatch, "champion", "equal", "low")
    assert Registry().aliases(SLOT) == {"champion": "1", "candidate": "3"}
    assert actions() == ["promoted", "rejected", "rejected"]
    reasons = [d["reason"] for d in ledger()["decisions"] if d["slot"] == SLOT]
    assert "least gain" in reasons[1] and "below the floor" in reasons[2]


def test_a_large_model_is_not_for_the_lite_slot(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results("large", cost={"params": 28_500_000, "exact_g": 7.6})
    run(monkeypatch, "large")
    said = capsys.readouterr().out
    assert "large: not for pose-coco-lite: 28.50 M parameters" in said
    assert said.splitlines()[-3].startswith("pose-coco-lite: no champion")


def test_what_was_learnt_by_heart_is_left_out(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results("by_heart")
    path = places.trained("by_heart") / "best.pt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["recipe"]["evaluation"]["split"] = "train"
    torch.save(checkpoint, path)
    run(monkeypatch, "by_heart")
    assert (
        "by_heart: left out: evaluated on the images that it trained on" in capsys.readouterr().out
    )
    assert not ledger()["decisions"]


def test_other_data_is_refused_until_the_champion_is_evaluated_there(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results("old", quality=0.5, seed=1)
    run(monkeypatch, "old")
    write_results("new", quality=0.8, seed=2, data_hash="e" * 64, protocols=("gt", "det"))
    run(monkeypatch, "new")
    command = "python -m pipelines.evaluate --champion pose-coco --dataset stick_figures"
    assert command in capsys.readouterr().out
    assert Registry().aliases(SLOT)["champion"] == "1"
    run(monkeypatch, "new")
    assert actions() == ["promoted", "refused"], "told once in the ledger"

    about = {"version": "1", "slot": SLOT, "dataset": "stick_figures", "data_hash": "e" * 64}
    folder = home / "results" / "champions" / SLOT / "stick_figures-eeeeeeeeeeee"
    write_evaluation(folder, about, 0.6, ("gt",))
    run(monkeypatch, "new")
    assert Registry().aliases(SLOT) == {"champion": "2", "candidate": "2", "previous": "1"}
    last = [d for d in ledger()["decisions"] if d["slot"] == SLOT][-1]
    assert last["metric"] == "AP@gt" and last["champion"]["value"] == 0.6
    assert "0.800 against 0.600" in last["reason"]


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
    about = json.loads((places.evaluated("first") / "evaluation.json").read_text())
    (places.evaluated("first") / "evaluation.json").write_text(
        json.dumps({**about, "fingerprint": "another"})
    )
    monkeypatch.setattr(promote, "load_params", lambda: {"run": {"recipes": {"first": {}}}})
    assert promote.main([]) == 2
    assert "dvc repro evaluate@first" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert promote.main(["--list"]) == 2
    assert "no MLflow server answers" in capsys.readouterr().err
