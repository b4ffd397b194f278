"""PCK, AUC and NME: by hand, against a plain loop over keypoints, for skeletons of any kind."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.evaluators import load_matches
from data.evaluators.keypoint_distance import KeypointDistanceEvaluator
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton

KEYPOINTS = ("tip", "left_eye", "right_eye", "tail")
ANIMAL = Skeleton("animal", KEYPOINTS, (), (), (0.05,) * 4, ())
EYES = replace(ANIMAL, reference=("left_eye", "right_eye"))
HEAD = replace(ANIMAL, reference="head")


def person(number: int = 0, **changes: Any) -> Pose:
    """100 x 40 pixels, eyes 20 apart, head size 50."""
    points = np.array([[10.0, 10], [50, 30], [70, 30], [110, 50]])
    true = Pose(points, np.full(4, 2), (10.0, 10.0, 100.0, 40.0), id=number, head_size=50.0)
    return replace(true, **changes)


def moved(pose: Pose, *by: float) -> Pose:
    away = np.zeros((4, 2))
    away[: len(by), 0] = by
    return replace(pose, keypoints_image=pose.keypoints_image + away, head_size=0.0)


def plain(skeleton: Skeleton, pairs: list[tuple[Pose | None, Pose]]) -> dict[str, float]:
    """Keypoint by keypoint, person by person."""
    rows = []  # keypoint, distance in sizes (infinite: nobody predicted)
    for found, true in pairs:
        if skeleton.reference == "box":
            size = max(true.box_image[2], true.box_image[3])
        elif skeleton.reference == "head":
            size = true.head_size
        else:
            ends = [skeleton.keypoints.index(name) for name in skeleton.reference]
            seen = all(true.visibility[end] for end in ends)
            one, other = true.keypoints_image[ends]
            size = float(((one - other) ** 2).sum() ** 0.5) if seen else 0.0
        if size > 0 and not true.is_crowd:
            for k in range(len(skeleton.keypoints)):
                if true.visibility[k]:
                    far = np.inf
                    if found is not None:
                        step = found.keypoints_image[k] - true.keypoints_image[k]
                        far = (step[0] ** 2 + step[1] ** 2) ** 0.5 / size
                    rows.append((k, far))

    def pck(threshold: float) -> float:
        shares = []
        for k in range(len(skeleton.keypoints)):
            of = [far <= threshold for keypoint, far in rows if keypoint == k]
            if of:
                shares.append(sum(of) / len(of))
        return sum(shares) / len(shares)

    curve = [pck(step / 100) for step in range(21)]
    area = sum((low + high) / 2 for low, high in pairwise(curve)) / 20
    known = [far for _, far in rows if far < np.inf]
    numbers = {f"PCK@{t:g}": pck(t) for t in (0.05, 0.1, 0.2)}
    return numbers | {"AUC": area, "NME": sum(known) / len(known)}


def scored(skeleton: Skeleton, pairs: list[tuple[Pose | None, Pose]]) -> KeypointDistanceEvaluator:
    evaluator = KeypointDistanceEvaluator(skeleton)
    for image_id, (found, true) in enumerate(pairs):
        evaluator.add(image_id, [found] if found else [], [true])
    return evaluator


@pytest.mark.parametrize(
    ("skeleton", "size"), [(ANIMAL, 100.0), (HEAD, 50.0), (EYES, 20.0)], ids=["box", "head", "eyes"]
)
def test_a_table_by_hand(skeleton: Skeleton, size: float) -> None:
    hidden = person(1, visibility=np.array([2, 2, 1, 0]))
    pairs: list[tuple[Pose | None, Pose]] = [
        (moved(person(), 0.05 * size, 0.105 * size, 0.3 * size), person()),
        (moved(hidden, 0.0, 0.0, 0.0, 999.0), hidden),
    ]
    found = scored(skeleton, pairs).result()
    assert tuple(found) == KeypointDistanceEvaluator.names
    assert found["PCK@0.05"] == found["PCK@0.1"] == pytest.approx((1 + 0.5 + 0.5 + 1) / 4)
    assert found["PCK@0.2"] == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert found["NME"] == pytest.approx((0.05 + 0.105 + 0.3) / 7)
    first = (0.5 * 0.045 + 0.155) / 0.2  # found between 0.04 and 0.05, then to the end
    second = (0.5 * 0.105 + 0.095) / 0.2
    assert found["AUC"] == pytest.approx((first + second + 0.5 + 1) / 4)


def drawn(seed: int, people: int = 30) -> list[tuple[Pose | None, Pose]]:
    rng = np.random.default_rng(seed)
    pairs: list[tuple[Pose | None, Pose]] = []
    for n in range(people):
        points = rng.uniform(0, 200, (4, 2))
        true = person(
            n,
            keypoints_image=points,
            visibility=rng.integers(0, 3, 4),
            box_image=(0.0, 0.0, *rng.choice([0.0, 80.0, 200.0], 2).tolist()),
            head_size=float(rng.choice([0.0, 30.0, 90.0])),
            is_crowd=bool(rng.random() < 0.1),
        )
        noise = rng.normal(0, rng.choice([1.0, 5.0, 30.0]), (4, 2))
        found = replace(true, keypoints_image=points + noise) if rng.random() < 0.9 else None
        pairs.append((found, true))
    return pairs


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("skeleton", [ANIMAL, HEAD, EYES], ids=["box", "head", "eyes"])
def test_a_plain_loop_says_the_same(skeleton: Skeleton, seed: int) -> None:
    pairs = drawn(seed)
    ours, theirs = scored(skeleton, pairs).result(), plain(skeleton, pairs)
    assert 0.1 < ours["PCK@0.1"] < 0.9 and ours["PCK@0.05"] < ours["PCK@0.2"]
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_resamples_are_images_repeated(tmp_path: Path) -> None:
    pairs = drawn(7, people=6)
    scored(EYES, pairs).matches().save(tmp_path / "m.npz")
    matches = load_matches(tmp_path / "m.npz")
    assert matches.kind == "keypoint_distance"
    weights = np.array([2, 0, 1, 3, 0, 1])
    repeated = [pair for pair, times in zip(pairs, weights, strict=True) for _ in range(times)]
    numbers = {name: value[0] for name, value in matches.numbers(weights[None]).items()}
    assert numbers == pytest.approx(plain(EYES, repeated), abs=1e-12)
    assert matches.resampled(weights[None])[0] == numbers["PCK@0.1"]
    assert np.isnan(matches.resampled(np.zeros((1, 6), np.int32))).all()


@pytest.mark.parametrize(
    ("skeleton", "changes", "reason"),
    [
        (ANIMAL, {"box_image": (5.0, 5.0, 0.0, 0.0)}, "people without a box"),
        (ANIMAL, {"box_image": (5.0, 5.0, float("nan"), 1.0)}, "people without a box"),
        (HEAD, {"head_size": 0.0}, "people without a head"),
        (
            EYES,
            {"visibility": np.array([2, 2, 0, 2])},
            "people without a distance of left_eye and right_eye",
        ),
        (EYES, {"keypoints_image": np.ones((4, 2))}, "people without a distance of left_eye"),
    ],
)
def test_people_of_no_size_are_counted_out(
    skeleton: Skeleton, changes: dict[str, Any], reason: str
) -> None:
    evaluator = KeypointDistanceEvaluator(skeleton)
    odd, crowd = person(2, **changes), person(3, is_crowd=True, box_image=(0.0,) * 4)
    nobody = person(4, visibility=np.zeros(4, np.int64), keypoints_image=np.full((4, 2), np.nan))
    everyone = [person(1), odd, crowd, nobody]
    evaluator.add(1, [person(1), moved(odd, 9.0)], everyone)
    assert evaluator.result() | {"NME": 0.0} == dict.fromkeys(evaluator.names, 1.0) | {"NME": 0.0}
    ((told, count),) = evaluator.left_out().items()
    assert told.startswith(reason) and count == 1


def test_what_cannot_be_scored_is_named() -> None:
    evaluator = KeypointDistanceEvaluator(ANIMAL)
    assert evaluator.result() == dict.fromkeys(evaluator.names, -1.0)
    with pytest.raises(ValueError, match=r"people \[4\], accepted: at most one of each of \[3\]"):
        evaluator.add(1, [person(4)], [person(3)])
    with pytest.raises(ValueError, match="not finite, accepted: 4 points of numbers"):
        evaluator.add(1, [person(3, keypoints_image=np.full((4, 2), np.nan))], [person(3)])
