"""What labels hold, counted: each number of a small world that was made to have it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from data.datasets.formats.labels import Note
from pipelines.survey.counts import counted_lines, counts_of
from tests.worlds.standing import labels_of, person

TWO = ("left_hip", "right_hip")


def test_images_people_flags_boxes_and_rows_left_out_are_counted() -> None:
    inside = person(names=TWO, flags=(2, 1))
    outside = person(names=TWO, flags=(2, 0), box=(0.0, 0.0, 40.0, 200.0))  # left hip: x = 62
    boxless = person(names=TWO, box=None)
    nobody = person(names=TWO, flags=(0, 0))
    crowd = person(names=TWO, crowd=True)
    labels = labels_of([[inside, outside, boxless], [nobody, crowd], []], TWO)
    labels = replace(labels, notes=(Note("person", "9", "1", "no box"),) * 2)
    counts = counts_of(labels)
    assert (counts.images, counts.empty, counts.people, counts.crowds) == (3, 1, 4, 1)
    assert (counts.unlabelled, counts.boxless) == (1, 1)
    np.testing.assert_array_equal(counts.visibility, [[0, 0, 3], [1, 1, 1]])
    assert counts.inside == 2 / 3, "of those whose box is told, and who are labelled"
    assert counts.sizes == {(640, 480): 3}
    assert counts.left_out == ("2 x no box (first: person 9, 1)",)
    assert counts.ratio == 0.5
    lines = counted_lines("train", counts, TWO)
    assert (
        lines[0] == "train: 3 images (1 without people), 4 people (1 without keypoints), 1 crowds"
    )
    assert "  left out: 2 x no box (first: person 9, 1)" in lines
    assert "left_hip   100% visible    0% occluded    0% absent" in lines[-2]
    assert "right_hip   33% visible   33% occluded   33% absent" in lines[-1]


def test_without_people_nothing_is_divided_by_them() -> None:
    counts = counts_of(labels_of([[]], TWO))
    assert counts.people == 0 and math.isnan(counts.inside) and math.isnan(counts.ratio)
    assert counted_lines("val", counts, TWO)[-1].split() == [
        "right_hip", "0%", "visible", "0%", "occluded", "0%", "absent",
    ]  # fmt: skip
