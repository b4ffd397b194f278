"""A view from half a photo is the view, but for what decoding at half leaves out."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import scaled_decoding
from benchmarks.scaled_decoding import SMALLER, WHOLE, Pair
from data.datasets.stick_figures import draw_split
from data.views.geometry import View, view_matrix

pytestmark = pytest.mark.contract


def test_a_view_from_half_a_photo_lies_where_the_view_lies(tmp_path: Path) -> None:
    """A ramp without detail: half a pixel aside would be 1.3 steps of grey."""
    ramp = (np.add.outer(np.arange(96), np.arange(96)) * 1.3).astype(np.uint8)
    photo = tmp_path / "ramp.jpg"
    assert cv2.imwrite(str(photo), np.dstack([ramp] * 3), [cv2.IMWRITE_JPEG_QUALITY, 100])
    matrix = view_matrix(View((48, 48), (60, 60), 20.0), (30, 30), aligned=False)
    pair = Pair(str(photo), matrix, (30, 30))
    away = pair.view(WHOLE).astype(int) - pair.view(SMALLER).astype(int)
    assert abs(away.mean()) < 0.3


def test_it_runs_on_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split, seed in (("train", 1), ("val", 2)):
        draw_split(tmp_path, split, 3, seed)
    scaled_decoding.main(["--rounds", "1", "--images", str(tmp_path), "--patience", "0"])
    told = capsys.readouterr().out
    assert told.count(" at most half as large") == 3 and "640x640" in told
