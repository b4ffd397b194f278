"""The loop: resume to the bit, two ranks as one process, losses that are not finite, refusals."""

from __future__ import annotations

import dataclasses
import json
import math
import multiprocessing
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from data.codecs.heatmap import HeatmapCodec
from pipelines.host.folders import file_digest
from pipelines.training import checkpoint
from pipelines.training.device import PLAIN
from pipelines.training.job import Job, SilentListener, TrainingStopped
from pipelines.training.loop import train_loop
from pipelines.training.parts import Parts, build_parts
from pipelines.training.rank import Rank
from pipelines.training.step import Taken, train_step
from pipelines.training.validation import build_validation, validate
from tests.worlds import drawn, two_ranks
from tests.worlds.alike import assert_same

pytestmark = pytest.mark.contract

Data = tuple[Path, Path]
KILL_SEED = 10  # of the step that a training is killed after: the 7th, between two checkpoints


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return drawn.draw(tmp_path_factory.mktemp("home"))


class Told(SilentListener):
    """A listener that remembers."""

    run_id = "run-1"

    def __init__(self) -> None:
        self.epochs: list[tuple[int, int, dict[str, float]]] = []
        self.pictures: list[tuple[str, str]] = []
        self.checkpoints: list[tuple[str, int, str]] = []

    def epoch(self, epoch: int, step: int, metrics: dict[str, float]) -> None:
        self.epochs.append((epoch, step, metrics))

    def picture(self, path: Path, folder: str) -> None:
        assert path.is_file()
        self.pictures.append((path.name, folder))

    def checkpoint(self, path: Path, epoch: int, metrics: dict[str, float], sha256: str) -> None:
        assert file_digest(path) == sha256
        self.checkpoints.append((path.name, epoch, sha256))


def last_state(job: Job) -> dict[str, Any]:
    path = checkpoint.latest_checkpoint(job.run_folder, job.fingerprint)
    assert path is not None
    return checkpoint.read_checkpoint(path)


@pytest.mark.full
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path, data: Data) -> None:
    """Two ranks, shuffled, augmented, EMA, accumulation 2, two loader workers each; SIGKILL."""
    recipe = drawn.small_recipe(checkpoint_every_steps=2)
    machine = {"max_batch_per_worker": 2, "loader_workers": 2}
    undisturbed = drawn.small_job(tmp_path / "undisturbed", data, recipe, **machine)
    disturbed = drawn.small_job(tmp_path / "disturbed", data, recipe, **machine)
    ends = random.Random(KILL_SEED).randrange(3, 10)
    print(f"killed after step {ends} (KILL_SEED {KILL_SEED})")

    ranks = two_ranks.start(disturbed, "train", tmp_path / "first")
    assert ranks[0].stdout is not None
    seen = 0
    for line in ranks[0].stdout:
        seen += line.startswith("step")
        if seen == ends:
            break
    two_ranks.kill(ranks)
    assert seen == ends
    before = last_state(disturbed)
    assert before["epoch"] < 2

    whole = two_ranks.start(undisturbed, "train", tmp_path / "whole")
    two_ranks.finish(whole)
    resumed = two_ranks.finish(two_ranks.start(disturbed, "train", tmp_path / "second"))
    assert re.search(r"goes on from step_0*[1-9]", resumed[0])

    expected, found = last_state(undisturbed), last_state(disturbed)
    for part in ("epoch", "step", "model", "average", "optimizer", "random", "skipped"):
        assert_same(found[part], expected[part], part)
    assert [row["loss"] for row in found["history"]] == pytest.approx(
        [row["loss"] for row in expected["history"]], rel=1e-12
    )
    assert [row["AP@gt"] for row in found["history"]] == [
        row["AP@gt"] for row in expected["history"]
    ]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, data: Data) -> tuple[Job, list[str]]:
    """A job, and what two ranks said of it: against one process, then with a loss that breaks."""
    folder = tmp_path_factory.mktemp("pair")
    recipe = drawn.small_recipe(ema_decay=None, checkpoint_every_steps=2)
    settings = dataclasses.replace(recipe.optimizer, name="sgd", learning_rate=1.0, momentum=0.0)
    recipe = dataclasses.replace(recipe, optimizer=settings)
    job = drawn.small_job(folder / "run", data, recipe)
    return job, two_ranks.finish(two_ranks.start(job, "compare,not_finite", folder / "meeting"))


@pytest.mark.contract
def test_ranks_go_on_alike_where_one_has_not_the_checkpoint(tmp_path: Path, data: Data) -> None:
    """As after a node was lost: rank 0 is on another one than before, and no disk is common."""
    job = drawn.small_job(tmp_path / "run", data, drawn.small_recipe())
    said = two_ranks.finish(two_ranks.start(job, "resume_apart", tmp_path / "meeting"))
    assert all("alike" in each for each in said)


def test_two_ranks_are_one_process_with_twice_the_batch(pair: tuple[Job, list[str]]) -> None:
    """Gradients to 1e-6 with BatchNorm in eval; validation to the last digit."""
    for text in pair[1]:
        differ, moved = re.search(r"differ by (\S+) of (\S+)", text).groups()  # type: ignore
        assert float(differ) < 1e-6
        assert float(moved) > 1e-4
        assert int(re.search(r"validated (\d+)", text)[1]) > 10  # type: ignore[index]


@pytest.mark.full
@pytest.mark.parametrize("largest", [4, 2], ids=["one micro-batch", "two"])
def test_ranks_as_they_are_on_gpus_keep_every_bit(tmp_path: Path, data: Data, largest: int) -> None:
    job = drawn.small_job(tmp_path, data, drawn.small_recipe(), max_batch_per_worker=largest)
    said = two_ranks.finish(two_ranks.start(job, "as_on_gpus", tmp_path / "meeting"))
    assert all("alike" in each for each in said)


def test_a_validation_paints_in_the_precision_that_is_asked_for(tmp_path: Path, data: Data) -> None:
    job = drawn.small_job(tmp_path, data, drawn.small_recipe())
    network, on, seen = build_parts(job, Rank()).network, build_validation(job, Rank()), set[bool]()
    network.register_forward_hook(lambda *_: seen.add(torch.is_autocast_enabled("cpu")))
    for precision, autocast in (("bf16", {True}), ("fp32", {False})):
        seen.clear()
        validate(network, on, job, Rank(), dataclasses.replace(PLAIN, validates_in=precision))
        assert seen == autocast


def test_one_ranks_bad_loss_stops_all_ranks(pair: tuple[Job, list[str]]) -> None:
    job, said = pair
    assert all("stopped: small: epoch 1, step 4: the loss is not finite" in s for s in said)
    (row,) = (job.run_folder / "non_finite.jsonl").read_text().splitlines()
    first, second = json.loads(row)["ranks"]
    assert math.isfinite(float(first["loss"]))
    assert not math.isfinite(float(second["loss"]))
    assert len(first["sample_ids"]) == len(second["sample_ids"]) == 4
    assert last_state(job)["step"] == 2


def test_a_bad_step_is_skipped_and_changes_nothing(tmp_path: Path, data: Data) -> None:
    broken = two_ranks.BrokenSteps(lambda step: step == 5)
    recipe = drawn.small_recipe(
        epochs=1, skip_non_finite=1, checkpoint_every_steps=4, steps_per_epoch=5
    )
    job = drawn.small_job(tmp_path, data, recipe)
    summary = train_loop(job, Rank(), SilentListener(), broken)
    assert summary.skipped == 1
    before, after = [
        checkpoint.read_checkpoint(checkpoint.checkpoint_folder(tmp_path) / f"step_{n:08d}.pt")
        for n in (4, 5)
    ]
    for part in ("model", "average"):
        assert_same(before[part], after[part], part)
    assert len((tmp_path / "non_finite.jsonl").read_text().splitlines()) == 1


def test_more_bad_steps_than_allowed_stop_and_keep_the_last_good(
    tmp_path: Path, data: Data
) -> None:
    broken = two_ranks.BrokenSteps(lambda step: step in (2, 7))
    job = drawn.small_job(tmp_path, data, drawn.small_recipe(skip_non_finite=1, steps_per_epoch=5))
    with pytest.raises(TrainingStopped, match=r"epoch 2, step 2.*skip_non_finite allows 1"):
        train_loop(job, Rank(), SilentListener(), broken)
    state = last_state(job)
    assert (state["epoch"], state["skipped"]) == (1, 1)


def copied(data: Data, folder: Path, broken: int) -> Data:
    """The data with one image (of the training split, by its place) that cannot be read."""
    raw = shutil.copytree(data[1], folder / "raw")
    images = sorted((raw / "images" / "train").iterdir()) if (raw / "images").is_dir() else []
    path = images[broken] if images else sorted(raw.rglob("*.jpg"))[broken]
    path.write_bytes(b"no image any more")
    return data[0], raw


def test_an_image_that_cannot_be_read_is_written_down_and_left_out(
    tmp_path: Path, data: Data
) -> None:
    recipe = drawn.small_recipe(epochs=1, skip_non_finite=99, steps_per_epoch=5)
    read = drawn.small_job(tmp_path, copied(data, tmp_path, 0), recipe)
    summary = train_loop(read, Rank(), SilentListener())
    rows = [json.loads(row) for row in (tmp_path / "non_finite.jsonl").read_text().splitlines()]
    assert len(rows) == summary.skipped >= 1
    for row in rows:
        (only,) = row["ranks"]
        assert len(only["sample_ids"]) == 8 and math.isfinite(float(only["loss"]))
        assert set(only["unread"]) < set(map(str, only["sample_ids"]))
        assert all("no readable image there" in fault for fault in only["unread"].values())


def test_an_image_that_cannot_be_read_stops_the_training_in_words(
    tmp_path: Path, data: Data
) -> None:
    job = drawn.small_job(tmp_path, copied(data, tmp_path, 0), drawn.small_recipe(epochs=9))
    with pytest.raises(TrainingStopped, match=r"not be read, sample \d+: .*no readable"):
        train_loop(job, Rank(), SilentListener())


@pytest.mark.contract
@pytest.mark.full
def test_of_a_killed_loader_process_it_is_told_whose_samples_it_read(
    tmp_path: Path, data: Data
) -> None:
    def killing(*given: Any) -> Any:
        for worker in multiprocessing.active_children():
            worker.kill()
        return train_step(*given)

    job = drawn.small_job(tmp_path, data, drawn.small_recipe(steps_per_epoch=50), loader_workers=1)
    with pytest.raises(RuntimeError, match=r"small: epoch 1, step \d+: a loader process of rank 0"):
        train_loop(job, Rank(), SilentListener(), killing)
    (row,) = (tmp_path / "non_finite.jsonl").read_text().splitlines()
    assert len(json.loads(row)["sample_ids"]) == 8


def test_weights_that_are_not_finite_are_never_kept(tmp_path: Path, data: Data) -> None:
    recipe = drawn.small_recipe(epochs=1, ema_decay=None)
    wild = dataclasses.replace(recipe.optimizer, name="sgd", learning_rate=1e38)
    job = drawn.small_job(tmp_path, data, dataclasses.replace(recipe, optimizer=wild))
    with pytest.raises(TrainingStopped, match="not finite"):
        train_loop(job, Rank(), SilentListener())
    assert checkpoint.latest_checkpoint(tmp_path, job.fingerprint) is None


def test_a_training_tells_what_it_does(tmp_path: Path, data: Data) -> None:
    job, told = drawn.small_job(tmp_path, data, drawn.small_recipe()), Told()
    summary = train_loop(job, Rank(), told)
    assert [epoch for epoch, _, _ in told.epochs] == [1, 2]
    assert {
        "loss", "loss_heatmaps", "learning_rate", "samples_per_second", "data_wait_share",
        "AP@gt", "AR@gt", "seconds", "accuracy",
    } <= set(told.epochs[0][2])  # fmt: skip
    assert ("samples.jpg", "samples") in told.pictures
    assert [folder for _, folder in told.pictures].count("predictions") == 2
    assert [epoch for _, epoch, _ in told.checkpoints] == [1, 2]
    assert summary.steps == told.epochs[-1][1]
    assert last_state(job)["run_id"] == "run-1"
    assert last_state(job)["recipe"] == job.recipe.as_dict()


class Uncounted(HeatmapCodec):
    """A codec that counts no hits."""

    def hits(self, *_: object) -> None:  # type: ignore[override]
        return None


def test_counting_hits_leaves_the_weights_as_they_are(tmp_path: Path, data: Data) -> None:
    """Accumulation 2, augmented: the same bits with and without, and a share between 0 and 1."""
    recipe = drawn.small_recipe(epochs=1)
    counted, plain = (
        drawn.small_job(tmp_path / name, data, recipe, max_batch_per_worker=4)
        for name in ("counted", "plain")
    )

    def uncounted(job: Job, rank: Rank, parts: Parts, micro: Any) -> Taken:
        return train_step(job, rank, dataclasses.replace(parts, codec=Uncounted(sigma=1.0)), micro)

    (row,) = train_loop(counted, Rank(), SilentListener()).history
    (other,) = train_loop(plain, Rank(), SilentListener(), uncounted).history
    assert 0 < row["accuracy"] < 1 and "accuracy" not in other
    assert row["loss"] == other["loss"]
    for part in ("model", "average", "optimizer", "random"):
        assert_same(last_state(counted)[part], last_state(plain)[part], part)


def test_an_epoch_took_what_all_attempts_took_of_it(tmp_path: Path, data: Data) -> None:
    job = drawn.small_job(tmp_path, data, drawn.small_recipe(checkpoint_every_steps=2))
    steps = iter(range(3))

    def cut_off(*given: Any) -> Taken:
        next(steps)
        return train_step(*given)

    with pytest.raises(StopIteration):
        train_loop(job, Rank(), SilentListener(), cut_off)
    kept = last_state(job)
    assert (kept["epoch"], kept["step"]) == (0, 2) and kept["seconds"] > 0
    checkpoint.write_checkpoint(
        tmp_path, kept | {"seconds": 1e6}, fingerprint=job.fingerprint, epoch=0, step=3,
        metric=None, keep_best=1, code=job.code,
    )  # fmt: skip
    first, second = train_loop(job, Rank(), SilentListener()).history
    assert first["seconds"] > 1e6 > second["seconds"] > 0
    assert last_state(job)["seconds"] == 0


def test_a_finished_training_has_nothing_left_to_do(tmp_path: Path, data: Data) -> None:
    job = drawn.small_job(tmp_path, data, drawn.small_recipe(epochs=1))
    first, told = train_loop(job, Rank(), SilentListener()), Told()
    again = train_loop(job, Rank(), told)
    assert again.history == first.history
    assert [epoch for epoch, _, _ in told.epochs] == [1]  # what a cut-off could have left untold


def test_another_recipe_or_damaged_checkpoints_start_afresh(tmp_path: Path, data: Data) -> None:
    job = drawn.small_job(tmp_path, data, drawn.small_recipe(epochs=1, steps_per_epoch=1))
    train_loop(job, Rank(), SilentListener())
    other = drawn.small_recipe(epochs=1, steps_per_epoch=2)
    summary = train_loop(drawn.small_job(tmp_path, data, other), Rank(), SilentListener())
    assert summary.steps == 2
    saved = list(checkpoint.checkpoint_folder(tmp_path).glob("*.pt"))
    assert saved
    for path in saved:
        path.write_bytes(path.read_bytes()[:-100])
    told = Told()
    train_loop(job, Rank(), told)
    assert ("samples.jpg", "samples") in told.pictures  # only the very first step draws it


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"sync_batch_norm": True}, "sync_batch_norm, on CPU: given True, accepted: false"),
        ({"precision": "fp16"}, "precision, on CPU: given 'fp16', accepted: fp32, bf16"),
        ({"global_batch": 4096, "small_split": "refuse"}, "global batch of 4096"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, data: Data, training: dict[str, Any], message: str
) -> None:
    job = drawn.small_job(tmp_path, data, drawn.small_recipe(**training))
    with pytest.raises(ValueError, match=message):
        train_loop(job, Rank(), SilentListener())


def test_bf16_channels_last_and_clipping_learn(tmp_path: Path, data: Data) -> None:
    recipe = drawn.small_recipe(precision="bf16", channels_last=True, epochs=1)
    settings = dataclasses.replace(recipe.optimizer, clip_norm=1.0)
    job = drawn.small_job(tmp_path, data, dataclasses.replace(recipe, optimizer=settings))
    summary = train_loop(job, Rank(), SilentListener())
    assert math.isfinite(summary.history[-1]["loss"])
    weights = last_state(job)["model"].values()
    assert all(w.dtype == torch.float32 for w in weights if w.is_floating_point())
