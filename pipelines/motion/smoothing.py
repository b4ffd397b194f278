"""Keypoints without jitter: a low-pass that opens where a keypoint moves fast.

The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012), for each person and keypoint, both axes with
one cutoff. With dt seconds since the keypoint was seen last, and the way that the body went in them
(the median of its sure keypoints' ways, 0 where there are fewer than five):

    a(f)    = dt / (dt + 1 / (2 pi f))
    speed'  = speed' + a(1 Hz) ((x - last x - way) / dt - speed')
    x'      = x' + way + a(cutoff + beta |speed'|) (x - x' - way)

Delay: a body that goes somewhere, or a camera that pans, is shown at once. A keypoint that moves
against its body at v person's sizes a second is shown 1 / (2 pi (cutoff + beta v)) seconds late:
0.11 s at rest, where there is nothing to be late for, 0.017 s at one size a second. So it lags by
less than 1 / (2 pi beta) = 2 % of the person's size at any steady speed, and by more for some
tenths of a second where it starts at once. Without the body's way that would hold of all movement,
which costs a tenth of AP under a slow pan and adds jitter (benchmarks/video.py).

Speed is in sizes of the person (the longer side of the keypoints' box), so 4K and 320p, near and
far, are smoothed alike. A keypoint that is less sure than it used to be pulls by as much less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.ground.refusal import refusal
from data.ground.sample import Pose
from pipelines.motion.extent import box_of, points_of, span_of, sure, weights_of

CUTOFF = 1.5  # Hz, at rest
BETA = 8.0  # Hz for a speed of one person's size a second
SLOW = 1.0  # Hz: the cutoff of speeds, of sizes, of how sure a keypoint usually is
BODY = 5  # sure keypoints whose median tells the way of their body
LONGEST = 0.5  # seconds: a keypoint that was away for longer starts anew


@dataclass(frozen=True)
class _Track:
    """Of one person's keypoints [K]: raw and shown [K, 2], where they would be now had they gone
    with the body since they were seen; speed [K, 2] in pixels/s against it; how sure they were and
    usually are; seconds of the last look at each (-inf: never); and the person's size."""

    raw: np.ndarray
    shown: np.ndarray
    speed: np.ndarray
    weights: np.ndarray
    trust: np.ndarray
    seen: np.ndarray
    size: float
    now: float


class Smoother:
    """One video's people by their ids; a new one for each video.

    cutoff in Hz, beta in Hz per person's size a second; beta 0 is a plain low-pass. Raises
    ValueError where cutoff is not positive or beta is negative.
    """

    def __init__(self, *, cutoff: float = CUTOFF, beta: float = BETA) -> None:
        if not 0 < cutoff < math.inf:
            raise refusal("cutoff", given=cutoff, accepted="Hz above 0")
        if not 0 <= beta < math.inf:
            raise refusal("beta", given=beta, accepted="0 or more Hz per size a second")
        self._cutoff, self._beta = cutoff, beta
        self._tracks: dict[int, _Track] = {}

    def __call__(self, poses: Sequence[Pose], seconds: float) -> list[Pose]:
        """The same poses in the same order, keypoints smoothed; those of id 0 as they are.

        A keypoint that is not seen (absent, or of score 0) stays as it is and pulls nothing; one
        that was away for half a second starts anew, and all do where time goes back.
        """
        known = self._tracks.items()
        self._tracks = {id: t for id, t in known if 0 <= seconds - t.now <= LONGEST}
        return [self._smoothed(pose, seconds) if pose.id else pose for pose in poses]

    def _smoothed(self, pose: Pose, seconds: float) -> Pose:
        points, weights = points_of(pose), weights_of(pose)
        size = float(span_of(points, weights, box_of(pose))[2:].max())
        track = self._tracks.get(pose.id) or _start(len(points), size, seconds)
        track = self._next(track, points, weights, size, seconds)
        self._tracks[pose.id] = track
        shown = np.where((weights > 0)[:, None], track.shown, pose.keypoints_image)
        return replace(pose, keypoints_image=shown)

    def _next(
        self, old: _Track, points: np.ndarray, weights: np.ndarray, size: float, seconds: float
    ) -> _Track:
        size = old.size + float(_share(seconds - old.now, SLOW)) * (size - old.size)
        seen = weights > 0
        way = _way(old, points, weights)
        raw, base = old.raw + way, old.shown + way
        gap = seconds - old.seen  # of each keypoint; infinite: never seen
        new = seen & (gap > LONGEST)
        on = seen & ~new & (gap > 0)
        gap = np.where(on, gap, 0.0)
        slow = _share(gap, SLOW)
        trust = np.where(new, weights, old.trust + slow * (weights - old.trust))
        pull = np.minimum(weights / np.where(trust > 0, trust, 1.0), 1.0)
        step = (points - raw) / np.where(on, gap, 1.0)[:, None]
        speed = np.where(new[:, None], 0.0, old.speed + (slow * pull)[:, None] * (step - old.speed))
        cutoff = self._cutoff + self._beta * np.linalg.norm(speed, axis=1) / size
        share = (_share(gap, cutoff) * pull)[:, None]
        shown = np.where(new[:, None], points, base + share * (points - base))
        raw = np.where((new | on)[:, None], points, raw)
        seen_at = np.where(seen, seconds, old.seen)
        return _Track(raw, shown, speed, weights, trust, seen_at, size, seconds)


def _start(keypoints: int, size: float, seconds: float) -> _Track:
    zeros, none = np.zeros((keypoints, 2)), np.zeros(keypoints)
    return _Track(zeros, zeros, zeros, none, none, none - np.inf, size, seconds)


def _way(old: _Track, points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[2] how far the body went since the last frame."""
    both = sure(weights) & sure(old.weights)
    if np.count_nonzero(both) < BODY:
        return np.zeros(2)
    return np.asarray(np.median((points - old.raw)[both], axis=0))


def _share(gap: np.ndarray | float, cutoff: np.ndarray | float) -> np.ndarray:
    """How much of what is new is taken, 0 to 1: of a low-pass after `gap` seconds."""
    return np.asarray(gap / (gap + 1 / (2 * np.pi * np.asarray(cutoff))))
