"""What `training.compile` may promise: a graph without a break, and the losses of eager training.

By tracing alone (forward and backward), without the minutes of a C++ compiler.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.feeds import feed_kind
from pipelines.recipe.reader import load_recipe
from pipelines.training.compiling import compile_blocks
from pipelines.training.job import Job
from pipelines.training.parts import build_parts
from pipelines.training.rank import Rank
from pipelines.training.step import train_step
from tests.worlds import drawn

pytestmark = pytest.mark.contract
NAMES = (
    "demo_hrnet", "demo_simple_baseline", "demo_higher_hrnet", "demo_openpose", "demo_ca_hrnet"
)  # fmt: skip
STEPS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return drawn.draw(tmp_path_factory.mktemp("home"), train=4, val=2)


@pytest.fixture
def nothing_compiled() -> Iterator[None]:
    yield
    torch.compiler.reset()


def losses(job: Job, compiled: bool) -> list[float]:
    """Of the first steps on two samples."""
    parts, recipe = build_parts(job, Rank()), job.recipe
    place = SplitPlace(job.prepared, job.raw, "train")
    samples = feed_kind(parts.codec).samples(recipe, parts.codec, place, augmented=False)
    batch = samples.first(2)
    if compiled:
        compile_blocks(parts.network, fullgraph=True, backend="aot_eager")  # a break is an error
    return [float(train_step(job, Rank(), parts, [batch]).sums[0]) for _ in range(STEPS)]


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_one_graph_with_the_losses_of_eager_training(
    name: str, tmp_path: Path, data: tuple[Path, Path], nothing_compiled: None, one_thread: None
) -> None:
    recipe = load_recipe(name)
    training = replace(recipe.training, compile=False)
    recipe = replace(recipe, dataset="stick_figures", training=training)
    job = drawn.small_job(tmp_path, data, recipe)
    eager = losses(job, compiled=False)
    assert losses(job, compiled=True) == pytest.approx(eager, rel=1e-4)
    assert len(set(eager)) == STEPS, "it learns"
