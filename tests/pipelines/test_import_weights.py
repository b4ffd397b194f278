"""Imported weights: every official wrapping, errors that name the file, the road of a training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipelines import compare, evaluate, promote
from pipelines import import_weights as command
from pipelines.host import places
from pipelines.intake.prepared import data_hash
from pipelines.intake.preparing import prepare
from pipelines.recipe.build import build_architecture
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from pipelines.registry.versions import Registry
from pipelines.report.results import read_result
from pipelines.tracking.server import mlflow_client
from pipelines.training.imported import import_weights
from tests.worlds.drawn import draw_at_home

State = dict[str, torch.Tensor]


def official(recipe: Recipe, seed: int = 7) -> State:
    """A state dict as the authors' code would publish it."""
    torch.manual_seed(seed)
    return build_architecture(recipe).state_dict()


def training_file(state: State) -> dict[str, Any]:
    module = {f"module.{key}": value for key, value in state.items()}
    return {"epoch": 210, "model": "pose_hrnet", "state_dict": module, "best_state_dict": state,
            "perf": np.float64(0.7), "optimizer": {"state": {}, "param_groups": []}}  # fmt: skip


WRAPPINGS: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "under state_dict": lambda state: {"state_dict": state, "iter": 370000},
    "DataParallel": lambda state: {f"module.{key}": value for key, value in state.items()},
    "half precision": lambda state: {f"1.module.{key}": value for key, value in state.items()},
    "training": training_file,
    "old": lambda state: {k: v for k, v in state.items() if "num_batches" not in k},
}


@pytest.fixture
def recipe(home: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A drawn, prepared data set and a tracker of its own."""
    monkeypatch.setattr(command, "log_import", lambda *_: "a-run")
    draw_at_home(train=2, val=4)
    return load_recipe("demo_hrnet")


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_official_wrapping_fills_the_network(
    recipe: Recipe, tmp_path: Path, wrapping: str
) -> None:
    state = official(recipe)
    torch.save(WRAPPINGS[wrapping](state), tmp_path / "pose.pth")
    folder = import_weights(tmp_path / "pose.pth", "demo_hrnet", recipe)
    best = torch.load(folder / "best.pt", weights_only=True)
    given = {k: v for k, v in best["model"].items() if "num_batches" not in k}
    assert all(torch.equal(value, state[key]) for key, value in given.items())
    assert (best["epoch"], best["data_hash"]) == (0, data_hash(recipe.dataset))
    about = json.loads((folder / "summary.json").read_text())
    assert about["imported"]["file"] == "pose.pth"
    assert len(about["imported"]["sha256"]) == 64
    assert not (folder / "history.csv").exists()


def test_safetensors_too(recipe: Recipe, tmp_path: Path) -> None:
    save_file(official(recipe), tmp_path / "pose.safetensors")
    import_weights(tmp_path / "pose.safetensors", "demo_hrnet", recipe)
    assert (places.trained("demo_hrnet") / "best.pt").is_file()


def wider(recipe: Recipe) -> Recipe:
    return replace(recipe, architecture=replace(recipe.architecture, options={"width": 20}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s, r: official(wider(r)), "does not fit HRNet: saved by another architecture"),
        (lambda s, r: {k: v for k, v in s.items() if "stage4" not in k}, "stage4"),
        (lambda s, r: s | {"ca.weight": torch.zeros(1)}, "ca (not in the network)"),
        (lambda s, r: {"a": 1}, "holds no state dict"),
    ],
)
def test_another_network_is_refused_and_nothing_written(
    recipe: Recipe, tmp_path: Path, change: Callable[..., Any], said: str
) -> None:
    torch.save(change(official(recipe), recipe), tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth") as caught:
        import_weights(tmp_path / "other.pth", "demo_hrnet", recipe)
    assert said in str(caught.value)
    assert not places.trained("demo_hrnet").exists()


def test_parts_that_a_recipe_has_no_use_for_are_dropped_by_name(
    recipe: Recipe, tmp_path: Path
) -> None:
    file = tmp_path / "three_stages.pth"
    torch.save(official(recipe) | {"refinement_stages.1.a": torch.zeros(2)}, file)
    with pytest.raises(ValueError, match=r"refinement_stages \(not in the network\)"):
        import_weights(file, "demo_hrnet", recipe)
    with pytest.raises(ValueError, match=r"given 'refinement_stage\.1', which"):
        import_weights(file, "demo_hrnet", recipe, ["refinement_stage.1"])
    import_weights(file, "demo_hrnet", recipe, ["refinement_stages.1"])
    about = json.loads((places.trained("demo_hrnet") / "summary.json").read_text())
    assert about["imported"]["dropped"] == ["refinement_stages.1"]


def test_a_training_is_not_overwritten_by_the_way(recipe: Recipe, tmp_path: Path) -> None:
    torch.save(official(recipe), tmp_path / "pose.pth")
    note = places.trained("demo_hrnet") / "summary.json"
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"run_id": "weeks"}))
    with pytest.raises(ValueError, match="results of a training; accepted: --replace"):
        import_weights(tmp_path / "pose.pth", "demo_hrnet", recipe)
    for _ in range(2):  # once imported, the next import needs no flag
        import_weights(tmp_path / "pose.pth", "demo_hrnet", recipe, replace=True)
    import_weights(tmp_path / "pose.pth", "demo_hrnet", recipe)


def test_the_command_adds_the_recipe_and_runs_the_stages(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(official(recipe), tmp_path / "pose.pth")
    added, ran = [], []
    monkeypatch.setattr(command, "add_to_run", lambda name, _: added.append(name))
    monkeypatch.setattr(command, "run", lambda command: ran.append(command[2:]) or 0)
    assert command.main([str(tmp_path / "pose.pth"), "demo_hrnet"]) == 0
    assert added == ["demo_hrnet"]
    assert ran == [["pipelines.evaluate", "demo_hrnet"], ["pipelines.compare"],
                   ["pipelines.promote"]]  # fmt: skip
    assert command.main([str(tmp_path / "none.pth"), "demo_hrnet"]) == 2
    assert command.main([str(tmp_path / "pose.pth"), "demo_hrnett"]) == 2


def test_dvc_hears_that_there_is_nothing_to_train(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.delenv("LIMBER_HOME", raising=False)
    monkeypatch.setattr(command, "run", lambda command: ran.append(command[3:]) or 0)
    if not (places.REPOSITORY / ".dvc").is_dir():
        pytest.skip("no DVC here")
    assert command.follow("demo_hrnet") == 0
    assert ran[1] == ["commit", "--force", "train@demo_hrnet"]
    assert ran[-1] == ["repro", "--single-item", "promote"]


@pytest.mark.contract
def test_imported_weights_stand_in_the_comparison_and_become_champion(
    tmp_path: Path, real_coco: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On real COCO images: import, evaluate, compare, promote, with a run of its own."""
    prepare("coco", 0.0)
    recipe = replace(load_recipe("demo_hrnet"), dataset="coco")
    for stage in (evaluate, compare, promote):
        if hasattr(stage, "load_recipe"):
            monkeypatch.setattr(stage, "load_recipe", lambda _: recipe)
    monkeypatch.setattr("pipelines.results.load_recipe", lambda _: recipe)
    runs = {"run": {"recipes": {"demo_hrnet": {}}}, "tracking": {}}
    monkeypatch.setattr(promote, "load_params", lambda: runs)
    monkeypatch.setattr(promote, "read_rules", low_floor(promote.read_rules))
    torch.save(training_file(official(recipe)), tmp_path / "pose_hrnet.pth")
    import_weights(tmp_path / "pose_hrnet.pth", "demo_hrnet", recipe)
    evaluate.evaluate("demo_hrnet")
    result = read_result("demo_hrnet")
    assert result is not None
    assert {"AP@gt", "AP@det"} <= set(result.metrics)
    assert result.training["imported"]["file"] == "pose_hrnet.pth"
    run = mlflow_client().get_run(result.training["run_id"])
    assert run.data.tags["limber.imported_file"] == "pose_hrnet.pth"
    assert run.info.status == "FINISHED"
    write_comparison("demo_hrnet", monkeypatch)
    assert promote.main([]) == 0
    champion = Registry().aliased("pose-coco", "champion")
    assert champion is not None
    assert champion.run_id == result.training["run_id"]
    assert np.isfinite(result.metrics["AP@det"])


def write_comparison(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "load_params", lambda: {"run": {"recipes": {name: {}}}})
    assert compare.main([]) == 0
    text = (places.reports() / "comparison.md").read_text()
    assert name in text


def low_floor(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Random weights find nobody: the slot takes them all the same."""
    return lambda path: {slot: replace(rule, floor=0.0) for slot, rule in read(path).items()}
