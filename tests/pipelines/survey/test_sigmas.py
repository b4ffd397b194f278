"""Sigmas from people labelled twice: the right value, from whoever was labelled twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.datasets.formats.labels import LabelledPerson, Labels
from pipelines.survey.sigmas import labelled_by_both, measured_sigmas, same_people
from tests.worlds.standing import NAMES, labels_of, person

TRUE = np.linspace(0.02, 0.1, len(NAMES))
SIDE = np.sqrt(100 * 200)


def annotated(people: int, seed: int) -> Labels:
    """One person per image, each point off its true place by one annotator's error, whose mean
    square is TRUE^2 of the box."""
    rng = np.random.default_rng(seed)
    error = rng.normal(0, 1, (people, len(NAMES), 2)) * (TRUE * SIDE / np.sqrt(2))[:, None]
    images = [[replace(person(noise=error[n]), area=SIDE**2)] for n in range(people)]
    return labels_of(images)


def test_two_annotators_of_known_error_give_that_error() -> None:
    """Not root two times it, which is how far apart the two are."""
    pairs = labelled_by_both(annotated(4000, 1), annotated(4000, 2))
    assert len(pairs) == 4000
    told = measured_sigmas(NAMES, pairs)
    np.testing.assert_allclose([each.sigma for each in told], TRUE, rtol=0.03)
    assert [each.pairs + each.astray for each in told] == [4000] * len(NAMES)


def test_people_are_paired_by_their_boxes_and_crowds_by_nobody() -> None:
    first = labels_of([[person(), person(move=(300, 0)), person(crowd=True)]]).images[0]
    second = labels_of([[person(move=(310, 0)), person(move=(0, 150)), person(crowd=True)]])
    pairs = list(same_people(first, second.images[0]))
    assert len(pairs) == 1, "150 of 200 pixels lower is somebody else"
    assert pairs[0][0].box_image == (300.0, 0.0, 100.0, 200.0)
    assert pairs[0][1].box_image == (310.0, 0.0, 100.0, 200.0)


def test_few_pairs_are_no_estimate_and_points_far_apart_no_error() -> None:
    far = person(noise=np.eye(len(NAMES), 1) @ np.array([[500.0, 0.0]]))  # the first keypoint
    pairs: list[tuple[LabelledPerson, LabelledPerson]] = [(person(), far)] * 12
    told = measured_sigmas(NAMES, pairs)
    assert (told[0].pairs, told[0].astray) == (0, 12) and np.isnan(told[0].sigma)
    assert (told[1].pairs, told[1].astray, told[1].sigma) == (12, 0, 0.0)
    assert np.isnan(measured_sigmas(NAMES, pairs[:9])[1].sigma)


def test_an_area_that_is_not_told_is_the_share_of_the_box_that_scores_take() -> None:
    moved = [person(noise=np.array([10.0, 0.0])) for _ in range(10)]
    told = measured_sigmas(NAMES, [(person(), each) for each in moved])
    assert told[0].sigma == pytest.approx(np.sqrt(100 / (0.53 * 100 * 200) / 2))


def test_files_of_other_keypoints_are_refused() -> None:
    with pytest.raises(ValueError, match="accepted: the same in the same order"):
        labelled_by_both(annotated(1, 1), labels_of([[]], ("a", "b")))
