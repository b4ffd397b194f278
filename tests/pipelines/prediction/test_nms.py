"""OKS-NMS equals its plain loop, in one image and in many."""

from __future__ import annotations

import numpy as np
import pytest

from data.ground.skeleton import Skeleton, load_skeleton, skeleton_names
from pipelines.prediction.nms import oks_nms, oks_nms_of_images

COCO = load_skeleton("coco")
SKELETONS = {name: load_skeleton(name) for name in skeleton_names()}


def plain_nms(keypoints: np.ndarray, scores: np.ndarray, areas: np.ndarray, sigmas: np.ndarray,
              threshold: float) -> list[int]:  # fmt: skip
    order, kept = list(np.argsort(scores, kind="stable")[::-1]), []
    while order:
        best = order.pop(0)
        kept.append(int(best))
        rest = []
        for other in order:
            total = 0.0
            for k, sigma in enumerate(sigmas):
                dx, dy = keypoints[other, k] - keypoints[best, k]
                mean_area = (areas[best] + areas[other]) / 2 + np.spacing(1)
                total += np.exp(-(dx**2 + dy**2) / (2 * sigma) ** 2 / mean_area / 2)
            if total / len(sigmas) <= threshold:
                rest.append(other)
        order = rest
    return kept


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda s: s.name)
@pytest.mark.parametrize("threshold", [0.3, 0.9])
def test_oks_nms_is_its_plain_loop(skeleton: Skeleton, threshold: float) -> None:
    rng = np.random.default_rng(1)
    people = rng.uniform(0, 300, (5, len(skeleton.keypoints), 2))
    keypoints = people[rng.integers(0, 5, 40)] + rng.normal(
        0, 1.5, (40, len(skeleton.keypoints), 2)
    )
    scores, areas = rng.random(40).round(1), rng.uniform(2000, 9000, 40)
    sigmas = np.array(skeleton.sigmas)
    kept = oks_nms(keypoints, scores, areas, skeleton.sigmas, threshold)
    assert kept == plain_nms(keypoints, scores, areas, sigmas, threshold)
    assert 0 < len(kept) < 40
    assert oks_nms(keypoints[:0], scores[:0], areas[:0], skeleton.sigmas, threshold) == []


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.5, 0.9, 1.0])
def test_oks_nms_of_many_images_is_that_of_each(threshold: float) -> None:
    rng = np.random.default_rng(3)
    count, images = 300, 12
    people = rng.uniform(0, 300, (6, 17, 2))
    noise = rng.choice([0.0, 1.0, 6.0], (count, 1, 1)) * rng.normal(0, 1, (count, 17, 2))
    keypoints = people[rng.integers(0, 6, count)] + noise
    scores, areas = rng.choice([0.1, 0.5, 0.9], count), rng.choice([3000.0, 3000.0, 0.0], count)
    index = rng.choice(images - 2, count) + (rng.random(count) < 0.3)  # some images are empty
    rows = oks_nms_of_images(index, keypoints, scores, areas, COCO.sigmas, threshold)
    expected = []
    for image in range(images):
        of = np.flatnonzero(index == image)
        kept = plain_nms(keypoints[of], scores[of], areas[of], np.array(COCO.sigmas), threshold)
        expected += of[kept].tolist()
    assert rows.tolist() == expected
    assert (len(rows) == count) == (threshold == 1.0)
