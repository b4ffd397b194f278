"""Every evaluator of the menu keeps the contract; a new one is tested by standing there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.evaluators import load_matches
from data.ground.evaluator import Evaluator
from data.ground.sample import Pose
from data.menus import DATASETS, EVALUATORS

NAMES = sorted(EVALUATORS)


def scored_by(name: str) -> Evaluator:
    """With two images of two people, one of whom is found in each; a data set's own skeleton."""
    skeleton = next(each.SKELETON for each in DATASETS.values() if name in each.EVALUATORS)
    evaluator, count = EVALUATORS[name](skeleton), len(skeleton.keypoints)
    for image_id in (7, 3):
        true = [person(count, image_id * 10 + n, 200.0 * n) for n in range(2)]
        evaluator.add(image_id, true[:1], true)
    return evaluator


def person(keypoints: int, number: int, x: float) -> Pose:
    points = np.stack([x + 5.0 * np.arange(keypoints), 9.0 * np.arange(keypoints)], axis=1)
    seen, box = np.full(keypoints, 2), (x, 0.0, 5.0 * keypoints, 9.0 * keypoints)
    return Pose(points, seen, box, box[2] * box[3], id=number, head_size=10.0)


@pytest.mark.parametrize("name", NAMES)
def test_some_data_set_is_scored_by_it(name: str) -> None:
    assert any(name in dataset.EVALUATORS for dataset in DATASETS.values())


@pytest.mark.parametrize("name", NAMES)
def test_it_says_all_of_its_numbers(name: str) -> None:
    result = scored_by(name).result()
    assert tuple(result) == EVALUATORS[name].names and EVALUATORS[name].main in result
    assert 0.4 < result[EVALUATORS[name].main] < 0.6
    assert all(value == -1 or 0 <= value <= 1 for value in result.values())


@pytest.mark.parametrize("name", NAMES)
def test_its_matches_come_back_from_disk(name: str, tmp_path: Path) -> None:
    evaluator = scored_by(name)
    evaluator.matches().save(tmp_path / "matches.npz")
    matches = load_matches(tmp_path / "matches.npz")
    assert matches.image_ids.tolist() == [3, 7] and (matches.positives > 0).all()
    once = np.ones((1, 2), np.int32)
    main = evaluator.result()[evaluator.main]
    assert matches.resampled(once)[0] == pytest.approx(main, abs=1e-12)
    assert next(iter(matches.numbers(once).values()))[0] == pytest.approx(main, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_added_once(name: str) -> None:
    with pytest.raises(ValueError, match="image 3: added twice"):
        scored_by(name).add(3, [], [])
