"""The shapes that travel: frozen, with defaults that mean nothing was said."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from data.ground.sample import Batch, Decoded, Output, Pose, Rejected, Sample


def test_they_cannot_be_changed() -> None:
    pose = Pose(np.zeros((17, 2)), np.zeros(17, dtype=np.int64))
    sample = Sample(1, Path("a.jpg"), 4, 3, (pose,))
    for thing, name in ((pose, "score"), (sample, "width"), (Rejected(*"abcde"), "reason")):
        with pytest.raises(FrozenInstanceError):
            setattr(thing, name, 2)


def test_defaults() -> None:
    pose = Pose(np.zeros((17, 2)), np.zeros(17, dtype=np.int64))
    assert (pose.score, pose.is_crowd, pose.keypoint_scores) == (1.0, False, None)
    assert Sample(1, Path("a.jpg"), 4, 3).poses == ()
    assert Output(17, 4).stride == 4
    assert Batch._fields == ("images", "keypoints_input", "visibility", "sample_id", "to_image")
    assert Decoded._fields == ("keypoints_input", "scores", "batch_index", "pose_scores")
