"""Numbers of odd files are the official tools': who counts is the file's word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.datasets.coco import Coco
from data.datasets.crowdpose import CrowdPose
from data.evaluators.crowdpose import CrowdPoseEvaluator
from data.evaluators.matching.errors import diagnose
from data.evaluators.matching.people import best_found, true_people
from data.evaluators.oks import OksEvaluator
from data.ground.sample import Pose
from tests.worlds.odd_truth import as_crowdpose, guesses, odd_truth
from tests.worlds.official import reference
from tests.worlds.plain_crowdpose import crowdpose_numbers


def real(real_data: Path) -> dict[str, Any]:
    path = real_data / "coco_mini" / "annotations" / "person_keypoints_val2017.json"
    return dict(json.loads(path.read_text()))


def by_image(results: list[dict[str, Any]]) -> dict[int, list[Pose]]:
    found: dict[int, list[Pose]] = {}
    for row in results:
        points = np.reshape(row["keypoints"], (-1, 3))
        pose = Pose(np.ascontiguousarray(points[:, :2]), points[:, 2], score=row["score"])
        found.setdefault(row["image_id"], []).append(pose)
    return found


def worlds(content: dict[str, Any], count: int) -> Iterator[tuple[Any, Any, Any]]:
    for seed in range(count):
        rng = np.random.default_rng(seed)
        given, full = odd_truth(content, rng)
        yield given, full, guesses(full, rng)


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_coco_is_pycocotools_of_any_file(tmp_path: Path, real_data: Path) -> None:
    seen = set()
    for given, full, results in worlds(real(real_data), 12):
        write(Coco().truth_file(tmp_path, "val"), given)
        truth, found = Coco().truth(tmp_path, "val"), by_image(results)
        engines = OksEvaluator(Coco.SKELETON), OksEvaluator(Coco.SKELETON, engine="pycocotools")
        for image, people in truth.items():
            for engine in engines:
                engine.add(image, found.get(image, []), people)
        expected = reference(full, results, tmp_path)
        for engine in engines:
            assert engine.result() == pytest.approx(expected, abs=1e-9)
        seen.add(round(expected["AP"], 6))
    assert len(seen) == 12


def test_crowdpose_is_crowdposetools_of_any_file(tmp_path: Path, real_data: Path) -> None:
    seen = set()
    for given, full, results in worlds(as_crowdpose(real(real_data), np.random.default_rng(7)), 12):
        write(tmp_path / "json" / "crowdpose_val.json", given)
        truth, found = CrowdPose().truth(tmp_path, "val"), by_image(results)
        evaluator = CrowdPoseEvaluator(CrowdPose.SKELETON)
        for image, people in truth.items():
            evaluator.add(image, found.get(image, []), people)
        expected = crowdpose_numbers(full, results)
        assert evaluator.result() == pytest.approx(expected, abs=1e-9)
        seen.add(round(expected["AP"], 6))
    assert len(seen) == 12


def test_the_files_zero_takes_a_person_out_of_numbers_and_errors() -> None:
    """Two people, both found; of the second the file counts 0 keypoints: AR is of the first."""
    points = np.random.default_rng(0).uniform(0, 50, (2, 17, 2))
    points[1] += 200, 0
    truth = [
        Pose(points[n], np.full(17, 2), (200.0 * n, 0, 50, 50), 1325.0, num_keypoints=counted)
        for n, counted in enumerate((None, 0))
    ]
    for found, wanted in ((points, 1.0), (points[1:], 0.0)):
        evaluator = OksEvaluator(Coco.SKELETON)
        evaluator.add(1, [Pose(each, np.ones(17)) for each in found], truth)
        result = evaluator.result()
        assert (result["AP"], result["AR"]) == (pytest.approx(wanted), wanted)
        assert evaluator.matches().positives.tolist() == [1]
    people = true_people([truth], 17)
    both = best_found([1], [[Pose(each, np.ones(17)) for each in points]], 17, 20)
    assert diagnose(people, both, 1, Coco.SKELETON).truth.tolist() == [0]
