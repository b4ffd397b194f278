"""What is timed beside albumentations is the same change, drawn from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.photometric import CASES, differences
from data.views.photometric import Photometric


@pytest.mark.parametrize("name", CASES)
def test_both_sides_make_the_same_of_a_crop(name: str) -> None:
    plug, plain = CASES[name]
    colors = np.random.default_rng(0).integers(0, 256, (6, 64, 48, 3)).astype(np.uint8)
    colors[0, :32] = colors[0, :32, :, :1]  # grey in part
    crops = list(colors)
    worst, unlike = differences(Photometric([plug]), plain, crops)
    assert (worst, unlike) == (0, 0) or (name == "GaussianBlur" and worst <= 2)
    assert any((plain(image, seed) != image).any() for seed, image in enumerate(crops))
