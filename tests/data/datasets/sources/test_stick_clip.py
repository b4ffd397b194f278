"""The drawn clip: who is where is known; people move smoothly, meet, leave and come in."""

from __future__ import annotations

import numpy as np
import pytest

from data.datasets.sources.stick_clip import WALKERS, stick_clip
from data.ground.sample import Pose

SIZE, FPS, SECONDS = (240, 180), 25.0, 3.0
Clip = list[tuple[np.ndarray, list[Pose]]]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return list(stick_clip(seconds=SECONDS, seed=4, size=SIZE, fps=FPS))


def test_it_is_as_long_and_as_large_as_asked_for_and_the_same_to_the_bit(clip: Clip) -> None:
    assert len(clip) == SECONDS * FPS
    assert {(image.shape, image.dtype) for image, _ in clip} == {
        ((180, 240, 3), np.dtype(np.uint8))
    }
    again, other = (next(iter(stick_clip(seconds=3, seed=n, size=SIZE)))[0] for n in (4, 5))
    np.testing.assert_array_equal(clip[0][0], again)
    assert (other != again).mean() > 0.5


def test_people_stay_leave_and_come_in_as_planned(clip: Clip) -> None:
    seen = [{pose.id for pose in poses} for _, poses in clip]
    assert set().union(*seen) == set(range(1, len(WALKERS) + 1))
    assert seen[0] == {1, 2, 4} and seen[-1] == {1, 3, 4}
    for poses in (poses for _, poses in clip):
        assert len({pose.id for pose in poses}) == len(poses)


def test_somebody_is_hidden_behind_another_and_comes_out_again(clip: Clip) -> None:
    hidden = [
        sum(pose.id == 1 and (pose.visibility == 1).sum() > 8 for pose in poses)
        + (1 not in {pose.id for pose in poses})
        for _, poses in clip
    ]
    assert 0 < sum(hidden) < len(clip) / 2 and not hidden[0] and not hidden[-1]


def test_what_is_known_is_where_it_is_drawn(clip: Clip) -> None:
    """Seen keypoints lie in the box of what is seen, and their pixels are not the background's."""
    image, poses = clip[0]
    for pose in poses:
        x, y, width, height = pose.box_image
        points = pose.keypoints_image[pose.visibility == 2]
        assert (points >= np.array([x, y]) - 1).all()
        assert (points <= np.array([x + width, y + height]) + 1).all()
        assert 0 < pose.area < width * height
    body = next(pose for pose in poses if pose.id == 4)
    wrist = body.keypoints_image[9].round().astype(int)
    later = clip[40][0]
    assert np.abs(image[wrist[1], wrist[0]].astype(int) - later[wrist[1], wrist[0]]).max() > 20


def test_nobody_jumps(clip: Clip) -> None:
    """A keypoint goes less than a tenth of its person's height from frame to frame."""
    before: dict[int, Pose] = {}
    for _, poses in clip:
        for pose in poses:
            if pose.id in before:
                both = (pose.visibility > 0) & (before[pose.id].visibility > 0)
                way = pose.keypoints_image[both] - before[pose.id].keypoints_image[both]
                height = WALKERS[pose.id - 1][2] * SIZE[1]
                assert np.linalg.norm(way, axis=1).max(initial=0.0) < 0.1 * height
        before = {pose.id: pose for pose in poses}
