"""Pictures of fields show what is in them, whatever a network paints."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.pictures.fields import SIDE, field_picture, fields_page

IMAGE = np.full((40, 80, 3), 200, np.uint8)


def stage(value: float = 1.0) -> dict[str, np.ndarray]:
    """Keypoint 1 at cell (x 14, y 3), keypoint 0 at (4, 6); background; two limbs; tags."""
    heatmaps = np.zeros((3, 10, 20), np.float32)
    heatmaps[1, 3, 14] = heatmaps[0, 6, 4] = value
    heatmaps[2] = 1 - heatmaps[:2].max(0)
    pafs = np.zeros((4, 10, 20), np.float32)
    pafs[2, 2:5, 10:18] = value  # limb 1 points right
    tags = np.zeros((3, 10, 20), np.float32)
    tags[1, 3, 14], tags[0, 6, 4] = 5.0, -2.0
    return {"heatmaps": heatmaps, "pafs": pafs, "tags": tags}


def cell(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    scale = SIDE / 20
    return picture[round((y + 0.5) * scale), round((x + 0.5) * scale)].astype(int)


def test_heatmaps_glow_at_keypoints_and_not_in_the_background() -> None:
    picture = field_picture(IMAGE, "heatmaps", stage())
    assert picture.shape == (SIDE // 2, SIDE, 3)
    assert cell(picture, 14, 3).sum() > 500 and cell(picture, 4, 6).sum() > 500
    np.testing.assert_array_equal(cell(picture, 10, 8), [90, 90, 90])


def test_vectors_are_arrows_where_they_are() -> None:
    picture = field_picture(IMAGE, "pafs", stage()).astype(int)
    scale = SIDE // 20
    limb = picture[2 * scale : 5 * scale, 10 * scale : 18 * scale]
    elsewhere = picture[6 * scale :]
    assert (limb != 90).any() and (elsewhere == 90).all()


def test_tags_of_two_people_have_two_hues() -> None:
    picture = field_picture(IMAGE, "tags", stage())
    one, other = cell(picture, 14, 3), cell(picture, 4, 6)
    assert abs(one - other).max() > 150
    np.testing.assert_array_equal(cell(picture, 10, 8), [90, 90, 90])


def test_a_page_has_a_row_per_stage_and_field() -> None:
    page = fields_page(IMAGE, [stage(), stage()], [stage(0.5), stage(0.0)])
    assert page.shape == (6 * SIDE // 2, 2 * SIDE, 3)
    with pytest.raises(ValueError, match="no stage has a field"):
        fields_page(IMAGE, [], [])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
def test_what_is_not_finite_is_drawn_as_nothing(value: float) -> None:
    for name in ("heatmaps", "pafs", "tags"):
        assert field_picture(IMAGE, name, stage(value)).shape == (SIDE // 2, SIDE, 3)
