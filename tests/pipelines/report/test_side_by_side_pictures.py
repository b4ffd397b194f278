"""Pictures side by side are read as all others are: their header is asked first."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipelines.report.plots import _tile
from tests.worlds.hostile import promising_jpeg


def test_a_tile_shows_the_picture_in_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((40, 60, 3), (200, 20, 10), np.uint8))
    tile = _tile(path)
    assert tile[tile.shape[0] // 2, tile.shape[1] // 2].tolist() == [200, 20, 10]


def test_a_picture_that_promises_too_much_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(promising_jpeg(np.zeros((8, 8, 3), np.uint8), 12_500))
    said = rf"^{path}: 12500 x 12500 pixels, .*; remove it, then `make repro` makes it anew$"
    with pytest.raises(ValueError, match=said):
        _tile(path)
    path.write_text("none")
    with pytest.raises(ValueError, match=rf"^{path}: .*; remove it, then `make repro`"):
        _tile(path)
