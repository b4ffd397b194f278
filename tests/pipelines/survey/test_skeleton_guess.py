"""Skeletons made from labels: what is told is taken, the rest guessed; the file is read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.datasets.formats.labels import LabelledPerson, Labels
from data.ground.skeleton import load_skeleton, read_skeleton
from data.ground.yaml_text import read_yaml
from pipelines.survey.skeleton_guess import SIGMA, guess_skeleton, mean_places, skeleton_text
from tests.worlds.standing import labels_of, person

COCO = load_skeleton("coco")


def standing(keypoints: tuple[str, ...], places: list[tuple[float, float]]) -> Labels:
    points = np.array(places, float)
    one = LabelledPerson(points, np.full(len(points), 2), (0.0, 0.0, 100.0, 100.0))
    return labels_of([[one]], keypoints)


def test_a_body_in_a_tools_spelling_has_cocos_limbs_pairs_sigmas_and_halves() -> None:
    tools = {name: name.replace("_", " ").title() for name in COCO.keypoints}
    labels = standing(tuple(tools.values()), [(50.0, 50.0)] * 17)
    skeleton = guess_skeleton("workers", labels).skeleton
    assert skeleton.keypoints == tuple(tools.values()), "under the names of the labels"
    assert skeleton.limbs == tuple((tools[a], tools[b]) for a, b in COCO.limbs)
    assert skeleton.mirrored == tuple((tools[a], tools[b]) for a, b in COCO.mirrored)
    assert skeleton.sigmas == COCO.sigmas
    assert skeleton.upper_body == tuple(tools[name] for name in COCO.upper_body)


def test_a_tools_skeleton_is_the_shortest_tree_halved_by_height() -> None:
    names = ("left_tip", "right_tip", "pivot", "left_grip", "right_grip")
    labels = standing(names, [(40, 0), (60, 0), (50, 40), (30, 100), (70, 100)])
    guess = guess_skeleton("pliers", labels)
    skeleton = guess.skeleton
    assert set(map(frozenset, skeleton.limbs)) == {
        frozenset(limb)
        for limb in (
            ("left_tip", "right_tip"), ("left_tip", "pivot"), ("left_grip", "right_grip"),
            ("pivot", "left_grip"),
        )
    }  # fmt: skip
    assert skeleton.sigmas == (SIGMA,) * 5
    assert skeleton.upper_body == ("left_tip", "right_tip", "pivot")
    assert "mean height" in guess.upper_body


def test_limbs_and_pairs_that_the_labels_tell_are_taken_as_they_are() -> None:
    labels = labels_of(
        [[person(names=("left_hip", "right_hip", "nose"))]],
        ("a", "b", "c"),
        limbs=(("a", "c"),),
        mirrored=(("b", "c"),),
    )
    skeleton = guess_skeleton("x", labels).skeleton
    assert skeleton.limbs == (("a", "c"),) and skeleton.mirrored == (("b", "c"),)


def test_a_keypoint_that_is_never_labelled_has_no_place_and_no_guessed_limb() -> None:
    names = ("one", "two", "three")
    points = np.array([[0.0, 0.0], [100.0, 100.0], [0.0, 0.0]])
    one = LabelledPerson(points, np.array([2, 1, 0]), (0.0, 0.0, 100.0, 200.0))
    labels = labels_of([[one]], names)
    np.testing.assert_array_equal(mean_places(labels), [[0, 0], [1, 0.5], [np.nan, np.nan]])
    assert guess_skeleton("x", labels).skeleton.limbs == (("one", "two"),)


@pytest.mark.parametrize(
    "names",
    [
        ("no", "Left Tip", "right tip: 2", "Ärmel", "x'y\"z", "#1", "yes", "1.5", "null"),
        tuple(f"keypoint_{k}" for k in range(1, 31)),
        ("only",),
    ],
)
def test_the_file_is_read_back_as_what_was_guessed(names: tuple[str, ...], tmp_path: Path) -> None:
    places = [(float(k), float(2 * k)) for k in range(len(names))]
    guess = guess_skeleton("mine", standing(names, places))
    path = tmp_path / "mine.yaml"
    path.write_text(skeleton_text(guess), encoding="utf-8")
    assert read_skeleton("mine", read_yaml(path), path) == guess.skeleton
    assert max(map(len, path.read_text(encoding="utf-8").splitlines())) <= 100
