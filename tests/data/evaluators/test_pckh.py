"""PCKh: by hand, against the official evaluation in plain words, on real gt_valid.mat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat

from data.datasets.mpii import Mpii
from data.datasets.sources.mpii_mat import gt_valid
from data.evaluators import load_matches
from data.evaluators.pckh import PckhEvaluator
from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton
from tests.worlds.mpii_files import NAMES, row, write_heads

COCO = load_skeleton("coco")
MPII = load_skeleton("mpii")


def official(predictions: np.ndarray, gt: dict[str, Any]) -> dict[str, float]:
    """HRNet's evaluation, keypoint by keypoint; predictions [N, 16, 2] from 0."""
    shares: dict[float, dict[str, float]] = {}
    counts = {}
    for threshold in (0.5, 0.1, 0.11):
        shares[threshold] = {}
        for k, name in enumerate(NAMES):
            found = total = 0
            for n in range(len(predictions)):
                if gt["jnt_missing"][k, n]:
                    continue
                low, high = gt["headboxes_src"][:, :, n]
                size = 0.6 * np.sqrt(((high - low) ** 2).sum())
                error = predictions[n, k] + 1 - gt["pos_gt_src"][k, :, n]
                total += 1
                found += np.sqrt((error**2).sum()) / size <= threshold
            shares[threshold][name] = found / total if total else np.nan
            counts[name] = total
    counted = [name for name in NAMES if name not in ("pelv", "thor") and counts[name]]
    everything = sum(counts[name] for name in counted)
    means = {
        f"PCKh@{t}": sum(share[name] * counts[name] for name in counted) / everything
        for t, share in shares.items()
    }
    half = shares[0.5]
    pairs = {"Sho": "sho", "Elb": "elb", "Wri": "wri", "Hip": "hip", "Knee": "kne", "Ank": "ank"}
    groups = {name: (half["l" + part] + half["r" + part]) / 2 for name, part in pairs.items()}
    return means | {"Head": half["head"]} | groups


def pckh_of_array(predictions: np.ndarray, path: Path) -> dict[str, float]:
    """Ours of predictions [N, 16, 2], from 0, in the order of a gt_valid.mat."""
    positions, labelled, heads = gt_valid(path)
    sizes = 0.6 * np.linalg.norm(heads[:, 2:] - heads[:, :2], axis=1)
    evaluator = PckhEvaluator(MPII)
    for n, points in enumerate(predictions):
        seen, size = labelled[n].astype(np.int64), float(sizes[n])
        true = Pose(positions[n] - 1.0, seen, id=n, head_size=size)
        evaluator.add(n, [Pose(points.astype(np.float64), seen, id=n)], [true])
    return evaluator.result()


def person(number: int = 0, **changes: Any) -> Pose:
    """Keypoints on a line, head size 10."""
    points = np.array([[10.0 + k, 20.0 + 3 * k] for k in range(16)])
    return replace(Pose(points, np.full(16, 2), id=number, head_size=10.0), **changes)


def moved(pose: Pose, by: dict[str, float]) -> Pose:
    points = pose.keypoints_image.copy()
    for name, distance in by.items():
        points[MPII.keypoints.index(name), 0] += distance
    return replace(pose, keypoints_image=points, head_size=0.0)


def test_a_table_by_hand() -> None:
    evaluator = PckhEvaluator(MPII)
    hidden = np.full(16, 2)
    hidden[MPII.keypoints.index("left_wrist")] = 0
    first, second = person(1), person(2, visibility=hidden)
    wrong = {
        "left_ankle": 5.0,
        "right_ankle": 5.01,
        "pelvis": 99,
        "left_wrist": 99,
        "top_head": 1.0,
    }
    evaluator.add(7, [moved(second, wrong), moved(first, {"right_knee": 1.1})], [first, second])
    result = evaluator.result()
    assert result["Head"] == result["Sho"] == result["Wri"] == 1.0
    assert result["Ank"] == pytest.approx((1.0 + 0.5) / 2)  # 5.0 is just within, 5.01 is not
    assert result["PCKh@0.5"] == pytest.approx(26 / 27)  # 14 keypoints of each, one wrist hidden
    assert result["PCKh@0.1"] == pytest.approx(24 / 27)
    assert result["PCKh@0.11"] == pytest.approx(25 / 27)
    assert set(result) == set(PckhEvaluator.names)


def table(path: Path, people: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Predictions at distances around both thresholds, and gt_valid.mat as it is read back."""
    rng = np.random.default_rng(seed)
    rows = [row("1.jpg", 30.0 * n, joints_vis=rng.integers(0, 2, 16).tolist())
            for n in range(people)]  # fmt: skip
    write_heads(path, rows)
    truth = loadmat(path)
    noise = rng.normal(0, 1, (people, 16, 2)) * rng.choice([1.0, 3.0, 12.0], (people, 16, 1))
    return truth["pos_gt_src"].transpose(2, 0, 1) - 1 + noise, truth


@pytest.mark.contract
@pytest.mark.parametrize("seed", range(3))
def test_the_official_evaluation_says_the_same(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "gt_valid.mat"
    predictions, truth = table(path, 40, seed)
    ours, theirs = pckh_of_array(predictions, path), official(predictions, truth)
    assert 0.2 < ours["PCKh@0.5"] < 0.99 and ours["PCKh@0.1"] < ours["PCKh@0.11"]
    assert ours == pytest.approx(theirs, abs=1e-12)


@pytest.mark.contract
def test_real_mpii(real_data: Path) -> None:
    root = real_data / "mpii_mini"
    path = root / "annot" / "gt_valid.mat"
    truth = loadmat(path)
    noise = np.random.default_rng(4).normal(0, 30, (2, 16, 2))
    predictions = truth["pos_gt_src"].transpose(2, 0, 1) - 1 + noise
    by_array = pckh_of_array(predictions, path)
    assert 0.1 < by_array["PCKh@0.5"] < 1
    official_numbers = official(predictions, truth)
    assert by_array["PCKh@0.5"] == pytest.approx(official_numbers["PCKh@0.5"], abs=1e-12)
    evaluator = PckhEvaluator(MPII)
    for image_id, people in Mpii().truth(root, "val").items():
        found = [replace(p, keypoints_image=predictions[p.id]) for p in people]
        evaluator.add(image_id, found, people)
    assert evaluator.result() == by_array
    assert [d[0] for d in truth["dataset_joints"][0]] == NAMES


def test_who_has_no_prediction_is_not_found() -> None:
    evaluator = PckhEvaluator(MPII)
    evaluator.add(1, [person(1)], [person(1)])
    evaluator.add(2, [], [person(2)])
    assert evaluator.result()["PCKh@0.5"] == 0.5
    assert PckhEvaluator(MPII).result() == dict.fromkeys(PckhEvaluator.names, -1.0)


def test_matches_come_back_and_are_resampled(tmp_path: Path) -> None:
    evaluator = PckhEvaluator(MPII)
    rng = np.random.default_rng(3)
    for image_id in (5, 2, 9):
        people = [person(n) for n in range(rng.integers(1, 4))]
        far = [replace(p, keypoints_image=p.keypoints_image + rng.normal(0, 4, (16, 2)))
               for p in people]  # fmt: skip
        evaluator.add(image_id, far, people)
    evaluator.matches().save(tmp_path / "m.npz")
    matches = load_matches(tmp_path / "m.npz")
    assert matches.image_ids.tolist() == [2, 5, 9] and matches.kind == "pckh"
    once, main = np.ones((1, 3), np.int32), evaluator.result()[PckhEvaluator.main]
    assert matches.resampled(once)[0] == pytest.approx(main, abs=1e-15)
    weights = np.array([[2, 0, 1], [0, 0, 0]], np.int32)
    found = matches.found[0][:, [k not in (6, 7) for k in range(16)]].sum(axis=1)
    expected = (2 * found[0] + found[2]) / (2 * matches.positives[0] + matches.positives[2])
    resampled = matches.resampled(weights)
    assert resampled[0] == pytest.approx(expected) and np.isnan(resampled[1])


def test_what_cannot_be_scored_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="given skeleton coco, accepted: mpii"):
        PckhEvaluator(COCO)
    evaluator = PckhEvaluator(MPII)
    with pytest.raises(ValueError, match="person 3 has no head box"):
        evaluator.add(1, [person(3)], [person(3, head_size=0.0)])
    with pytest.raises(ValueError, match=r"people \[4\], accepted: at most one of each of \[3\]"):
        evaluator.add(1, [person(4)], [person(3)])
    with pytest.raises(ValueError, match="not finite"):
        evaluator.add(1, [person(3, keypoints_image=np.full((16, 2), np.nan))], [person(3)])
    evaluator.add(1, [person(3)], [person(3)])
    with pytest.raises(ValueError, match="added twice"):
        evaluator.add(1, [], [])
