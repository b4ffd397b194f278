"""Groups of people: where one ends and the next begins; those without anybody are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton
from pipelines.evaluation.errors import Group, by_group, groups_of, setting_of

COCO = load_skeleton("coco")
K = len(COCO.keypoints)
JUST_BELOW = 1 - 1e-9


def person(
    area: float = 50.0**2, at: float = 0.0, labelled: int = K, *, crowd: bool = False
) -> Pose:
    """In a box of 50 x 50 pixels at (at, 0)."""
    visibility = np.where(np.arange(K) < labelled, 2, 0)
    points = np.stack([np.linspace(at, at + 50, K), np.linspace(0, 50, K)], axis=1)
    return Pose(points, visibility, (at, 0.0, 50.0, 50.0), area, crowd)


def found(side: float, score: float) -> Pose:
    """A prediction whose keypoints span a square of that side."""
    points = np.linspace((0.0, 0.0), (side, side), K)
    return Pose(points, np.full(K, 2), score=score)


def groups(
    people: Sequence[Pose], predicted: Mapping[int, Sequence[Pose]] | None = None
) -> dict[str, dict[str, Group]]:
    """By kind of group and name, of people in an image each."""
    truth = {number: [pose] for number, pose in enumerate(people)}
    made: dict[str, dict[str, Group]] = {}
    for group in groups_of(setting_of(truth, predicted or {}, COCO)):
        made.setdefault(group.by, {})[group.name] = group
    return made


def members(of: Mapping[str, Group]) -> dict[str, list[int]]:
    return {name: np.flatnonzero(group.people).tolist() for name, group in of.items()}


def test_a_side_belongs_to_the_larger_of_two_sizes() -> None:
    sides = (32.0, 64.0, 96.0, 144.0)
    people = [person(side**2 * times) for side in sides for times in (JUST_BELOW, 1.0)]
    assert members(groups(people)["size"]) == {
        "0 to 32 px": [0],
        "32 to 64 px": [1, 2],
        "64 to 96 px": [3, 4],
        "96 to 144 px": [5, 6],
        "from 144 px": [7],
    }


def test_the_least_and_the_largest_areas_are_of_a_size() -> None:
    assert members(groups([person(0.0), person(1e12)])["size"]) == {
        "0 to 32 px": [0],
        "from 144 px": [1],
    }


def test_people_by_how_many_of_their_keypoints_are_labelled() -> None:
    counts = (1, 5, 6, 10, 11, 15, 16, 17)
    people = [person(labelled=count) for count in counts]
    assert members(groups(people)["keypoints"]) == {
        "1 to 5": [0, 1],
        "6 to 10": [2, 3],
        "11 to 15": [4, 5],
        "16 to 17": [6, 7],
    }


def test_people_by_how_many_others_stand_in_their_box() -> None:
    truth = {7: [person(at=10.0 * n) for n in range(4)], 8: [person(), person(at=20.0)]}
    truth |= {9: [person(), person(at=500.0)], 10: [person(at=10.0 * n) for n in range(3)]}
    made = groups_of(setting_of(truth, {}, COCO))
    assert members({g.name: g for g in made if g.by == "crowding"}) == {
        "0": [6, 7],
        "1": [4, 5],
        "2": [8, 9, 10],
        "3 or more": [0, 1, 2, 3],
    }


def test_groups_without_anybody_are_left_out() -> None:
    made = groups([person(50.0**2)])
    assert {by: list(of) for by, of in made.items()} == {
        "size": ["32 to 64 px"],
        "keypoints": ["16 to 17"],
        "crowding": ["0"],
    }


def test_crowds_and_people_without_keypoints_are_in_no_group() -> None:
    people = [person(crowd=True), person(labelled=0), person()]
    for of in groups(people).values():
        assert list(members(of).values()) == [[2]]
    setting = setting_of({1: people[:1], 2: people[1:2]}, {}, COCO)
    assert groups_of(setting) == [] and by_group(setting) == []


def test_predictions_near_nobody_count_by_their_size_alone() -> None:
    predicted = {0: [found(32.0, 0.9), found(31.9, 0.8), found(64.0, 0.7)]}
    made = groups([person(20.0**2), person(50.0**2)], predicted)
    assert {name: group.astray.tolist() for name, group in made["size"].items()} == {
        "0 to 32 px": [False, True, False],
        "32 to 64 px": [True, False, False],
    }
    for by in ("keypoints", "crowding"):
        assert not any(group.astray.any() for group in made[by].values()), by


def test_each_group_is_scored_of_its_own_people() -> None:
    truth = {n: [person(20.0**2 if n % 2 else 200.0**2)] for n in range(6)}
    predicted = {n: poses for n, poses in truth.items() if n % 2}
    rows = {row["group"]: row for row in by_group(setting_of(truth, predicted, COCO))}
    assert rows["0 to 32 px"]["people"] == rows["from 144 px"]["people"] == 3
    assert rows["0 to 32 px"]["AP"]["value"] == pytest.approx(1.0)
    assert rows["from 144 px"]["AP"]["value"] == rows["from 144 px"]["AR"] == 0.0
    assert rows["16 to 17"]["people"] == 6 and rows["16 to 17"]["AR"] == pytest.approx(0.5)
