"""Rows on their way into tables: boxes as they are cropped by, the share of bad rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.ground.sample import Pose, Rejected, Sample
from pipelines.intake.image_check import Seen
from pipelines.intake.quarantine import refuse_bad_rows, write_quarantine
from pipelines.intake.splits import Split, bad_row_share, clip_box, crop_box


@pytest.mark.parametrize(
    ("box", "area", "clipped"),
    [
        ((10, 20, 30, 40), 1.0, (10, 20, 29, 39)),  # x2 = x + w - 1, as in the official loaders
        ((-5, -5, 30, 40), 1.0, (0, 0, 29, 39)),
        ((90, 70, 30, 40), 1.0, (90, 70, 9, 9)),
        ((10.5, 20.25, 8.5, 4), 1.0, (10.5, 20.25, 7.5, 3)),
        ((10, 20, 30, 40), 0.0, None),
        ((10, 20, 0, 40), 1.0, None),
        ((100, 20, 30, 40), 1.0, None),
    ],
)
def test_boxes_are_clipped_as_the_official_loaders_do(box: Any, area: float, clipped: Any) -> None:
    pose = Pose(np.zeros((17, 2)), np.ones(17, int), box, area)
    assert clip_box(pose, 100, 80) == clipped


def test_a_view_that_an_annotator_chose_is_not_clipped() -> None:
    pose = Pose(np.zeros((16, 2)), np.ones(16, int), (-5, -5, 300, 400), 1.0)
    seen = Seen(None, 0, 100, 80)
    assert crop_box(pose, seen, clip=False) == (-5, -5, 300, 400)
    assert crop_box(pose, seen, clip=True) == (0, 0, 99, 79)


def split_of(images: int, persons: int, *rejected: Rejected) -> Split:
    sample = Sample(1, Path("a.jpg"), 4, 3)
    return Split("train", Path(), [sample] * images, persons=persons, rejected=list(rejected))


PERSON = Rejected("train", "person", "5", "1", "box empty or outside the image")
IMAGE = Rejected("train", "image", "2", "2", "image missing")


def test_every_row_counts_once_in_the_share_of_bad_ones() -> None:
    assert bad_row_share([split_of(2, 8)]) == 0.0
    assert bad_row_share([split_of(2, 7, IMAGE)]) == 1 / 10
    assert bad_row_share([split_of(2, 8, PERSON)]) == 1 / 10, "its person was read, and counted"
    assert bad_row_share([split_of(0, 0)]) == 0.0


def test_more_bad_rows_than_allowed_leave_the_list_alone(tmp_path: Path) -> None:
    target, listed = tmp_path / "coco", tmp_path / "quarantine.csv"
    target.mkdir()
    splits = [split_of(2, 7, IMAGE)]
    write_quarantine(listed, splits[0].rejected)
    refuse_bad_rows(listed, target, splits, 0.1)
    assert target.is_dir()
    with pytest.raises(
        ValueError,
        match=r"10\.00% of the rows .*1 x image missing \(first: image 2\).*bad_row_limit",
    ):
        refuse_bad_rows(listed, target, splits, 0.09)
    assert not target.exists()
    kept = (tmp_path / "coco.quarantine.csv").read_text().splitlines()
    assert kept == ["split,kind,id,image_id,reason", "train,image,2,2,image missing"]
