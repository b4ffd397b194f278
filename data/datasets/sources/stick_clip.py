"""A clip of drawn people who walk: across, past and before one another, out of it and into it.

The same figures as in the drawn pictures (`stick_pictures.py`), so that who learned from those
finds these; their names there are private because what they draw is fixed to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from data.datasets.sources.stick_bodies import SIDES, Figure, Look, Points, _body, _look, _turned
from data.datasets.sources.stick_pictures import _background, _draw, _row
from data.ground.sample import Pose

HOLD = 0.8  # seconds from one random pose of arms and head to the next
STEPS = 1.1  # strides a second
SWING, KNEE = 0.45, 0.8  # radians: how far thighs swing, knees bend
FACING = 0.6  # radians from the viewer towards where somebody goes
# of each walker, in shares of the clip and of the picture: from when until when; x there and then;
# how high they are, the farther ones first; where their hips are
WALKERS = (
    ((0.0, 1.0), (0.85, 0.15), 0.55, 0.50),
    ((0.0, 0.55), (0.60, 1.25), 0.62, 0.53),
    ((0.4, 1.0), (-0.20, 0.45), 0.68, 0.54),
    ((0.0, 1.0), (0.12, 0.80), 0.75, 0.57),
)


@dataclass(frozen=True)
class _Walker:
    number: int
    look: Look
    bodies: tuple[Points, ...]  # hips at the origin, one every HOLD seconds
    size: float
    phase: float


def stick_clip(
    *, seconds: float = 3.0, seed: int = 1, size: tuple[int, int] = (640, 480), fps: float = 25.0
) -> Iterator[tuple[np.ndarray, list[Pose]]]:
    """Frames (uint8 RGB [H, W, 3]), each with the true poses of whom it shows; their ids stay.

    Four people, of whom two cross the picture towards each other, one leaves, one enters. size is
    (width, height). As in the drawn pictures, who is all but hidden has no pose, and boxes are of
    what is seen.
    """
    rng = np.random.default_rng([seed, 3])
    width, height = size
    empty = _background(rng, width, height)
    walkers = [_walker(rng, row + 1, seconds, height * each[2]) for row, each in enumerate(WALKERS)]
    for n in range(round(seconds * fps)):
        figures = [
            _figure(walker, plan, n / fps, seconds, size)
            for walker, plan in zip(walkers, WALKERS, strict=True)
        ]
        yield _frame(rng, empty, [figure for figure in figures if figure is not None])


def _walker(rng: np.random.Generator, number: int, seconds: float, size: float) -> _Walker:
    bodies = tuple(_body(rng) for _ in range(int(seconds / HOLD) + 2))
    return _Walker(number, _look(rng), bodies, size, float(rng.uniform(0, 1)))


def _frame(
    rng: np.random.Generator, empty: np.ndarray, figures: list[Figure]
) -> tuple[np.ndarray, list[Pose]]:
    canvas, owner = empty.copy(), np.zeros(empty.shape[:2], np.uint8)
    drawn = []
    for figure in figures:
        before = owner.copy()
        _draw(canvas, owner, figure)
        drawn.append((figure, int(np.count_nonzero(owner != before))))
    noisy = canvas + rng.normal(0, 2, canvas.shape)
    rows = [(figure.number, _row(figure, owner, whole)) for figure, whole in drawn]
    poses = [_pose(number, row) for number, row in rows if row is not None]
    return np.ascontiguousarray(np.clip(noisy, 0, 255).astype(np.uint8)[:, :, ::-1]), poses


def _pose(number: int, row: Mapping[str, object]) -> Pose:
    values = np.array(row["keypoints"], dtype=np.float64).reshape(-1, 3)
    x, y, width, height = (float(side) for side in np.array(row["bbox"], dtype=np.float64))
    area = float(np.array(row["area"], dtype=np.float64))
    return Pose(
        values[:, :2], values[:, 2].astype(np.int64), (x, y, width, height), area, id=number
    )


def _figure(
    walker: _Walker, plan: tuple[tuple[float, float], tuple[float, float], float, float],
    now: float, seconds: float, size: tuple[int, int],
) -> Figure | None:  # fmt: skip
    """Who is placed in the picture `now`; None before they come and after they are gone."""
    (start, end), (first, last), _, hips = plan
    share = (now / seconds - start) / (end - start)
    if not 0 <= share <= 1:
        return None
    yaw = FACING if last > first else -FACING
    bob = 0.01 * walker.size * np.sin(4 * np.pi * (now * STEPS + walker.phase))
    place = np.array([(first + share * (last - first)) * size[0], hips * size[1] + bob, 0.0])
    points = _turned(_walking(walker, now), yaw, walker.size)
    placed = {name: point + place for name, point in points.items()}
    return Figure(walker.number, placed, walker.size, walker.look)


def _walking(walker: _Walker, now: float) -> Points:
    """The body between two of its poses, and legs that stride."""
    n, share = int(now / HOLD), now / HOLD % 1
    share = share * share * (3 - 2 * share)  # at rest in each pose
    before, after = walker.bodies[n], walker.bodies[n + 1]
    points = {name: (1 - share) * before[name] + share * after[name] for name in before}
    for side, sign in SIDES:
        arm = (f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
        for joint, end in pairwise(arm):
            bones = before[end] - before[joint], after[end] - after[joint]
            points[end] = points[joint] + _turning(*bones, share)
        points |= _leg(points[f"{side}_hip"], side, sign, now * STEPS + walker.phase)
    return points


def _turning(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """A bone on its way from one direction to another, as long as it was."""
    length = float(np.linalg.norm(before))
    one, other = before / length, after / np.linalg.norm(after)
    angle = float(np.arccos(np.clip(one @ other, -1, 1)))
    if angle < 1e-6:
        return before
    mixed = np.sin((1 - share) * angle) * one + np.sin(share * angle) * other
    return np.asarray(length * mixed / np.sin(angle))


def _leg(hip: np.ndarray, side: str, sign: float, strides: float) -> Points:
    phase = 2 * np.pi * strides + (np.pi if sign > 0 else 0.0)
    swing, bend = SWING * np.sin(phase), KNEE * max(np.cos(phase), 0.0)
    knee = hip + 0.24 * np.array([0.05 * sign, -np.cos(swing), np.sin(swing)])
    shin = np.array([0.03 * sign, -np.cos(swing - bend), np.sin(swing - bend)])
    return {f"{side}_knee": knee, f"{side}_ankle": knee + 0.24 * shin}
