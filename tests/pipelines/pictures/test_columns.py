"""Pages of pictures: nothing is stretched, everything has its place and its title."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.pictures.columns import BAR, GAP, GROUND, below, beside, captioned, fitted


def plain(height: int, width: int, grey: int = 200) -> np.ndarray:
    return np.full((height, width, 3), grey, np.uint8)


@pytest.mark.parametrize(("shape", "fits"), [((50, 100), (40, 80)), ((20, 10), (80, 40))])
def test_a_fitted_picture_keeps_its_aspect(shape: tuple[int, int], fits: tuple[int, int]) -> None:
    assert fitted(plain(*shape), 80).shape[:2] == fits


def test_a_title_stands_in_a_bar_above_the_picture() -> None:
    page = captioned(plain(30, 200), "original")
    assert page.shape == (30 + BAR, 200, 3) and (page[BAR:] == 200).all()
    assert (page[:BAR] > 200).any(), "letters"
    assert (captioned(plain(30, 200), "other")[:BAR] != page[:BAR]).any()


@pytest.mark.parametrize("title", ["a_recipe_of_a_very_long_name_coco_256x192" * 3, "", "W" * 9])
def test_a_title_that_is_too_long_is_cut_and_leaves_the_bar(title: str) -> None:
    page = captioned(plain(10, 60), title)
    assert page.shape == (10 + BAR, 60, 3)
    assert (page[:BAR, -GAP:] == GROUND).all(), "it ends before the edge"


def test_pictures_stand_beside_and_below_each_other_in_order() -> None:
    small, large = plain(10, 20, 90), plain(16, 8, 150)
    row = beside([small, large])
    assert row.shape == (16, 20 + GAP + 8, 3)
    assert (row[:10, :20] == 90).all() and (row[:, 20 + GAP :] == 150).all()
    assert (row[10:, :20] == GROUND).all() and (row[:, 20 : 20 + GAP] == GROUND).all()
    column = below([small, large])
    assert column.shape == (10 + GAP + 16, 20, 3)
    assert (column[:10] == 90).all() and (column[10 + GAP :, :8] == 150).all()
    for join in (beside, below):
        with pytest.raises(ValueError, match="at least one picture"):
            join([])
