"""Images are opened once each, by processes where there are many."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.datasets.coco import Coco
from data.datasets.stick_figures import draw_split
from pipelines.host import places
from pipelines.intake.image_check import Told, check_image, check_images


@pytest.mark.contract
def test_many_images_are_checked_by_processes_in_order(home: Path) -> None:
    raw = places.raw("coco")
    draw_split(raw, "train", 6, seed=1)
    told = [Told(str(s.image_path), s.width, s.height) for s in Coco().samples(raw, "train")]
    told.insert(3, Told("nowhere.jpg", 1, 1))
    answers = check_images(told, "check", workers=2)
    assert answers == [check_image(one) for one in told]
    assert [a.fault for a in answers].index("image missing") == 3
