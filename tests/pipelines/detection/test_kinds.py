"""Each kind of outputs: told without being named, its boxes where they are in the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.detection.opening import open_detector
from tests.worlds.detectors import KINDS, SCORE, red_finder

SIZES = [(256, 128), (96, 192), (64, 60), (300, 225), (128, 96)]  # width, height


def with_red(width: int, height: int) -> tuple[np.ndarray, list[float]]:
    """A black image with a red rectangle around its middle, and the rectangle's box (xywh)."""
    image = np.zeros((height, width, 3), np.uint8)
    x, y, w, h = width // 4, height // 8, (width * 5) // 8, (height * 5) // 8
    image[y : y + h, x : x + w, 0] = 255
    return image, [x, y, w, h]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
@pytest.mark.parametrize("name", KINDS)
def test_the_box_comes_back_in_image_pixels(
    name: str, size: tuple[int, int], tmp_path: Path
) -> None:
    detector = open_detector(str(red_finder(tmp_path / "a.onnx", KINDS[name])))
    assert detector.kind == KINDS[name].kind
    image, box = with_red(*size)
    (found,) = detector.find([image])
    assert found.score[:1] == pytest.approx([SCORE], abs=1e-3) and len(found.score) == 1
    pixel = max(1.0, size[0] / 128, size[1] / 96)  # of the input, seen from the image
    assert np.abs(found.box_image[0] - box).max() <= pixel
