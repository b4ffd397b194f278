"""Tables of prepare: regions that are ignored, as run lengths."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask

from data.ground.sample import Pose
from pipelines.intake.tables import run_lengths


@pytest.mark.parametrize("region", [[], None, [[1, 2]], {"counts": None}])
def test_a_region_that_is_none_falls_back_to_the_box(region: object) -> None:
    pose = Pose(np.zeros((17, 2)), np.zeros(17, int), (2, 3, 4, 5))
    counts = run_lengths(region, pose, 20, 30)
    assert mask.decode({"counts": counts, "size": (20, 30)}).sum() == 20
