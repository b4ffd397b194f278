"""Left and right: both statistics count what was swapped, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from data.datasets.formats.labels import LabelledPerson
from data.ground.skeleton import Skeleton
from pipelines.survey.sides import front_sides, pair_sides
from tests.worlds.standing import FRONT, NAMES, labels_of, person

PAIRS = tuple((f"left_{part}", f"right_{part}") for part in ("eye", "shoulder", "hip", "ankle"))
SKELETON = Skeleton("nine", NAMES, (), PAIRS, (0.05,) * len(NAMES), ())
SWAPPED = tuple(
    name.replace("left", "@").replace("right", "left").replace("@", "right") for name in NAMES
)
ANKLES = tuple(
    {"left_ankle": "right_ankle", "right_ankle": "left_ankle"}.get(name, name) for name in NAMES
)


def turned(one: LabelledPerson, degrees: float) -> LabelledPerson:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return LabelledPerson(one.keypoints_image @ turn.T, one.visibility, one.box_image)


def test_who_faces_the_camera_has_left_on_the_images_right() -> None:
    labels = labels_of([[person()] * 3, [person(names=SWAPPED)]])
    assert [(s.people, s.odd) for s in front_sides(labels, SKELETON)] == [(4, 1)] * 4


def test_who_is_seen_from_behind_or_has_a_hidden_eye_is_not_asked() -> None:
    flags = [2 if name != "left_eye" else 1 for name in NAMES]
    labels = labels_of([[person(names=SWAPPED, flags=flags), person()]])
    assert [(s.people, s.odd) for s in front_sides(labels, SKELETON)] == [(1, 0)] * 4


def test_a_skeleton_without_a_face_has_no_front() -> None:
    faceless = Skeleton("two", ("left_hip", "right_hip"), (), (("left_hip", "right_hip"),),
                        (0.1, 0.1), ())  # fmt: skip
    labels = labels_of([[person(names=faceless.keypoints)]], faceless.keypoints)
    assert front_sides(labels, faceless) == []
    assert [(s.people, s.odd) for s in pair_sides(labels, faceless)] == [(0, 0)], "no others"


@pytest.mark.parametrize("degrees", [0.0, 90.0, 180.0, 217.0])
def test_a_single_swapped_pair_points_against_the_others_however_the_person_lies(
    degrees: float,
) -> None:
    labels = labels_of([[turned(person(names=ANKLES), degrees), turned(person(), degrees)]])
    told = {s.pair[0]: (s.people, s.odd) for s in pair_sides(labels, SKELETON)}
    assert told == {
        "left_eye": (2, 0), "left_shoulder": (2, 0), "left_hip": (2, 0), "left_ankle": (2, 1),
    }  # fmt: skip


def test_a_pair_that_is_half_labelled_is_not_looked_at() -> None:
    flags = [0 if name == "left_ankle" else 2 for name in FRONT]
    told = pair_sides(labels_of([[person(flags=flags)]]), SKELETON)
    assert [s.people for s in told] == [1, 1, 1, 0]
