"""A training on a world that changes: the same samples, rates and losses, step by step."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.recipe.params import load_params
from pipelines.recipe.profile import Profile, read_cluster
from pipelines.training import checkpoint
from pipelines.training.job import Job
from pipelines.training.parts import build_feed, build_parts
from pipelines.training.rank import Rank
from pipelines.training.worlds import check_worlds, take_place, working
from tests.worlds import drawn, many_worlds
from tests.worlds.here import ROOT

pytestmark = [pytest.mark.contract, pytest.mark.timeout(900)]

EPOCHS, STEPS, BATCH = 2, 4, 12


@dataclass(frozen=True)
class Step:
    """A step over all ranks: its workers, the rows and micro-batches of each, mean loss, rate."""

    workers: int
    micro: int
    rows: list[list[int]]
    loss: float
    rate: float


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `many_worlds` left."""
    folder = tmp_path_factory.mktemp("worlds")
    recipe = drawn.small_recipe(
        epochs=EPOCHS, steps_per_epoch=STEPS, global_batch=BATCH, ema_decay=None, keep_best=1
    )
    sgd = replace(recipe.optimizer, name="sgd", learning_rate=0.1, momentum=0.9)
    recipe = replace(recipe, optimizer=sgd)
    data = drawn.draw(folder / "home", val=2)
    job = drawn.small_job(folder / "run", data, recipe, max_batch_per_worker=2)
    (folder / "job").write_bytes(pickle.dumps(job))
    subprocess.run(
        [sys.executable, "-m", "tests.worlds.many_worlds", str(folder / "job"), str(folder)],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, check=True, timeout=600,
    )  # fmt: skip
    return folder


def steps_of(path: Path) -> dict[int, Step]:
    ranks: dict[int, list[Any]] = defaultdict(list)
    for line in path.read_text().splitlines():
        number, *told = json.loads(line)
        ranks[number].append(told)
    steps = {}
    for number, told in ranks.items():
        workers, micro, rows, losses, rates = zip(*told, strict=True)
        assert len(told) == workers[0] and len(set(workers)) == len(set(rates)) == 1
        steps[number] = Step(workers[0], micro[0], list(rows), sum(losses) / len(told), rates[0])
    return steps


def test_samples_are_neither_lost_nor_doubled_when_workers_come_and_go(folder: Path) -> None:
    changing, alone = steps_of(folder / "changing.jsonl"), steps_of(folder / "alone.jsonl")
    assert [changing[n].workers for n in sorted(changing)] == [4] + [2] + [3] * 3 + [1] * 3
    plans = {step.workers: step.micro for step in changing.values()}
    assert plans == {4: 3, 2: 3, 3: 2, 1: 6}, "shares of 3, 6, 4, 12 in batches of 2 at most"
    job: Job = pickle.loads((folder / "job").read_bytes())
    sampler = build_feed(job, Rank()).sampler
    for number in range(1, EPOCHS * STEPS + 1):
        sampler.set_epoch((number - 1) // STEPS)
        expected = sorted(sampler.order()[(number - 1) % STEPS].tolist())
        for found in (changing[number], alone[number]):
            assert sorted(row for rank in found.rows for row in rank) == expected


def test_losses_and_rates_are_those_of_one_worker_alone(folder: Path) -> None:
    changing, alone = steps_of(folder / "changing.jsonl"), steps_of(folder / "alone.jsonl")
    assert changing.keys() == alone.keys() == set(range(1, EPOCHS * STEPS + 1))
    assert [changing[n].rate for n in changing] == [alone[n].rate for n in sorted(alone)]
    for number, step in changing.items():
        assert step.loss == pytest.approx(alone[number].loss, rel=1e-4)


def test_weights_end_where_those_of_one_worker_do(folder: Path) -> None:
    job: Job = pickle.loads((folder / "job").read_bytes())
    start = build_parts(job, Rank()).network
    name = f"step_{EPOCHS * STEPS:08d}.pt"
    changing, alone = (
        checkpoint.read_checkpoint(checkpoint.checkpoint_folder(run) / name)["model"]
        for run in (job.run_folder, folder / "alone")
    )
    moved = [float((alone[n] - p.detach()).abs().max()) for n, p in start.named_parameters()]
    apart = [float((alone[n] - changing[n]).abs().max()) for n, _ in start.named_parameters()]
    assert max(moved) > 1e-2 and max(apart) < 1e-4 * max(moved), (max(moved), max(apart))


def test_the_epochs_are_told_as_if_nothing_had_changed(folder: Path) -> None:
    changing, alone = (
        json.loads((folder / f"{name}.history").read_text()) for name in ("changing", "alone")
    )
    for row, expected in zip(changing, alone, strict=True):
        assert row["step"] == expected["step"] and row["learning_rate"] == expected["learning_rate"]
        for name in ("loss", "loss_heatmaps"):
            assert row[name] == pytest.approx(expected[name], rel=1e-4), name


def test_workers_that_cannot_share_a_batch_stand_by(folder: Path) -> None:
    said = [(folder / f"place_{n}").read_text() for n in range(many_worlds.PROCESSES)]
    assert said == ["3", "3", "3", "0"], "three add up, without waiting for the fourth"


@pytest.mark.parametrize(
    ("batch", "workers", "expected"), [(8, 3, 2), (8, 4, 4), (12, 5, 4), (7, 6, 1), (32, 1, 1)]
)
def test_the_most_workers_that_share_a_batch_evenly_work(
    batch: int, workers: int, expected: int
) -> None:
    assert working(batch, workers) == expected


def test_a_worker_among_those_that_all_work_is_a_rank_as_it_is() -> None:
    worker = Rank(2, 4)
    assert take_place(worker, 8) is worker


def profile(least: int, most: int) -> Profile:
    machine = read_cluster(load_params(), gpus=0).machine
    return replace(machine, least_workers=least, workers=most)


@pytest.mark.parametrize(
    ("batch", "least", "most"), [(8, 1, 4), (8, 2, 3), (9, 2, 4), (8, 0, 4), (7, 1, 3)]
)
def test_elastic_workers_of_which_some_number_shares_the_batch_are_accepted(
    batch: int, least: int, most: int
) -> None:
    check_worlds(batch, profile(least, most), 2)


@pytest.mark.parametrize(
    ("batch", "least", "most", "said"),
    [
        (8, 5, 7, "global_batch, 5 to 7 workers: given 8, accepted: a multiple of a number from 5"),
        (7, 2, 4, "2 to 4 workers"),
        (8, 0, 3, "global_batch, 3 workers"),
    ],
)
def test_workers_of_which_no_number_shares_the_batch_are_refused(
    batch: int, least: int, most: int, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        check_worlds(batch, profile(least, most), 2)
