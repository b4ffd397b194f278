"""Imported weights: every official wrapping, errors that name the file, the road of a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipelines import compare, promote
from pipelines import import_weights as command
from pipelines.evaluation.measure import write_evaluation
from pipelines.evaluation.record import Identity
from pipelines.host import places
from pipelines.host.dvc import dvc_command
from pipelines.intake.prepared import data_hash
from pipelines.intake.preparing import prepare
from pipelines.prediction.best_weights import BestWeights
from pipelines.prediction.trained import load_trained
from pipelines.recipe.build import build_architecture
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from pipelines.registry.rules import RULES, read_rules
from pipelines.registry.versions import Registry
from pipelines.report.results import read_result
from pipelines.tracking.server import mlflow_client
from pipelines.training.imported import import_weights, note_unfetched
from pipelines.training.record import History, TrainingRecord
from tests.worlds.drawn import draw_at_home
from tests.worlds.trained import save_trained

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
def recipe(home: Path) -> Recipe:
    """Of a drawn, prepared data set."""
    draw_at_home(train=2, val=4)
    return load_recipe("demo_hrnet")


def a_run(*_: object) -> str:
    """Logs an import nowhere."""
    return "a-run"


import_silently = partial(import_weights, log=a_run)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_official_wrapping_fills_the_network(
    recipe: Recipe, tmp_path: Path, wrapping: str
) -> None:
    state = official(recipe)
    torch.save(WRAPPINGS[wrapping](state), tmp_path / "pose.pth")
    folder = import_silently(tmp_path / "pose.pth", "demo_hrnet", recipe)
    best = BestWeights.read(places.best_weights("demo_hrnet"))
    weights = {k: v for k, v in best.model.items() if "num_batches" not in k}
    assert all(torch.equal(value, state[key]) for key, value in weights.items())
    assert (best.epoch, best.data_hash) == (0, data_hash(recipe.dataset))
    record = TrainingRecord.read(folder)
    assert (record.run_id, record.fingerprint) == ("a-run", best.fingerprint)
    assert record.imported is not None and record.imported.file == "pose.pth"
    assert len(record.imported.sha256) == 64
    assert History.read(folder).rows == []


def test_safetensors_too(recipe: Recipe, tmp_path: Path) -> None:
    save_file(official(recipe), tmp_path / "pose.safetensors")
    import_silently(tmp_path / "pose.safetensors", "demo_hrnet", recipe)
    assert BestWeights.read(places.best_weights("demo_hrnet")).epoch == 0


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
        import_silently(tmp_path / "other.pth", "demo_hrnet", recipe)
    assert said in str(caught.value)
    assert not places.trained("demo_hrnet").exists()


def test_parts_that_a_recipe_has_no_use_for_are_dropped_by_name(
    recipe: Recipe, tmp_path: Path
) -> None:
    file = tmp_path / "three_stages.pth"
    torch.save(official(recipe) | {"refinement_stages.1.a": torch.zeros(2)}, file)
    with pytest.raises(ValueError, match=r"refinement_stages \(not in the network\)"):
        import_silently(file, "demo_hrnet", recipe)
    with pytest.raises(ValueError, match=r"given 'refinement_stage\.1', which"):
        import_silently(file, "demo_hrnet", recipe, ["refinement_stage.1"])
    import_silently(file, "demo_hrnet", recipe, ["refinement_stages.1"])
    record = TrainingRecord.read(places.trained("demo_hrnet"))
    assert record.imported is not None and record.imported.dropped == ["refinement_stages.1"]


def test_a_training_is_not_overwritten_by_the_way(recipe: Recipe, tmp_path: Path) -> None:
    torch.save(official(recipe), tmp_path / "pose.pth")
    save_trained("demo_hrnet", recipe)
    with pytest.raises(ValueError, match="results of a training, accepted: --replace"):
        import_silently(tmp_path / "pose.pth", "demo_hrnet", recipe)
    for _ in range(2):  # once imported, the next import needs no flag
        import_silently(tmp_path / "pose.pth", "demo_hrnet", recipe, replace=True)
    import_silently(tmp_path / "pose.pth", "demo_hrnet", recipe)


def test_the_command_adds_the_recipe_and_runs_the_stages(recipe: Recipe, tmp_path: Path) -> None:
    torch.save(official(recipe), tmp_path / "pose.pth")
    added: list[str] = []
    ran: list[Sequence[str]] = []

    def run(*argv: str) -> int:
        return command.main(
            argv,
            log=a_run,
            add=lambda name, _: added.append(name),
            run=lambda stage: ran.append(stage[2:]) or 0,  # type: ignore[func-returns-value]
        )

    assert run(str(tmp_path / "pose.pth"), "demo_hrnet") == 0
    assert added == ["demo_hrnet"] and not ran, "nothing is scored unasked"
    assert run(str(tmp_path / "pose.pth"), "demo_hrnet", "--score") == 0
    evaluated = ["pipelines.evaluate", "demo_hrnet"]
    assert ran == [evaluated, ["pipelines.compare"], ["pipelines.promote"]]
    assert run(str(tmp_path / "none.pth"), "demo_hrnet") == 2
    assert run(str(tmp_path / "pose.pth"), "demo_hrnett") == 2
    assert added == ["demo_hrnet"] * 2 and len(ran) == 3, "nothing follows a refusal"


def test_the_first_stage_that_fails_is_the_last(home: Path) -> None:
    ran: list[Sequence[str]] = []

    def fail(stage: Sequence[str]) -> int:
        ran.append(stage)
        return 3

    assert command.score("demo_hrnet", fail) == 3
    assert len(ran) == 1


@pytest.mark.usefixtures("home")
def test_dvc_hears_that_there_is_nothing_to_train(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[Sequence[str]] = []

    def note(stage: Sequence[str]) -> int:
        ran.append(stage[len(dvc_command()) :])
        return 0

    command.tell_dvc("demo_hrnet", note)
    assert ran[0] == ["repro", "--single-item", "code"], "what it starts from is not fetched"
    assert ran[1:] == [["commit", "--force", "weights@demo_hrnet", "train@demo_hrnet"]]
    assert [path.name for path in places.weights("demo_hrnet").iterdir()] == ["not_fetched.json"]
    assert not capsys.readouterr().err
    command.tell_dvc("demo_hrnet", lambda stage: 1)
    assert "`dvc commit --force train@demo_hrnet` tells it" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_a_trunk_that_was_fetched_stays() -> None:
    folder = places.weights("demo_hrnet")
    folder.mkdir(parents=True)
    (folder / "trunk.pth").touch()
    note_unfetched("demo_hrnet")
    assert [path.name for path in folder.iterdir()] == ["trunk.pth"]


def test_mmpose_names_and_weights_that_burst(recipe: Recipe, tmp_path: Path) -> None:
    state = official(recipe)
    named = {
        f"{'head' if key.startswith('final_layer') else 'backbone'}.{key}": value
        for key, value in state.items()
    }
    torch.save({"meta": {"epoch": 210}, "state_dict": named}, tmp_path / "mmpose.pth")
    import_silently(tmp_path / "mmpose.pth", "demo_hrnet", recipe)
    best = BestWeights.read(places.best_weights("demo_hrnet"))
    assert all(torch.equal(value, state[key]) for key, value in best.model.items())
    burst = {key: value * float("nan") for key, value in state.items()}
    torch.save(burst, tmp_path / "burst.pth")
    with pytest.raises(ValueError, match=r"burst\.pth: .* tensors hold NaN"):
        import_silently(tmp_path / "burst.pth", "demo_hrnet", recipe)


@pytest.mark.full
@pytest.mark.contract
def test_imported_weights_stand_in_the_comparison_and_become_champion(
    tmp_path: Path, real_coco: Path
) -> None:
    """On real COCO images: import, evaluate, compare, promote, with a run of its own."""
    prepare("coco", 0.0)
    name, recipe = "demo_hrnet", replace(load_recipe("demo_hrnet"), dataset="coco")
    torch.save(training_file(official(recipe)), tmp_path / "pose_hrnet.pth")
    import_weights(tmp_path / "pose_hrnet.pth", name, recipe)
    training = TrainingRecord.read(places.trained(name))
    trained = load_trained(places.best_weights(name), name, recipe)
    write_evaluation(trained, places.evaluated(name), Identity(name, training.run_id))
    result = read_result(name, recipe)
    assert {"AP@gt", "AP@det"} <= set(result.numbers)
    assert training.imported is not None and training.imported.file == "pose_hrnet.pth"
    run = mlflow_client().get_run(str(training.run_id))
    assert run.data.tags["limber.imported_file"] == "pose_hrnet.pth"
    assert run.info.status == "FINISHED"
    assert name in compare.write_comparison([name], [result], {}).read_text()
    low = {slot: replace(rule, floor=0.0) for slot, rule in read_rules(RULES).items()}
    promote.promote([name], low)  # random weights find nobody: the slots take them all the same
    champion = Registry().aliased("pose-coco", "champion")
    assert champion is not None
    assert champion.run_id == training.run_id
    assert np.isfinite(result.numbers["AP@det"])
