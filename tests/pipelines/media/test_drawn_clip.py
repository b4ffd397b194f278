"""The drawn video holds the drawn clip: its frames, at their times, and who is where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.datasets.sources.stick_clip import stick_clip
from pipelines.media.drawn_clip import draw_clip
from pipelines.media.sources import open_sources


@pytest.mark.contract
def test_the_video_is_the_clip_and_its_truth(tmp_path: Path) -> None:
    asked = {"seconds": 0.4, "seed": 3, "size": (160, 120), "fps": 20.0}
    truth = draw_clip(tmp_path / "clip.mp4", **asked)  # type: ignore[arg-type]
    clip = list(stick_clip(**asked))  # type: ignore[arg-type]
    (source,) = open_sources([str(tmp_path / "clip.mp4")])
    frames = list(source.frames())
    assert [frame.seconds for frame in frames] == pytest.approx([n / 20 for n in range(8)])
    for frame, (image, poses), known in zip(frames, clip, truth, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 6
        assert [pose.id for pose in known] == [pose.id for pose in poses]
        np.testing.assert_array_equal(known[0].keypoints_image, poses[0].keypoints_image)
    assert list(tmp_path.iterdir()) == [tmp_path / "clip.mp4"]
