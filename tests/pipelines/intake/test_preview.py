"""The page after prepare: people of both splits, evenly, as many as there are room for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from data.datasets.stick_figures import StickFigures
from data.files.images import read_image
from data.ground.sample import Sample
from pipelines.intake.preview import PREVIEW_PEOPLE, write_preview
from tests.worlds.listed import pose, write_listed

TILE = (210, 280)  # width, height
EMPTY = 30


def split_of(root: Path, split: str, greys: list[int]) -> None:
    """A split of one person in each image of one grey."""
    points = np.full((17, 2), 50.0) + np.arange(17)[:, None] / 4
    samples = []
    for number, grey in enumerate(greys):
        path = root / f"{split}_{number}.png"
        cv2.imwrite(str(path), np.full((100, 100, 3), grey, np.uint8))
        one = pose(number + 1, (40, 35, 21, 28), points, np.full(17, 2))
        samples.append(Sample(number + 1, path, 100, 100, (one,)))
    write_listed(root, samples, split)


def tiles(page: np.ndarray) -> list[int]:
    """What grey each place of the page has most of, row by row; empty ones left out."""
    width, height = TILE
    cells = [
        page[y : y + height, x : x + width]
        for y in range(0, page.shape[0], height)
        for x in range(0, page.shape[1], width)
    ]
    greys = [int(np.median(cell)) for cell in cells]
    return [grey for grey in greys if grey != EMPTY]


def test_a_split_with_fewer_people_than_room_is_shown_whole(tmp_path: Path) -> None:
    split_of(tmp_path, "train", [100, 120, 140])
    split_of(tmp_path, "val", [200])
    write_preview(tmp_path / "page.png", tmp_path, tmp_path, StickFigures())
    page = read_image(tmp_path / "page.png")
    assert page.shape == (2 * TILE[1], 6 * TILE[0], 3)
    assert sorted(tiles(page)) == [100] * 4 + [120, 140, 200], "the first at twice the size"


@pytest.mark.parametrize("more", [0, 25])
def test_of_a_larger_split_people_are_taken_evenly(tmp_path: Path, more: int) -> None:
    train = np.linspace(60, 140, PREVIEW_PEOPLE[0] + more).astype(int).tolist()
    val = np.linspace(160, 240, PREVIEW_PEOPLE[1] + more).astype(int).tolist()
    split_of(tmp_path, "train", train)
    split_of(tmp_path, "val", val)
    write_preview(tmp_path / "page.png", tmp_path, tmp_path, StickFigures())
    shown = sorted(tiles(read_image(tmp_path / "page.png")))
    assert shown[:4] == [60] * 4, "the first person, at twice the size"
    of_train, of_val = [g for g in shown[3:] if g < 150], [g for g in shown if g > 150]
    assert (len(of_train), len(of_val)) == PREVIEW_PEOPLE
    for greys, low, high in ((of_train, 60, 140), (of_val, 160, 240)):
        assert (greys[0], greys[-1]) == (low, high), "from the first to the last"
        assert np.ptp(np.diff(greys)) <= 6, "about as far from each to the next"
