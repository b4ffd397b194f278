"""Whole images at several scales: sizes of the official rule, scales that lie over each other."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data.feeds.resized_images import ResizedDataset
from data.feeds.whole_images import collate_whole
from data.ground.resize import Resize
from data.views.geometry import move
from tests.worlds.plain_part_affinity_fields import official_size as lightweight_size

SHORT, HEIGHT = Resize(), Resize("height", 8, 128)


def official_size(image: tuple[int, int], scale: float, least: float) -> tuple[int, int]:
    """Sides as HigherHRNet's multi-scale test has them: rounded up at the smallest scale."""
    small = int((least * 512 + 63) // 64 * 64)
    short, long = min(image), max(image)
    sides = (
        int(small * scale / least),
        int(int((small / short * long + 63) // 64 * 64) * scale / least),
    )
    return sides if image[0] < image[1] else sides[::-1]


@pytest.mark.parametrize("image", [(640, 480), (480, 640), (500, 333), (427, 640), (300, 300)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_sizes_at_scales_are_those_of_the_official_rule(
    image: tuple[int, int], scale: float
) -> None:
    assert SHORT.input_size(image, 512, scale, 0.5) == official_size(image, scale, 0.5)


def test_a_height_is_fed_in_the_official_size() -> None:
    """Widths are rounded to whole pixels before they are padded: 209 x 200 is 384.56, so 392."""
    assert HEIGHT.input_size((209, 200), 368) == (392, 368)
    images = [(w, h) for h in range(97, 700, 7) for w in range(101, 388, 3)]
    assert {(w, h): HEIGHT.input_size((w, h), 368) for w, h in images} == {
        image: lightweight_size(image) for image in images
    }


@pytest.mark.parametrize("resize", [SHORT, HEIGHT])
def test_one_scale_is_what_it_is_without_scales(resize: Resize) -> None:
    for image in ((640, 480), (333, 500)):
        assert resize.input_size(image, 368) == resize.input_size(image, 368, 1.0, 1.0)
        np.testing.assert_array_equal(
            resize.matrix(image, 368), resize.matrix(image, 368, 1.0, 1.0)
        )


@pytest.mark.parametrize(("resize", "middle"), [(SHORT, 0.0), (HEIGHT, 0.5)])
def test_scales_lie_over_each_other(resize: Resize, middle: float) -> None:
    """A point's place at scale s is s times that at 1, from the corner of the first pixel on."""
    points = np.array([[0.0, 0.0], [320, 200], [638.5, 11]])
    base = move(resize.matrix((640, 427), 368, 1.0, 0.5), points) + middle
    for scale in (0.5, 1.5, 2.0):
        there = move(resize.matrix((640, 427), 368, scale, 0.5), points) + middle
        np.testing.assert_allclose(there, base * scale, atol=1e-9)
        sides = resize.input_size((640, 427), 368, scale, 0.5)
        assert all(side % resize.multiple == 0 for side in sides)


@pytest.mark.parametrize("resize", [SHORT, HEIGHT])
def test_a_batch_carries_an_image_at_all_scales(resize: Resize, tmp_path: Path) -> None:
    image = np.zeros((90, 120, 3), np.uint8)
    cv2.circle(image, (80, 30), 6, (255, 255, 255), -1)
    cv2.imwrite(str(tmp_path / "dot.png"), image)
    dataset = ResizedDataset([tmp_path / "dot.png"] * 2, resize, 128, [0.5, 1.0, 2.0])
    batch = collate_whole([dataset[0], dataset[1]])
    assert [len(other) for other in batch.others] == [2, 2]
    width = batch.images.shape[2]
    for scale, shown in ((1.0, batch.images), (0.5, batch.others[0]), (2.0, batch.others[1])):
        assert shown.shape[2] == width * scale
        rows, columns = np.nonzero(shown[1, ..., 0].numpy() > 200)
        found = np.array([columns.mean(), rows.mean()]) / scale
        np.testing.assert_allclose(move(batch.to_image[1].numpy(), found), [80, 30], atol=1.0)
