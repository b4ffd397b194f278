"""Who is drawn on a picture."""

from __future__ import annotations

import numpy as np

from data.ground.sample import Pose
from pipelines.prediction.poses import sure_people


def pose(score: float, keypoint_scores: list[float]) -> Pose:
    scores = np.array(keypoint_scores)
    points = np.zeros((len(scores), 2))
    box = (0.0, 0.0, 1.0, 1.0)
    return Pose(points, np.full(len(scores), 2), box, score=score, keypoint_scores=scores)


def test_leftovers_and_unsure_keypoints_are_not_drawn() -> None:
    people = [pose(0.7, [0.9, 0.1]), pose(0.1, [0.3, 0.3]), pose(0.04, [0.9, 0.9])]
    drawn = sure_people(people, 0.2)
    assert [each.score for each in drawn] == [0.7, 0.1]
    assert [each.visibility.tolist() for each in drawn] == [[2, 0], [2, 2]]


def test_of_an_image_alone_the_scale_of_scores_does_not_count() -> None:
    assert len(sure_people([pose(30.0, [0.9]), pose(4.0, [0.9]), pose(2.0, [0.9])], 0.2)) == 2
    assert sure_people([], 0.2) == []
