"""The benchmark of videos moves truth with its pictures and scores it; nothing measures time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import video
from benchmarks.panned_clips import FPS, SIZE, panned, photos
from benchmarks.video import average_precision, ids_kept, jitter
from data.datasets.stick_figures import draw_split
from data.files.images import read_image
from data.ground.sample import Pose, Sample

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("drawn")
    draw_split(folder, "val", 1, 2)
    return photos(folder, 9)[0]


def test_truth_moves_with_the_picture(photo: Sample) -> None:
    image = read_image(photo.image_path).astype(int)
    clip = list(panned(photo, 5))
    ways = []
    for frame, poses in clip:
        assert frame.shape == (SIZE[1], SIZE[0], 3)
        assert [pose.id for pose in poses] == [*range(1, len(photo.poses) + 1)]
        for before, now in zip(photo.poses, poses, strict=True):
            seen = np.flatnonzero(now.visibility)
            at, there = (pose.keypoints_image[seen].astype(int) for pose in (before, now))
            apart = np.abs(image[at[:, 1], at[:, 0]] - frame[there[:, 1], there[:, 0]])
            assert np.median(apart) < 25
        ways.append(poses[0].keypoints_image[0])
    assert np.abs(np.diff(ways, axis=0)).max() > 5


def found(photo: Sample, wrong: float, other: int) -> tuple[video.Clips, video.Clips]:
    """(truth, what is found: keypoints off by `wrong` pixels, now here, now there; ids change at
    frame `other`)."""
    truth = {"clip": [poses for _, poses in panned(photo, int(FPS))]}
    ours: list[list[Pose]] = []
    for n, poses in enumerate(truth["clip"]):
        off = np.array([wrong if n % 2 else -wrong, 0.0])
        ours.append([replace(pose, keypoints_image=pose.keypoints_image + off,
                             id=pose.id + 100 * (n >= other)) for pose in poses])  # fmt: skip
    return truth, {"clip": ours}


def test_scores_are_what_they_are_called(photo: Sample) -> None:
    truth, ours = found(photo, 0.0, 99)
    assert (average_precision(truth, ours), jitter(truth, ours)) == (1.0, 0.0)
    assert ids_kept(truth, ours) == (1.0, 0)
    truth, ours = found(photo, 1.5, 10)
    assert jitter(truth, ours) == pytest.approx(3.0)
    idf1, switches = ids_kept(truth, ours)
    assert idf1 < 0.8 and switches == len(photo.poses)


def test_it_runs_without_real_data(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIMBER_REAL_DATA", raising=False)
    video.main(["--recipes", "demo_hrnet", "--rounds", "1", "--frames", "4"])
    told = capsys.readouterr().out
    assert "| demo_hrnet |" in told and "detect every" not in told
