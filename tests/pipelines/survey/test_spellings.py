"""Names as tools spell them: which side, which known keypoint, which half of a body."""

from __future__ import annotations

import pytest

from data.ground.skeleton import load_skeleton
from pipelines.survey.spellings import half_of, known_name, known_sigmas, pairs_of, words

KNOWN = list(known_sigmas())


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_shoulder", "right_shoulder"), ("Left Shoulder", "Right Shoulder"),
        ("L-Shoulder", "R-Shoulder"), ("l_shoulder", "r_shoulder"), ("shoulder_l", "shoulder_r"),
        ("LShoulder", "RShoulder"), ("leftShoulder", "rightShoulder"), ("Shoulder.L", "Shoulder.R"),
        ("lshoulder", "rshoulder"), ("leftshoulder", "rightshoulder"), ("LSHO", "RSHO"),
        ("shoulder left", "shoulder right"),
    ],
)  # fmt: skip
def test_both_sides_of_a_keypoint_are_a_pair_and_known_in_any_spelling(
    left: str, right: str
) -> None:
    assert pairs_of(["nose", right, left]) == ((left, right),)
    assert known_name(left, KNOWN) == "left_shoulder"
    assert known_name(right, KNOWN) == "right_shoulder"


@pytest.mark.parametrize(
    "names",
    [
        ["left_tip", "right_grip"],  # other keypoints
        ["left", "right"],  # the side is all there is: rest empty
        ["left_tip", "l_tip", "right_tip"],  # which of the left ones?
        ["lever", "pivot"],  # no partner
        ["keypoint_1", "keypoint_2"],
    ],
)
def test_what_has_no_one_partner_is_in_no_pair(names: list[str]) -> None:
    assert pairs_of(names) == ()


def test_pairs_come_in_the_order_of_the_names_and_know_tools_too() -> None:
    names = ["grip R", "tip1L", "grip L", "tip1R", "tip2L", "tip2R", "pivot"]
    assert pairs_of(names) == (("grip L", "grip R"), ("tip1L", "tip1R"), ("tip2L", "tip2R"))


@pytest.mark.parametrize(
    ("left", "right"), [("左_手", "右_手"), ("左手", "右手"), ("手-左", "手-右")]
)
def test_sides_are_told_in_signs_too(left: str, right: str) -> None:
    assert pairs_of(["頭", right, left]) == ((left, right),)


def test_words_are_parted_at_capitals_digits_and_marks() -> None:
    assert words("RBigToe") == ("r", "big", "toe")
    assert words("handL2") == ("hand", "l", "2")
    assert words("Überarm_links") == ("überarm", "links")


def test_every_keypoint_of_a_known_skeleton_is_its_own_and_its_pairs_are_found() -> None:
    for name in ("coco", "mpii", "crowdpose"):
        skeleton = load_skeleton(name)
        assert [known_name(each, KNOWN) for each in skeleton.keypoints] == list(skeleton.keypoints)
        assert set(pairs_of(skeleton.keypoints)) == set(skeleton.mirrored)
        upper = tuple(each for each in skeleton.keypoints if half_of(each))
        assert upper == skeleton.upper_body


def test_a_name_that_says_nothing_of_a_body_is_of_no_half() -> None:
    assert half_of("pivot") is None
    assert half_of("R.Toes") is False
    assert half_of("Thumb tip") is True
