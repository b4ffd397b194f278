"""Whole images in batches of one size; people read from them."""

from __future__ import annotations

import numpy as np

from pipelines.prediction.image_feed import same_size_groups
from pipelines.prediction.poses import people_by_image
from pipelines.prediction.predictor import Predictions


def test_batches_hold_images_of_one_size_and_every_image_once() -> None:
    sizes = [(4, 3), (3, 4), (4, 3), (4, 3), (3, 4), (9, 9)]
    batches = same_size_groups(sizes, 2)
    assert batches == [[1, 4], [0, 2], [3], [5]]


def test_people_are_those_of_their_image_best_first() -> None:
    keypoints = np.arange(3 * 2 * 2, dtype=float).reshape(3, 2, 2)
    scores = np.array([[0.5, 0.0], [0.4, 0.6], [0.9, 0.9]], np.float32)
    found = Predictions(np.array([1, 0, 1]), keypoints, scores, np.float32([0.3, 0.5, 0.9]))
    people = people_by_image(found, [70, 80, 90])
    assert {i: [pose.id for pose in poses] for i, poses in people.items()} == {
        70: [1], 80: [2, 0], 90: []}  # fmt: skip
    alone = people[80][1]
    assert alone.visibility.tolist() == [2, 0] and alone.box_image == (0.0, 1.0, 0.0, 0.0)
    assert people[70][0].box_image == (4.0, 5.0, 2.0, 2.0)
