"""Scores are over all images of the truth; their names say where people came from."""

from __future__ import annotations

import numpy as np
import pytest

from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton
from pipelines.evaluation.scoring import name_protocol, score_poses


def test_an_image_without_poses_counts_as_missed() -> None:
    skeleton = load_skeleton("coco")
    points = np.random.default_rng(0).uniform(0, 99, (17, 2))
    person = Pose(points, np.full(17, 2), (0, 0, 99, 99), 5000.0, id=1)
    truth = {1: [person], 2: [person]}
    whole = score_poses("oks", skeleton, truth, truth).result()
    half = score_poses("oks", skeleton, {1: [person], 3: [person]}, truth).result()
    assert whole["AP"] == pytest.approx(1.0)
    assert half["AR"] == pytest.approx(0.5), "image 2 is missed; image 3 is none of the truth's"


def test_a_number_says_its_protocol() -> None:
    assert name_protocol({"AP": 0.5, "AR": 1}, "det") == {"AP@det": 0.5, "AR@det": 1.0}
