"""Skeletons: mirroring, indices, refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.ground.skeletons import COCO, SKELETONS, Skeleton


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
