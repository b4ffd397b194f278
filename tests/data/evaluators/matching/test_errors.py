"""Kinds of error on people made for it; groups count their own people alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.evaluators.matching.errors import (
    KINDS,
    diagnose,
    group_matches,
    neighbours,
    pair_up,
)
from data.evaluators.matching.oks_matching import all_pairs
from data.evaluators.matching.people import best_found, true_people
from data.evaluators.oks import MOST, OksEvaluator
from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton

COCO = load_skeleton("coco")

K = len(COCO.keypoints)
AREA = 100.0**2
NAMES = COCO.keypoints


def person(at: float, area: float = AREA) -> Pose:
    """Keypoints on a grid of 60 px: none is near another at this area."""
    columns, rows = np.arange(K) % 5, np.arange(K) // 5
    points = np.stack([60.0 * columns + at, 60.0 * rows], axis=1)
    return Pose(points, np.full(K, 2), (at, 0.0, 240.0, 180.0), area)


def away(name: str, similarity: float, area: float = AREA) -> float:
    """Pixels from the true place at which a keypoint has that similarity."""
    sigma = 2 * COCO.sigmas[NAMES.index(name)]
    return float(sigma * np.sqrt(-2 * np.log(similarity) * area))


def kinds_of(truth: list[Pose], predicted: list[Pose]) -> list[dict[str, str]]:
    """Per matched prediction: what each keypoint is, in the order of the people."""
    people, found = true_people([truth], K), best_found([1], [predicted], K, MOST)
    done = diagnose(people, found, 1, COCO)
    made = []
    for row in np.argsort(done.truth):
        kinds = done.kind[row]
        made.append({n: KINDS[k] for n, k in zip(NAMES, kinds, strict=True) if k >= 0})
    return made


def moved(pose: Pose, **to: np.ndarray) -> Pose:
    points = pose.keypoints_image.copy()
    for name, point in to.items():
        points[NAMES.index(name)] = point
    return replace(pose, keypoints_image=points)


def point(pose: Pose, name: str, right: float = 0.0) -> np.ndarray:
    return np.asarray(pose.keypoints_image[NAMES.index(name)] + [right, 0.0])


def test_each_kind_by_its_definition() -> None:
    one, two = person(0.0), person(2000.0)
    wrong = moved(
        one,
        nose=point(one, "nose", -away("nose", 0.86)),
        left_eye=point(one, "left_eye", away("left_eye", 0.84)),
        right_eye=point(one, "right_eye", away("right_eye", 0.51)),
        left_wrist=point(one, "right_wrist"),
        right_wrist=point(one, "left_wrist", away("left_wrist", 0.6)),
        left_knee=point(two, "left_knee"),
        right_knee=point(two, "left_knee"),  # the other one's, of the other side
        left_ankle=np.array([9e3, 9e3]),
    )
    first, second = kinds_of([one, two], [wrong, two])
    expected = dict.fromkeys(NAMES, "good") | {
        "left_eye": "jitter", "right_eye": "jitter",
        "left_wrist": "inversion", "right_wrist": "inversion",
        "left_knee": "swap", "right_knee": "swap", "left_ankle": "miss",
    }  # fmt: skip
    assert first == expected
    assert set(second.values()) == {"good"}


def test_what_is_not_labelled_has_no_kind() -> None:
    one = person(0.0)
    visibility = one.visibility.copy()
    visibility[NAMES.index("left_wrist")] = 0
    wrong = moved(one, right_wrist=point(one, "left_wrist"))
    (kinds,) = kinds_of([replace(one, visibility=visibility)], [wrong])
    assert "left_wrist" not in kinds
    assert kinds["right_wrist"] == "miss", "no labelled mirror image to be mistaken for"


def test_the_best_prediction_takes_the_nearest_person_that_is_left() -> None:
    one, other = person(0.0), person(2000.0)
    crowd = replace(one, is_crowd=True)
    truth = true_people([[crowd, one, other]], K)
    near = moved(one, nose=np.array([900.0, 900.0]))
    predicted = [replace(near, score=0.9), replace(one, score=0.5), replace(other, score=0.1)]
    found = best_found([1], [predicted], K, MOST)
    pairs = all_pairs(truth, found, 1, COCO.sigmas)
    rows = pair_up(pairs, truth.wanted)
    assert pairs.found[rows].tolist() == [0, 2], "score before OKS; the second finds no one left"
    assert pairs.truth[rows].tolist() == [1, 2]


def test_neighbours_are_people_whose_boxes_overlap() -> None:
    empty = replace(person(10.0), visibility=np.zeros(K, np.int64))
    people = true_people([[person(0.0), person(60.0), person(900.0), empty], [person(0.0)]], K)
    assert neighbours(people).tolist() == [1, 1, 0, 2, 0]


@pytest.mark.parametrize("seed", range(3))
def test_a_group_of_all_is_the_evaluation_and_groups_split_its_people(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = [], []
    for _ in range(20):
        people = [person(float(rng.uniform(0, 900))) for _ in range(rng.integers(0, 4))]
        truth.append(people)
        noise = [rng.normal(0, rng.choice([3.0, 15.0, 60.0]), (K, 2)) for _ in people]
        predicted.append([
            replace(p, keypoints_image=p.keypoints_image + n, score=float(rng.random()))
            for p, n in zip(people, noise, strict=True)
        ])  # fmt: skip
    evaluator = OksEvaluator(COCO)
    for image in range(20):
        evaluator.add(image, predicted[image], truth[image])
    people = true_people(truth, K)
    found = best_found(range(20), predicted, K, MOST)
    half = rng.random(len(people)) < 0.5
    groups = np.stack([np.ones_like(half), half, ~half])
    astray = np.ones((3, len(found)), bool)
    everyone, *parts = group_matches(people, found, np.arange(20), COCO, groups, astray)
    once = np.ones((1, 20), np.int32)
    result = evaluator.result()
    assert {k: v[0] for k, v in everyone.numbers(once).items()} == {
        k: result[k] for k in ("AP", "AP50", "AP75", "AR", "AR50", "AR75")
    }
    assert (sum(part.positives for part in parts) == everyone.positives).all()
    recalls = [part.recall(once)[0] * part.positives.sum() for part in parts]
    whole = everyone.recall(once)[0] * everyone.positives.sum()
    assert np.abs(sum(recalls) - whole).max() <= 1 + 0.1 * whole.max(), "few change their person"


def test_a_prediction_near_nobody_counts_where_it_is_said() -> None:
    one, other = person(0.0), person(2000.0)
    people = true_people([[one, other]], K)
    lost = [replace(person(5000.0), score=0.9), replace(one, score=0.5)]
    shaken = replace(other, keypoints_image=other.keypoints_image + 12.0, score=0.8)
    found = best_found([1], [[*lost, shaken]], K, MOST)
    groups = np.array([[True, False], [False, True], [True, False]])
    astray = np.array([[False], [False], [True]]) & np.ones((3, 3), bool)
    of = group_matches(people, found, np.array([1]), COCO, groups, astray)
    counted = [(~matches.ignored[-1]).tolist() for matches in of]
    assert counted == [
        [False, False, True],  # its own find alone
        [False, True, False],  # the shaken one belongs to the other person, found or not
        [True, False, True],
    ]
