"""Views around people: who is chosen, how large a person becomes, how far views go."""

from __future__ import annotations

import numpy as np
import pytest

from data.views.geometry import move, view_matrix
from data.views.person_views import draw_person_view, people_to_view
from data.views.settings import PersonCropAugmentation

SIZE = (368, 368)
PLAIN = PersonCropAugmentation("person_crop", [1.0, 1.0], 0.0, 0.0, 0.0)


def test_people_with_little_to_learn_from_are_left_out() -> None:
    labelled = np.array([17, 4, 5, 17, 17])
    area = np.array([5000.0, 5000, 5000, 1023, 1024])
    boxes = np.array([[100.0 * n, 0, 40, 100] for n in range(5)])
    assert people_to_view(labelled, area, boxes).tolist() == [0, 2, 4]
    few = people_to_view(labelled, area, boxes, keypoints=4)
    assert few.tolist() == [0, 1, 2, 4], "4 keypoints are all that there are"
    assert people_to_view(np.zeros(0), np.zeros(0), np.zeros((0, 4))).tolist() == []


def test_a_person_near_one_used_already_is_left_out() -> None:
    boxes = np.array([[0.0, 0, 100, 50], [29, 0, 100, 50], [31, 0, 100, 50], [59, 0, 10, 50]])
    seen, area = np.full(4, 17), np.full(4, 5000.0)
    # the second is too near to the first and so does not stand in the way of the third
    assert people_to_view(seen, area, boxes).tolist() == [0, 2]
    boxes[3, 0] = 107  # middle 31 to the right of the third's
    assert people_to_view(seen, area, boxes).tolist() == [0, 2, 3]


@pytest.mark.parametrize("box", [[50, 60, 30, 120], [0, 0, 200, 40], [10.5, 3, 5, 0]])
def test_a_person_fills_its_share_of_the_input(box: list[float]) -> None:
    view = draw_person_view(np.random.default_rng(0), np.array(box), SIZE, PLAIN)
    x, y, width, height = box
    height = max(height, 1)
    corners = np.array([[x + width / 2, y], [x + width / 2, y + height]])
    top, bottom = move(view_matrix(view, SIZE, aligned=False), corners)
    assert bottom[1] - top[1] == pytest.approx(0.6 * 368)
    assert top[0] == pytest.approx(184)


def test_random_views_stay_within_what_is_asked() -> None:
    augmentation, rng = PersonCropAugmentation("person_crop"), np.random.default_rng(0)
    box = np.array([50.0, 60, 30, 120])
    views = [draw_person_view(rng, box, SIZE, augmentation) for _ in range(500)]
    tall = np.array([120 * 368 / view.size[1] for view in views]) / (0.6 * 368)
    assert 0.5 <= tall.min() < 0.52 and 1.08 < tall.max() <= 1.1
    turned = np.array([view.rotation for view in views])
    assert -40 <= turned.min() < -38 and 38 < turned.max() <= 40
    moved = np.array([np.subtract(view.center, (65, 120)) * 368 / view.size[0] for view in views])
    assert (np.abs(moved) <= 40 + 1e-9).all() and (np.abs(moved).max(0) > 38).all()
    assert 0.4 < np.mean([view.flip for view in views]) < 0.6


def test_what_it_refuses() -> None:
    with pytest.raises(ValueError, match="scale: given"):
        PersonCropAugmentation("person_crop", [1.1, 0.5])
    with pytest.raises(ValueError, match="accepted: from 0, from 0, 0 to 1"):
        PersonCropAugmentation("person_crop", flip_probability=2)
