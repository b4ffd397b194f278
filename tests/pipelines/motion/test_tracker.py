"""Ids stay with people: through noise, gaps, crossings and strange times; and are nobody else's."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pipelines.motion.tracker import Tracker
from tests.worlds.identities import identities
from tests.worlds.walkers import FPS, Frames, Walker, spoiled, walk

SIGMAS = (0.05,) * 17
CROSSING = [
    Walker((50, 100), (160, 10)),
    Walker((500, 110), (-150, 0), size=140),
    Walker((250, 250), (20, -5), size=160),
    Walker((20, 320), (200, 0), frames=(0, 60)),
    Walker((600, 330), (-190, 5), size=110, frames=(25, 75)),
]


def tracked(
    frames: Frames, sigmas: Sequence[float] = SIGMAS, fps: float = FPS, patience: float = 1.0
) -> Frames:
    tracker = Tracker(sigmas, patience=patience)
    return [tracker.update(poses, n / fps) for n, poses in enumerate(frames)]


def ids_of(frames: Frames) -> list[list[int]]:
    return [[pose.id for pose in poses] for poses in frames]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_people_who_cross_keep_their_ids_through_noise_gaps_and_false_finds(seed: int) -> None:
    truth = walk(CROSSING, 75)
    result = identities(truth, tracked(spoiled(truth, seed, lost=0.05)))
    assert result.idf1 >= 0.95
    assert result.switches <= 1
