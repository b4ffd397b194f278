"""OKS AP equals a plain run of pycocotools on json files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.evaluators import load_matches
from data.evaluators.matching.matches import OksMatches
from data.evaluators.oks import OksEvaluator
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton, load_skeleton, skeleton_names
from tests.worlds.official import reference
from tests.worlds.people import world

COCO = load_skeleton("coco")
SKELETONS = {name: load_skeleton(name) for name in skeleton_names()}

Truth = dict[int, list[Pose]]


def drawn(images: int = 12, seed: int = 0) -> tuple[Truth, Truth]:
    """Random truth with crowds, empty images, people without keypoints; up to 30 detections."""
    rng = np.random.default_rng(seed)
    truth: Truth = {}
    predicted: Truth = {}
    for image in range(images):
        truth[image], predicted[image] = [], []
        for _ in range(0 if image % 5 == 4 else int(rng.integers(0, 6))):
            truth[image].append(person(rng, is_crowd=bool(rng.random() < 0.2)))
        most = 25 if image == 0 else int(rng.integers(0, 30))
        for number in range(0 if image % 4 == 3 else most):
            near = truth[image][number % len(truth[image])] if truth[image] else person(rng)
            noise = rng.normal(0, rng.choice([1.0, 5.0, 30.0]), (17, 2))
            score = float(rng.choice([0.3, 0.5, rng.random()]))  # equal scores too
            predicted[image].append(
                Pose(near.keypoints_image + noise, near.visibility, score=score)
            )
    return truth, predicted


def person(rng: np.random.Generator, is_crowd: bool = False) -> Pose:
    size = rng.uniform(20, 200)
    keypoints = (rng.uniform(0, 400, 2) + rng.uniform(0, size, (17, 2))).round()
    visibility = rng.integers(0, 3, 17) * int(rng.random() > 0.2)
    keypoints[visibility == 0] = 0
    return Pose(keypoints, visibility, (*keypoints.min(0), size, size), size**2 * 0.6, is_crowd)


def as_files(truth: Truth, predicted: Truth) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rows = [{"id": number, "image_id": image, "category_id": 1, "iscrowd": int(p.is_crowd),
             "keypoints": flat(p, p.visibility), "area": p.area, "bbox": list(p.box_image),
             "num_keypoints": int((p.visibility > 0).sum())}
            for number, (image, p) in enumerate(every(truth), start=900)]  # fmt: skip
    results = [{"image_id": image, "category_id": 1, "score": p.score,
                "keypoints": flat(p, np.ones(17))} for image, p in every(predicted)]  # fmt: skip
    images = [{"id": image} for image in truth]
    return {"images": images, "annotations": rows, "categories": [{"id": 1}], "info": {}}, results


def every(poses: Truth) -> list[tuple[int, Pose]]:
    return [(image, pose) for image, of_image in poses.items() for pose in of_image]


def flat(pose: Pose, third: np.ndarray) -> list[float]:
    return [float(v) for v in np.column_stack([pose.keypoints_image, third]).ravel()]


def evaluated(truth: Truth, predicted: Truth, skeleton: Skeleton = COCO) -> OksEvaluator:
    evaluator = OksEvaluator(skeleton)
    for image, of_image in truth.items():
        evaluator.add(image, predicted.get(image, []), of_image)
    return evaluator


@pytest.mark.parametrize("seed", range(5))
def test_ten_numbers_equal_those_of_files(tmp_path: Path, seed: int) -> None:
    truth, predicted = drawn(seed=seed)
    assert max(len(p) for p in predicted.values()) > 20
    expected = reference(*as_files(truth, predicted), tmp_path)
    assert evaluated(truth, predicted).result() == pytest.approx(expected, abs=1e-12)
    assert 0 < expected["AP"] < 1


@pytest.mark.parametrize("start", range(0, 120, 10))
def test_numbers_and_matches_are_the_referees_own_on_any_input(start: int) -> None:
    kinds = set()
    for seed in range(start, start + 10):
        skeleton, truth, predicted = world(seed)
        ours, referee = OksEvaluator(skeleton), OksEvaluator(skeleton, engine="pycocotools")
        for image in truth:
            ours.add(image, predicted[image], truth[image])
            referee.add(image, predicted[image], truth[image])
        assert ours.result() == referee.result(), seed  # to the last bit, so to 1e-12 as well
        theirs = vars(referee.matches())
        for name, values in vars(ours.matches()).items():
            np.testing.assert_array_equal(values, theirs[name], f"{seed}: {name}")
        kinds |= {len(p) > 20 for p in predicted.values()} | {skeleton.name}
    assert {True, False} <= kinds


def test_other_engines_poses_and_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="accepted: numpy, pycocotools"):
        OksEvaluator(COCO, engine="numba")  # type: ignore[arg-type]
    truth, predicted = drawn(images=2)
    other = evaluated(truth, predicted)
    other.add(7, [Pose(np.zeros((14, 2)), np.ones(14))], [])
    with pytest.raises(ValueError, match="given poses of 14 keypoints, accepted: 17"):
        other.result()


@pytest.mark.parametrize("engine", ["numpy", "pycocotools"])
@pytest.mark.parametrize(
    "fault", [{"keypoints_image": np.full((17, 2), np.nan)}, {"score": np.inf}]
)
def test_predictions_that_are_no_numbers_are_refused(engine: Any, fault: dict[str, Any]) -> None:
    """pycocotools itself finds everybody by poses of NaN: none is farther than a threshold."""
    broken = OksEvaluator(COCO, engine)
    pose = Pose(np.ones((17, 2)), np.ones(17), (0, 0, 9, 9), 81.0)
    broken.add(7, [replace(pose, **fault)], [pose])
    with pytest.raises(ValueError, match=r"image 7: .* not finite"):
        broken.result()


def test_real_coco_equals_plain_pycocotools(tmp_path: Path, real_data: Path) -> None:
    folder = real_data / "coco_mini" / "annotations"
    content = json.loads((folder / "person_keypoints_val2017.json").read_text())
    rng = np.random.default_rng(0)
    truth: Truth = {image["id"]: [] for image in content["images"]}
    predicted: Truth = {image["id"]: [] for image in content["images"]}
    for row in content["annotations"]:
        triples = np.array(row["keypoints"], dtype=np.float64).reshape(17, 3)
        pose = Pose(triples[:, :2], triples[:, 2].astype(np.int64), tuple(row["bbox"]), row["area"],
                    bool(row["iscrowd"]), row["id"])  # fmt: skip
        truth[row["image_id"]].append(pose)
        if rng.random() < 0.8 and row["num_keypoints"]:
            noise = rng.normal(0, 6, (17, 2))
            predicted[row["image_id"]].append(
                Pose(pose.keypoints_image + noise, pose.visibility, score=float(rng.random()))
            )
    expected = reference(content, as_files(truth, predicted)[1], tmp_path)
    result = evaluated(truth, predicted).result()
    assert result == pytest.approx(expected, abs=1e-12)
    assert 0.1 < result["AP"] < 1


def test_perfect_poses_score_one_and_nothing_is_printed(capfd: Any) -> None:
    rng = np.random.default_rng(0)
    evaluator = OksEvaluator(COCO)
    for image in range(3):
        people = [Pose(p.keypoints_image, np.full(17, 2), p.box_image, 5000.0, score=0.9)
                  for p in (person(rng) for _ in range(3))]  # fmt: skip
        evaluator.add(image, people, people)
    assert evaluator.result()["AP"] == pytest.approx(1.0)
    assert capfd.readouterr() == ("", "")


def test_without_truth_predictions_or_images() -> None:
    people = drawn()[0]
    assert evaluated(people, {}).result()["AP"] == 0
    assert set(evaluated({1: [], 2: []}, {1: people[0]}).result().values()) == {-1.0}
    assert set(OksEvaluator(COCO).result().values()) == {-1.0}
    assert len(OksEvaluator(COCO).matches().image_ids) == 0


def test_an_image_is_added_once() -> None:
    evaluator = OksEvaluator(COCO)
    evaluator.add(3, [], [])
    with pytest.raises(ValueError, match="image 3: added twice"):
        evaluator.add(3, [], [])


def ap_of(matches: OksMatches) -> float:
    """AP over all areas, by COCO's 101-point rule, from matches alone."""
    order = np.argsort(-matches.scores, kind="mergesort")
    counts = ~matches.ignored[:, order]
    hits = np.cumsum(matches.hit[:, order] & counts, axis=1)
    found = np.cumsum(counts, axis=1)
    precision = hits / np.maximum(found, np.spacing(1))
    recall = hits / matches.positives.sum()
    mean = []
    for p, r in zip(precision, recall, strict=True):
        p = np.maximum.accumulate(p[::-1])[::-1]
        places = np.searchsorted(r, np.linspace(0, 1, 101), side="left")
        mean.append(np.mean([p[i] if i < len(p) else 0.0 for i in places]))
    return float(np.mean(mean))


def test_matches_hold_what_ap_needs_and_survive_the_disk(tmp_path: Path) -> None:
    truth, predicted = drawn(images=30, seed=3)
    evaluator = evaluated(truth, predicted)
    matches = evaluator.matches()
    assert ap_of(matches) == pytest.approx(evaluator.result()["AP"], abs=1e-12)
    assert matches.image_ids.tolist() == sorted(truth)
    assert len(matches.positives) == 30 and matches.hit.dtype == bool
    assert np.bincount(matches.image_index, minlength=30).max() == 20
    assert matches.hit.shape == matches.ignored.shape == (10, len(matches.scores))
    matches.save(tmp_path / "matches.npz")
    again = load_matches(tmp_path / "matches.npz")
    for name in vars(matches):
        np.testing.assert_array_equal(getattr(again, name), getattr(matches, name))


def test_what_holds_no_matches_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "kind.npz", kind="strange")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:100])
    for name in ("other.npz", "broken.npz", "missing.npz", "kind.npz", "cut.npz"):
        with pytest.raises(ValueError, match=name):
            load_matches(tmp_path / name)
