"""A validation whose images, or who reads them, are gone ends in one line."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from pipelines.training.beside import validate_epoch
from pipelines.training.job import LoaderError, SilentListener
from pipelines.training.parts import build_parts
from pipelines.training.rank import Rank
from pipelines.training.resume import Position
from pipelines.training.validation import build_validation
from tests.worlds import drawn

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_read_is_named_with_the_epoch(tmp_path: Path, workers: int) -> None:
    data = drawn.draw(tmp_path / "home", train=8, val=8)
    machine = {"max_batch_per_worker": 1, "loader_workers": workers}
    job = drawn.small_job(tmp_path / "run", data, drawn.small_recipe(), **machine)
    parts, on = build_parts(job, Rank()), build_validation(job, Rank())
    broken = Path(on.feed.paths[1])
    broken.write_bytes(b"no image any more")
    with pytest.raises(ValueError, match="no readable image") as refused:
        validate_epoch(job, Rank(), parts, on, Position(epoch=2), SilentListener())
    for loader in multiprocessing.active_children():  # they live as long as the feed
        loader.kill()
        loader.join()
    said = str(refused.value)
    assert said.startswith(f"small: validation of epoch 2: {broken}: ")
    assert said.endswith(
        "; mend the file and start again, or prepare the data anew, which leaves it out"
    )
    assert "\n" not in said


def test_a_killed_loader_process_is_told_with_the_epoch(tmp_path: Path) -> None:
    data = drawn.draw(tmp_path / "home", train=8, val=24)
    machine = {"max_batch_per_worker": 1, "loader_workers": 1}
    job = drawn.small_job(tmp_path / "run", data, drawn.small_recipe(), **machine)
    parts, on = build_parts(job, Rank()), build_validation(job, Rank())

    def kill(does: str) -> None:
        if does == "validates on batch 1":
            for loader in multiprocessing.active_children():
                loader.kill()

    with pytest.raises(LoaderError) as told:
        validate_epoch(job, Rank(beat=kill), parts, on, Position(epoch=2), SilentListener())
    assert str(told.value).startswith("small: validation of epoch 2: a loader process of rank 0")
    assert "\n" not in str(told.value)
