"""From painted fields to poses in image pixels: each step against what a plain loop does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from data.codecs.heatmap import HeatmapCodec
from data.ground.sample import Decoded
from data.ground.skeleton import Skeleton, load_skeleton
from pipelines.prediction.readout import (
    Predictions,
    Stages,
    best_first,
    in_image,
    join,
    merge_passes,
    person_scores,
    span,
)

COCO = load_skeleton("coco")


class Listing(HeatmapCodec):
    """Fields are lists of numbers: a mirrored one is negative, merged ones are strung together."""

    def mirror(self, stages: Stages, skeleton: Skeleton) -> Stages:
        assert skeleton is COCO
        return [{name: -field for name, field in stage.items()} for stage in stages]

    def merge(self, stages: Stages, *others: Stages) -> Stages:
        every = (stages, *others)
        return [{"heatmaps": torch.cat([each[0]["heatmaps"] for each in every])}]


def one_pass(number: float) -> Stages:
    return [{"heatmaps": torch.tensor([number])}]


def test_passes_are_merged_plain_ones_first_each_in_its_order() -> None:
    plain, mirrored = (one_pass(1), one_pass(2)), (one_pass(3), one_pass(4))
    merged = merge_passes(Listing(), COCO, iter(plain), iter(mirrored))
    assert merged[0]["heatmaps"].tolist() == [1, 2, -3, -4]


def test_one_pass_alone_is_not_merged() -> None:
    alone = one_pass(7)
    assert merge_passes(Listing(), COCO, [alone]) is alone


def test_points_move_by_the_affine_of_their_own_input() -> None:
    draw = np.random.default_rng(0)
    points, scores = draw.normal(size=(4, 3, 2)), draw.random((4, 3))
    to_image, index = draw.normal(size=(3, 2, 3)), [2, 0, 2, 1]
    decoded = Decoded(
        torch.tensor(points, dtype=torch.float32),
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor(index),
        torch.tensor([0.1, 0.2, 0.3, 0.4]),
    )
    found = in_image(decoded, torch.tensor(to_image), torch.tensor([70, 80, 90]))
    assert found.sample_id.tolist() == [90, 70, 90, 80]
    for n, row in enumerate(index):
        for k in range(3):
            place = to_image[row] @ [*points[n, k].astype(np.float32), 1.0]
            np.testing.assert_allclose(found.keypoints_image[n, k], place, atol=1e-9)
    assert found.keypoints_image.dtype == np.float64
    np.testing.assert_array_equal(found.scores, scores.astype(np.float32))
    assert found.pose_scores.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_poses_that_the_codec_does_not_score_have_no_score() -> None:
    decoded = Decoded(torch.zeros(2, 3, 2), torch.zeros(2, 3), torch.tensor([0, 1]))
    found = in_image(decoded, torch.zeros(2, 2, 3).double(), torch.tensor([5, 6]))
    assert np.isnan(found.pose_scores).all() and found.pose_scores.shape == (2,)


def some(*ids: int) -> Predictions:
    count = len(ids)
    number = np.array(ids, dtype=np.float64)
    points = np.broadcast_to(number[:, None, None], (count, 3, 2))
    scores = np.broadcast_to(number[:, None], (count, 3)).astype(np.float32)
    return Predictions(np.array(ids, np.int64), points, scores, -number.astype(np.float32))


def test_parts_are_joined_in_their_order() -> None:
    joined = join([some(4, 2), some(), some(9)], 3)
    assert joined.sample_id.tolist() == [4, 2, 9]
    assert joined.keypoints_image[:, 0, 0].tolist() == [4, 2, 9]
    assert joined.scores[:, 2].tolist() == [4, 2, 9]
    assert joined.pose_scores.tolist() == [-4, -2, -9]


def test_nothing_joined_is_no_poses_of_the_same_kind() -> None:
    nothing, one = join([], 3), join([some(4)], 3)
    for name in ("sample_id", "keypoints_image", "scores", "pose_scores"):
        empty, full = getattr(nothing, name), getattr(one, name)
        assert empty.shape == (0, *full.shape[1:]) and empty.dtype == full.dtype, name
    assert join([nothing, one], 3).sample_id.tolist() == [4]


def test_person_scores_are_those_of_a_plain_loop() -> None:
    draw = np.random.default_rng(1)
    scores, boxes = draw.random((50, 17)).astype(np.float32), draw.random(50)
    scores[0], scores[1] = 0.25, 0.0  # not above the threshold: nothing counts
    expected = []
    for row, box in zip(scores, boxes, strict=True):
        sure = [float(score) for score in row if score > 0.25]
        expected.append(box * sum(sure) / len(sure) if sure else 0.0)
    found = person_scores(scores, boxes, 0.25)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[0] == found[1] == 0.0 and (found[2:] > 0).all()
    assert person_scores(np.zeros((0, 17), np.float32), np.zeros(0), 0.2).shape == (0,)


def test_the_surest_go_first_and_equals_stay_in_order() -> None:
    sure = np.array([0.5, 0.9, 0.5, 0.9, 0.7, 0.5] * 5, np.float32)
    found = Predictions(np.zeros(30), np.zeros((30, 1, 2)), np.zeros((30, 1)), sure)
    assert best_first(found) == sorted(range(30), key=lambda row: -sure[row])
    assert best_first(join([], 3)) == []


def test_a_span_is_around_what_was_found() -> None:
    points = np.array([[5.0, 7.0], [1.0, 9.0], [100.0, -100.0]])
    assert span(points, np.array([0.2, 0.1, 0.0])) == (1.0, 7.0, 4.0, 2.0)
    assert span(points, np.zeros(3)) == (1.0, -100.0, 99.0, 109.0), "nothing found: around all"
    assert span(points, np.array([0.0, 0.0, 0.3])) == (100.0, -100.0, 0.0, 0.0)
