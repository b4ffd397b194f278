"""Skeletons: mirroring, indices, refusals."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from data.ground.skeleton import (
    FOLDER,
    Skeleton,
    hashed_values,
    load_skeleton,
    read_skeleton,
    skeleton_names,
)
from data.ground.yaml_text import read_yaml

COCO = load_skeleton("coco")
SKELETONS = {name: load_skeleton(name) for name in skeleton_names()}


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_mirroring_twice_is_the_identity(skeleton: Skeleton) -> None:
    mirror = skeleton.mirror
    assert [mirror[k] for k in mirror] == list(range(len(skeleton.keypoints)))
    for k, other in enumerate(mirror):
        swapped = skeleton.keypoints[k].replace("left_", "*").replace("right_", "left_")
        assert skeleton.keypoints[other] == swapped.replace("*", "right_")


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
def test_limbs_and_upper_body_name_keypoints(skeleton: Skeleton) -> None:
    assert all(a != b for a, b in skeleton.limb_indices)
    assert 0 < len(skeleton.upper_body_indices) < len(skeleton.keypoints)
    assert min(skeleton.sigmas) > 0


def test_coco_is_coco() -> None:
    from pycocotools.cocoeval import Params

    assert list(COCO.sigmas) == pytest.approx(list(Params("keypoints").kpt_oks_sigmas), abs=1e-12)
    assert COCO.mirror == [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    assert COCO.upper_body_indices == list(range(11))


def test_a_skeleton_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="tail"):
        replace(COCO, limbs=(("nose", "tail"),))
    with pytest.raises(ValueError, match="one sigma"):
        replace(COCO, sigmas=COCO.sigmas[:-1])


def test_an_unknown_one_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'coc'.*accepted: coco, crowdpose, mpii, openpose18"):
        load_skeleton("coc")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sigmas": None}, r"x.yaml: sigmas: given None, accepted: a list of numbers"),
        ({"sigmas": ["1"] * 17}, "sigmas: given .*accepted: a list of numbers"),
        ({"sigmas": [0] * 17}, "sigmas above 0"),
        ({"keypoints": [False]}, "yaml reads no, on, 1 as other things"),
        ({"reference": "foot"}, r"reference: given 'foot', accepted: box, head, or \[keypoint"),
        ({"reference": ["nose", "tail"]}, "tail"),
        ({"mirrored": [["nose", "left_eye"], ["nose", "right_eye"]]}, "two mirror pairs"),
        ({"limbs": [["nose"]]}, r"limbs: given .*accepted: a list of \[name, name\]"),
        ({"keypoints": "nose"}, "keypoints: given 'nose', accepted: a list of names"),
        ({"colour": "red"}, "x.yaml: colour: unknown key, accepted: keypoints, limbs, mirrored"),
    ],
)
def test_its_file_is_read_strictly(change: dict[str, object], says: str) -> None:
    content = read_yaml(FOLDER / "coco.yaml")
    assert read_skeleton("coco", content, "x.yaml") == COCO
    with pytest.raises(ValueError, match=says):
        read_skeleton("coco", content | change, "x.yaml")
    with pytest.raises(ValueError, match=r"x.yaml: limbs: missing, accepted: keypoints, limbs"):
        read_skeleton("coco", {k: v for k, v in content.items() if k != "limbs"}, "x.yaml")


def test_the_digest_over_coco_outlives_its_file() -> None:
    """It is a part of the hash of prepared data: another one re-trains every recipe."""
    text = json.dumps(hashed_values(COCO), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == "c5ca632692a7"
    other = replace(COCO, reference=("left_shoulder", "right_hip"))
    assert hashed_values(other) != hashed_values(COCO)
