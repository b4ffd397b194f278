"""Views of people of any skeleton: keypoints keep their places, left and right their names."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data.feeds.person_crops import TopDownDataset
from data.feeds.person_views import PersonViewDataset
from data.feeds.whole_images import WholeImageDataset
from data.ground.sample import Sample
from data.ground.skeleton import Skeleton
from data.views.geometry import move
from data.views.settings import Augmentation, PersonCropAugmentation, WholeImageAugmentation
from tests.worlds.listed import Listed, pose, write_tables
from tests.worlds.skeletons import ODD

SIZE = (64, 64)
KINDS = ("crops", "whole images", "views around people")


def feed(root: Path, kind: str, skeleton: Skeleton, flip: float) -> object:
    place = root, root, "train", SIZE, skeleton
    if kind == "crops":
        crops = Augmentation(half_body_probability=1.0, flip_probability=flip)
        return TopDownDataset(*place, aligned=False, augmentation=crops)
    if kind == "whole images":
        whole = WholeImageAugmentation("whole_image", flip_probability=flip)
        return WholeImageDataset(*place, augmentation=whole)
    around = PersonCropAugmentation("person_crop", flip_probability=flip)
    return PersonViewDataset(*place, augmentation=around)


@pytest.mark.parametrize("flip", [0.0, 1.0])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("skeleton", ODD.values(), ids=ODD.keys())
def test_views_move_and_name_keypoints(
    tmp_path: Path, skeleton: Skeleton, kind: str, flip: float
) -> None:
    count = len(skeleton.keypoints)
    points = np.random.default_rng(count).uniform(20, 80, (count, 2))
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((100, 120, 3), np.uint8))
    person = pose(5, (10, 10, 80, 80), points, np.full(count, 2))
    listed = Listed([Sample(7, tmp_path / "0.png", 120, 100, (person,))], skeleton)
    assert not write_tables(tmp_path, listed, tmp_path, "train")
    item = feed(tmp_path, kind, skeleton, flip)[3, 0]  # type: ignore[index]
    back = move(item.to_image, item.keypoints_input.reshape(-1, 2).astype(np.float64))
    order = skeleton.mirror if flip else range(count)
    np.testing.assert_allclose(back, points[list(order)], atol=1e-3)
    assert (item.visibility == 2).all()
