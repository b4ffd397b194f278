"""The shapes that travel: what is said stays said, and a batch moves whole."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import torch

from data.ground.sample import Batch, Pose, Rejected, Sample, WholeBatch, box_around

META = torch.device("meta")  # holds shapes alone: whatever arrives there was moved


def test_they_cannot_be_changed() -> None:
    pose = Pose(np.zeros((17, 2)), np.zeros(17, dtype=np.int64))
    sample = Sample(1, Path("a.jpg"), 4, 3, (pose,))
    for thing, name in ((pose, "score"), (sample, "width"), (Rejected(*"abcde"), "reason")):
        with pytest.raises(FrozenInstanceError):
            setattr(thing, name, 2)


def test_a_box_is_what_the_points_span() -> None:
    points = np.array([[3.0, 9.0], [1.0, 4.0], [2.0, 6.5]])
    assert box_around(points) == (1.0, 4.0, 2.0, 5.0)
    assert box_around(points[:1]) == (3.0, 9.0, 0.0, 0.0)


def test_a_batch_moves_with_all_that_it_holds() -> None:
    batch = Batch(*(torch.full((2, n), n) for n in range(1, 6)))
    moved = batch.on(META)
    assert all(tensor.device == META for tensor in moved)
    assert [tensor.shape for tensor in moved] == [tensor.shape for tensor in batch]
    here = batch.on(torch.device("cpu"))
    assert all(torch.equal(a, b) for a, b in zip(here, batch, strict=True))


@pytest.mark.parametrize("scales", [0, 2])
def test_a_batch_of_whole_images_moves_at_every_scale(scales: int) -> None:
    fields = [torch.full((2, n), n) for n in range(1, 7)]
    others = tuple(torch.full((3, n), n) for n in range(1, scales + 1))
    moved = WholeBatch(*fields, others=others).on(META)
    assert all(tensor.device == META for tensor in (*moved[:6], *moved.others))
    assert [tensor.shape for tensor in moved[:6]] == [tensor.shape for tensor in fields]
    assert [other.shape for other in moved.others] == [other.shape for other in others]
