"""A plug-in that learns alone: over whole weights only, through averages, ranks and checkpoints."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from data.ground.plug import Plug
from pipelines.prediction.best_weights import BestWeights
from pipelines.recipe.build import build_architecture
from pipelines.recipe.schema import Recipe
from pipelines.training import checkpoint
from pipelines.training.job import Job, SilentListener, TrainingStopped
from pipelines.training.loop import train_loop
from pipelines.training.parts import build_parts
from pipelines.training.rank import Rank
from tests.worlds import drawn, two_ranks

pytestmark = pytest.mark.contract

Data = tuple[Path, Path]
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return drawn.draw(tmp_path_factory.mktemp("home"))


def frozen_recipe(**training: object) -> Recipe:
    refine = Plug("pose_renet", {"freeze_base": True})
    return dataclasses.replace(drawn.small_recipe(**training), refine=refine)


@pytest.fixture
def base(tmp_path: Path) -> tuple[Path, State]:
    """best.pt of a training of the network without the plug-in, and what it holds of it."""
    plain = drawn.small_recipe()
    torch.manual_seed(7)
    state = build_architecture(plain).state_dict()
    BestWeights(plain.as_dict(), state, 2, "f" * 64, "d" * 64).write(tmp_path / "best.pt")
    return tmp_path / "best.pt", state


def last_state(job: Job) -> dict[str, Any]:
    path = checkpoint.latest_checkpoint(job.run_folder, job.fingerprint)
    assert path is not None
    return checkpoint.read_checkpoint(path)


def of_base(state: State) -> State:
    return {k.removeprefix("base."): v for k, v in state.items() if k.startswith("base.")}


def assert_equal(found: State, expected: State) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in found.items())


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.full)])
def test_only_the_plug_in_moves(
    tmp_path: Path, data: Data, base: tuple[Path, State], ranks: int
) -> None:
    path, state = base
    job = drawn.small_job(tmp_path / "run", data, frozen_recipe(epochs=1), weights=path)
    if ranks == 1:
        train_loop(job, Rank(), SilentListener())
    else:
        two_ranks.finish(two_ranks.start(job, "train", tmp_path / "meeting"))
    last, first = last_state(job), build_parts(job, Rank()).network.state_dict()
    for found in (last["model"], last["average"]["network"]):
        assert_equal(of_base(found), state)
    moved = [key for key, value in last["model"].items() if not torch.equal(value, first[key])]
    assert {key.split(".")[0] for key in moved} == {"gate", "lift", "keep"}


def test_a_stopped_training_goes_on_to_the_same_end(
    tmp_path: Path, data: Data, base: tuple[Path, State]
) -> None:
    recipe = frozen_recipe(epochs=1, checkpoint_every_steps=2)
    whole, stopped = (
        drawn.small_job(tmp_path / name, data, recipe, weights=base[0]) for name in ("a", "b")
    )
    train_loop(whole, Rank(), SilentListener())
    with pytest.raises(TrainingStopped):
        broken = two_ranks.BrokenSteps(lambda step: step == 3)
        train_loop(stopped, Rank(), SilentListener(), broken)
    assert last_state(stopped)["step"] == 2
    train_loop(stopped, Rank(), SilentListener())
    assert_equal(last_state(stopped)["model"], last_state(whole)["model"])


@pytest.mark.parametrize("head", ["without its painting layer", "none at all"])
def test_a_base_that_chance_would_paint_is_refused(
    tmp_path: Path, data: Data, base: tuple[Path, State], head: str
) -> None:
    trunk = {key: value for key, value in base[1].items() if not key.startswith("final_layer")}
    torch.save(trunk, tmp_path / "trunk.pth")
    weights = None if head == "none at all" else tmp_path / "trunk.pth"
    job = drawn.small_job(tmp_path / "run", data, frozen_recipe(), weights=weights)
    with pytest.raises(ValueError, match=r"refine.options.freeze_base: a base that does not learn"):
        build_parts(job, Rank())
