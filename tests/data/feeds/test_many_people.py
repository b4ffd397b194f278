"""Images of many people: everyone is drawn, or no loss counts over him and prepare says so."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data.feeds.person_views import PersonViewDataset
from data.feeds.whole_images import WholeImageDataset, collate_whole
from data.ground.sample import MOST_PEOPLE, Output, Sample
from data.ground.skeleton import load_skeleton
from data.menus import CODECS
from data.views.settings import PersonCropAugmentation
from tests.worlds.listed import Listed, pose, write_tables

COCO = load_skeleton("coco")
SIDE, APART, ACROSS = 512, 44, 11
WHOLE = sorted(name for name, codec in CODECS.items() if codec.whole_image)


def crowded(root: Path, people: int) -> list[str]:
    """An image of people in rows, 32 pixels each, their keypoints on a diagonal; what is noted."""
    cv2.imwrite(str(root / "0.png"), np.zeros((SIDE, SIDE, 3), np.uint8))
    diagonal = np.linspace(2, 30, 17)[:, None].repeat(2, axis=1)
    corners = [np.array([n % ACROSS, n // ACROSS]) * APART + 8.0 for n in range(people)]
    everyone = [
        pose(n, (*corner, 32, 32), diagonal + corner, np.full(17, 2))
        for n, corner in enumerate(corners)
    ]
    sample = Sample(7, root / "0.png", SIDE, SIDE, tuple(everyone))
    noted = write_tables(root, Listed([sample], COCO), root, "train")
    assert {row.kind for row in noted} <= {"note"}
    return [row.id for row in noted]


@pytest.mark.parametrize("name", WHOLE)
def test_forty_people_are_drawn_like_the_first(tmp_path: Path, name: str) -> None:
    assert crowded(tmp_path, 40) == []
    data = WholeImageDataset(tmp_path, tmp_path, "train", (SIDE, SIDE), COCO)
    batch, codec = collate_whole([data[0]]), CODECS[name]()
    assert batch.keypoints_input.shape == (1, 40, 17, 2) and batch.keep.all()
    outputs = [{field: Output(n, 4) for field, n in codec.channels(COCO).items()}]
    heatmaps, weight = codec.encode(batch, outputs, (SIDE, SIDE))[0]["heatmaps"]
    x, y = (batch.keypoints_input[0] / 4).long().unbind(-1)  # [40, 17]
    heights = heatmaps[0][codec.keypoint_channels(COCO)][torch.arange(17), y, x]
    assert heights.min() > 0.9 and weight.min() == 1


def test_beyond_a_hundred_no_loss_counts_and_prepare_notes_who(tmp_path: Path) -> None:
    assert crowded(tmp_path, 103) == ["100", "101", "102"]
    data = WholeImageDataset(tmp_path, tmp_path, "train", (SIDE, SIDE), COCO)
    item = data[0]
    assert item.visibility.shape == (MOST_PEOPLE, 17)
    for n in range(103):
        x, y = (np.array([n % ACROSS, n // ACROSS]) * APART + 8) // 2
        seen = item.keep[y : y + 16, x : x + 16]
        assert seen.all() if n < MOST_PEOPLE else not seen.any()
    views = PersonCropAugmentation("person_crop")
    around = PersonViewDataset(tmp_path, tmp_path, "train", (SIDE, SIDE), COCO, augmentation=views)
    assert len(around) == MOST_PEOPLE
