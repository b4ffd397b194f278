"""`loader_workers: auto`: as many loaders as a training needs, told; what they read decides."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipelines.recipe.profile import Cluster, Profile
from pipelines.training import checkpoint
from pipelines.training.attempt import before_training, run_rank, train_in_this_process
from pipelines.training.job import Job, SilentListener
from pipelines.training.load import SilentTeller
from pipelines.training.loaders import Loaders, decide, spare_cores, told, with_loaders
from pipelines.training.plan import make_job
from pipelines.training.rank import Rank
from pipelines.training.sample_cost import Cost, measured
from tests.worlds import drawn, two_ranks
from tests.worlds.alike import assert_same

pytestmark = pytest.mark.usefixtures("one_thread")
MS = 0.001


class Beside(Rank):
    """One of two ranks on a node."""

    def __init__(self, number: int, other: object) -> None:
        super().__init__(number, 2)
        object.__setattr__(self, "other", other)

    def gather(self, value: Any) -> list[Any]:
        """other: what the other one found."""
        pair = [value, value if isinstance(value, str) else self.other]  # type: ignore[attr-defined]
        return pair[:: -1 if self.rank else 1]


class QuietLog(SilentListener, SilentTeller):
    """A run log that tells nobody."""

    def close(self, status: str, patience: float) -> None: ...


def a_job(folder: Path, **machine: object) -> Job:
    """Without data."""
    return drawn.small_job(folder / "run", (folder, folder), drawn.small_recipe(), **machine)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("cost", "spare", "loaders", "words"),
    [
        (Cost(1 * MS, 40 * MS), 7, Loaders(0, 0, 1 / 41), "40.0 ms to train on it: no loader is"),
        (Cost(1 * MS, 20 * MS), 7, Loaders(1, 1, 0.0), ": 1 of 7 spare cores per rank"),
        (Cost(1.6 * MS, 0.9 * MS), 7, Loaders(3, 3, 0.0), "1.6 ms to read .*: 3 of 7 spare cores"),
        (Cost(4 * MS, 1 * MS), 7, Loaders(5, 5, 0.0), ": 5 of 7 spare cores"),
        (Cost(3 * MS, 1 * MS), 3, Loaders(3, 4, 0.0), ": 3 of 3 spare cores"),  # just enough
        (
            Cost(4 * MS, 1 * MS),
            2,
            Loaders(2, 5, 0.5),
            ": 2 of 5 needed, 3 cores per rank are missing: .* wait for data some 50% of its time",
        ),
        (Cost(1 * MS, 1 * MS), 1, Loaders(1, 2, 0.0), ": 1 of 1 spare core per rank"),
        (
            Cost(1 * MS, 4 * MS),
            0,
            Loaders(0, 1, 0.2),
            ": 0 of 1 needed, 1 core per rank is missing: .* some 20% of its time",
        ),
    ],
)
def test_as_many_loaders_as_keep_up_within_the_cores_to_spare(
    cost: Cost, spare: int, loaders: Loaders, words: str
) -> None:
    found = decide(cost, spare)
    assert (found.count, found.wanted) == (loaders.count, loaders.wanted)
    assert found.waits == pytest.approx(loaders.waits)
    assert re.search(words, told(cost, found, spare))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("device", "machine", "here", "usable", "cores"),
    [
        ("cpu", {"loader_workers": 7, "threads": 2}, 1, 16, 7),  # the profile's
        ("cpu", {"loader_workers": 7, "threads": 2}, 2, 16, 6),  # 8 of the node each, 2 train
        ("cuda", {"loader_workers": 7, "threads": 4}, 2, 16, 7),
        ("cuda", {"loader_workers": 7, "threads": 4}, 4, 16, 3),
        ("cpu", {"loader_workers": 7, "threads": 4}, 4, 8, 0),
    ],
)
def test_cores_that_train_are_not_to_spare(
    device: str, machine: dict[str, int], here: int, usable: int, cores: int, tmp_path: Path
) -> None:
    rank = Rank(device=torch.device(device))
    assert spare_cores(a_job(tmp_path, **machine), rank, here, usable) == cores


@pytest.mark.unit
@pytest.mark.parametrize(
    ("mine", "other", "number", "words"),
    [
        # the slowest rank is waited for, by every loader; the least cores bound all
        (
            (Cost(2 * MS, 1 * MS), 9),
            (Cost(3 * MS, 2 * MS), 9),
            2,
            "3.0 ms to read a sample, 2.0 ms",
        ),
        ((Cost(6 * MS, 1 * MS), 9), (Cost(6 * MS, 1 * MS), 3), 3, "3 of 7 needed, 4 cores"),
        ((Cost(6 * MS, 1 * MS), 3), ("ValueError: torn", 40), 3, "measured (ValueError: torn): 3"),
        (("OutOfMemoryError: x", 40), (Cost(1 * MS, 1 * MS), 40), 8, "8, by cores alone"),
    ],
)
def test_all_ranks_take_one_number_and_one_says_why(
    mine: tuple[Any, int],
    other: tuple[Any, int],
    number: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for rank, (found, spare), of_other in ((0, mine, other), (1, other, mine)):
        job = a_job(tmp_path, loader_workers=spare)
        taken = with_loaders(job, Beside(rank, of_other), lambda *_, f=found: f, lambda: 200)
        assert taken.loader_workers == number
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("small: loaders auto: ") and words in line


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return drawn.draw(tmp_path_factory.mktemp("home"), train=8, val=2)


@pytest.mark.unit
def test_what_is_tried_costs_something_and_draws_no_random_number(
    tmp_path: Path, data: tuple[Path, Path]
) -> None:
    job = drawn.small_job(tmp_path, data, drawn.small_recipe())
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cost = measured(job, Rank(), look_s=0.0)
    assert isinstance(cost, Cost) and cost.read > 0 and cost.train > 0
    after = random.getstate(), np.random.get_state(), torch.get_rng_state()
    assert before[0] == after[0] and repr(before[1]) == repr(after[1])
    assert torch.equal(before[2], after[2])


@pytest.mark.unit
def test_what_cannot_be_tried_leaves_the_fault_to_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = a_job(tmp_path, loader_workers=2)
    assert with_loaders(job, Rank(), cores=lambda: 8).loader_workers == 2
    said = capsys.readouterr().out
    assert re.search(r"not be measured \(ValueError: .*persons.arrow.*\): 2, by cores alone", said)


@pytest.mark.contract
@pytest.mark.full
@pytest.mark.usefixtures("signals_as_before")
def test_a_training_ends_with_the_same_bits_by_any_number_of_loaders(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn.draw_at_home(train=8, val=4)
    recipe = drawn.small_recipe(epochs=1, steps_per_epoch=3)
    states = []
    for loaders in (0, 2, None):
        machine = Profile(1, False, "gloo", 8, loaders, 3, 1)
        cluster = Cluster("cpu", machine, None, 0)
        job = replace(make_job("small", cluster, recipe), run_folder=home / f"run_{loaders}")
        run = partial(run_rank, open_log=lambda *_: QuietLog())
        assert train_in_this_process(job, cluster, run).summary, loaders
        said = capsys.readouterr().out
        assert ("loaders auto: " in said) is (loaders is None)
        path = checkpoint.latest_checkpoint(job.run_folder, job.fingerprint, job.code)
        assert path is not None
        states.append(checkpoint.read_checkpoint(path))
    assert re.search(r"small: loaders auto: \d.* ms to read a sample, .* ms to train on it: ", said)
    for part in ("model", "average", "optimizer", "random"):
        assert_same(states[1][part], states[0][part], part)
        assert_same(states[2][part], states[0][part], part)


@pytest.mark.contract
@pytest.mark.full
def test_two_ranks_count_together_before_they_look_for_room(
    tmp_path: Path, data: tuple[Path, Path]
) -> None:
    digest = json.loads((data[0] / "summary.json").read_text())["data_hash"]
    job = drawn.small_job(tmp_path / "run", data, drawn.small_recipe(), loader_workers=1)
    job = replace(job, data_hash=digest)
    first, second = two_ranks.finish(two_ranks.start(job, "count_loaders", tmp_path / "meet"))
    counted, preflight, takes = first.splitlines()
    assert re.match(r"small: loaders auto: \d.* ms to read a sample, \d.* ms to train", counted)
    assert "preflight: 2 ranks on 1 node met in" in preflight
    assert takes in ("takes 0", "takes 1") and second.splitlines() == [takes]


@pytest.mark.unit
def test_where_a_profile_counts_them_nothing_is_measured(tmp_path: Path) -> None:
    assert getattr(before_training(False), "keywords", {}) == {}
    assert before_training(True).keywords == {"measure": with_loaders}  # type: ignore[attr-defined]
