"""What runs while a recipe is trained and scored is what its digests are of, or only tells."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest

from pipelines.digests.deciding import Deciding, scores, tells, trains
from pipelines.evaluation.measure import write_evaluation
from pipelines.evaluation.record import Identity
from pipelines.host import places
from pipelines.host.imports import reached
from pipelines.host.progress import Clock
from pipelines.prediction.trained import load_trained
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from pipelines.training.job import SilentListener
from pipelines.training.loop import train_loop
from pipelines.training.rank import Rank
from pipelines.training.results import write_results
from tests.worlds.deciding import HERE
from tests.worlds.drawn import draw, small_job
from tests.worlds.here import ROOT

pytestmark = pytest.mark.contract


@contextmanager
def called() -> Iterator[set[str]]:
    """Places of files of which a function is called."""
    files: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            files.add(frame.f_code.co_filename)

    places_: set[str] = set()
    sys.setprofile(note)
    try:
        yield places_
    finally:
        sys.setprofile(None)
    wings = tuple(f"{ROOT / wing}/" for wing in ("data", "models", "pipelines"))
    ours = (Path(file) for file in files if file.startswith(wings))
    places_ |= {path.relative_to(ROOT).as_posix() for path in ours}


def short(name: str) -> Recipe:
    """A demo recipe for one epoch of two steps."""
    recipe = load_recipe(name)
    training = replace(recipe.training, epochs=1, global_batch=4, steps_per_epoch=2)
    return replace(recipe, training=training)


def undeclared(files: set[str], deciding: Deciding) -> set[str]:
    """Those that no digest is of, but for what tells and what that reaches."""
    told = reached([place for place in files if tells(place)], HERE.named)
    return files - told - set(deciding.files)


@pytest.mark.parametrize("name", ["demo_hrnet", "demo_higher_hrnet", "demo_openpose"])
def test_what_runs_is_digested(name: str, home: Path, one_thread: None) -> None:
    recipe = short(name)
    data = draw(home, train=8, val=2)
    with called() as trained:
        job = small_job(places.run(name, "f" * 64), data, recipe)
        job = replace(job, name=name, data_hash="d" * 64)
        write_results(job, train_loop(job, Rank(), SilentListener()), Clock())
    assert {"pipelines/training/step.py", "pipelines/training/results.py"} <= trained
    assert undeclared(trained, trains(recipe, HERE)) == set()
    with called() as scored:
        network = load_trained(places.best_weights(name), name, recipe)
        write_evaluation(network, places.evaluated(name), Identity(name, None))
    assert {"pipelines/evaluation/measure.py", "pipelines/recipe/build.py"} <= scored
    checked = {place for place in scored if place.startswith("models/losses/")}  # built, not used
    assert undeclared(scored - checked, scores(recipe, HERE)) == set()
