"""Bodies of drawn people: random poses in 3-D, dressed and placed in an image.

Of a body: x to the person's left, y up, z forward, lengths in body heights; in the image: pixels, y
down, depth towards the viewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]
Points = dict[str, np.ndarray]  # name -> (x, y, depth towards the viewer)

# Ranges of a pose's angles in degrees, from hanging straight down: swing is forward, spread is
# sideways, elbow and knee bend. Where `stride` is 1 the right limbs swing against the left ones.
_STAND = {"leg_swing": (-8, 8), "leg_spread": (0, 12), "knee": (0, 10), "lean": (-5, 8)}
_KINDS: dict[str, dict[str, tuple[int, int]]] = {
    "standing": {"arm_swing": (-20, 30), "arm_spread": (5, 35), "elbow": (0, 60), **_STAND},
    "pointing": {"arm_swing": (-20, 80), "arm_spread": (5, 95), "elbow": (0, 60), **_STAND},
    "arms_up": {"arm_swing": (-15, 20), "arm_spread": (110, 170), "elbow": (-25, 40), **_STAND},
    "running": {
        "arm_swing": (10, 50), "arm_spread": (5, 20), "elbow": (50, 110), "leg_swing": (15, 55),
        "leg_spread": (0, 6), "knee": (5, 90), "lean": (5, 20), "stride": (1, 1),
    },
    "sitting": {
        "arm_swing": (0, 60), "arm_spread": (5, 30), "elbow": (10, 90), "leg_swing": (60, 92),
        "leg_spread": (3, 22), "knee": (65, 100), "lean": (-10, 15),
    },
    "jumping": {
        "arm_swing": (-15, 15), "arm_spread": (60, 130), "elbow": (-10, 50),
        "leg_swing": (-10, 25), "leg_spread": (12, 40), "knee": (0, 50), "lean": (-5, 10),
    },
}  # fmt: skip
HEAD = 0.1  # radius of the head; like all lengths of a body in body heights
SIDES = (("left", 1.0), ("right", -1.0))


@dataclass(frozen=True)
class Look:
    """Radii of the limbs in body heights, and colours; both sides of a body are alike."""

    radius: dict[str, float]
    colour: dict[str, Colour]


@dataclass(frozen=True)
class Figure:
    """A person placed in the image: points and height (when standing upright) in pixels."""

    number: int
    points: Points
    height: float
    look: Look


def figures(rng: np.random.Generator, width: int, height: int) -> Iterator[Figure]:
    """1 to 3 people side by side, the smaller (farther) ones first."""
    count = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
    sizes = np.sort(rng.uniform(0.5, 1.05 if count < 3 else 0.85, count)) * height
    places = rng.permutation((np.arange(count) + rng.uniform(0.3, 0.7, count)) / count) * width
    for number, (size, x) in enumerate(zip(sizes, places, strict=True), 1):
        yaw = rng.choice([0.0, np.pi / 2, -np.pi / 2, np.pi], p=[0.6, 0.08, 0.08, 0.24])
        points = _turned(_body(rng), float(yaw + rng.normal(0, 0.25)), float(size))
        low, high = _extent(points)
        top = rng.uniform(-0.08, 1.08) * max(height - (high[1] - low[1]), 0) - low[1]
        middle = x - (low[0] + high[0]) / 2
        moved = {name: point + np.array([middle, top, 0.0]) for name, point in points.items()}
        yield Figure(number, moved, float(size), _look(rng))


def _angles(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Radians of one random pose: [2] (left, right) each."""
    kind = _KINDS[str(rng.choice(list(_KINDS)))]
    drawn = {name: np.radians(rng.uniform(*limits, 2)) for name, limits in kind.items()}
    if "stride" in kind:
        forward = rng.choice([-1.0, 1.0])
        drawn["leg_swing"] *= np.array([forward, -0.6 * forward])
        drawn["arm_swing"] *= np.array([-forward, forward])
    return drawn


def _direction(swing: float, spread: float, side: float) -> np.ndarray:
    along = np.cos(swing)
    return np.array([side * np.sin(spread) * along, -np.cos(spread) * along, np.sin(swing)])


def _body(rng: np.random.Generator) -> Points:
    """Points of a random pose, hips at the origin, in body heights, facing the viewer."""
    angles = _angles(rng)
    lean, roll = float(angles["lean"][0]), float(rng.uniform(-0.12, 0.12))
    up = np.array([np.sin(roll), np.cos(roll) * np.cos(lean), np.sin(lean)])
    forward = np.array([0.0, -np.sin(lean), np.cos(lean)])
    across = np.cross(up, forward)
    points = {"neck": up * 0.33, "chest": up * 0.21 + forward * 0.055, "belly": up * 0.08}
    for i, (side, sign) in enumerate(SIDES):
        hip, shoulder = across * 0.07 * sign, up * 0.3 + across * 0.115 * sign
        arm = _direction(angles["arm_swing"][i], angles["arm_spread"][i], sign)
        bend = angles["arm_swing"][i] + angles["elbow"][i]
        fore = _direction(bend, angles["arm_spread"][i] * rng.uniform(0.6, 1.1), sign)
        thigh = _direction(angles["leg_swing"][i], angles["leg_spread"][i], sign)
        shin = _direction(angles["leg_swing"][i] - angles["knee"][i], angles["leg_spread"][i], sign)
        points |= {f"{side}_hip": hip, f"{side}_shoulder": shoulder}
        points[f"{side}_elbow"] = shoulder + 0.17 * arm
        points[f"{side}_wrist"] = points[f"{side}_elbow"] + 0.16 * fore
        points[f"{side}_knee"] = hip + 0.24 * thigh
        points[f"{side}_ankle"] = points[f"{side}_knee"] + 0.24 * shin
        points[f"{side}_collar"] = up * 0.3 + across * 0.07 * sign + forward * 0.04
    return points | _head(rng, points["neck"], up, forward)


def _head(rng: np.random.Generator, neck: np.ndarray, up: np.ndarray, front: np.ndarray) -> Points:
    turn, nod = rng.uniform(-0.6, 0.6), rng.uniform(-0.2, 0.25)
    across = np.cross(up, front)
    forward = np.cos(turn) * front + np.sin(turn) * across - nod * up
    forward /= np.linalg.norm(forward)
    across = np.cross(up, forward)
    centre = neck + up * (HEAD * 0.95)
    points = {"head": centre, "face": centre + forward * HEAD * 0.35 - up * HEAD * 0.1,
              "nose": centre + HEAD * (forward * 1.05 - up * 0.15)}  # fmt: skip
    for side, sign in SIDES:
        points[f"{side}_eye"] = centre + HEAD * (forward * 0.9 + across * 0.42 * sign + up * 0.2)
        points[f"{side}_ear"] = centre + HEAD * (across * 1.0 * sign - up * 0.02)
    return points


def _turned(points: Points, yaw: float, size: float) -> Points:
    """Turned about the upright by `yaw`, scaled to pixels, y down, depth towards the viewer."""
    c, s = np.cos(yaw), np.sin(yaw)
    turn = np.array([[c, 0, s], [0, -1, 0], [-s, 0, c]]) * size
    return {name: turn @ point for name, point in points.items()}


def _extent(points: Points) -> tuple[np.ndarray, np.ndarray]:
    flat = np.stack(list(points.values()))[:, :2]
    return flat.min(0), flat.max(0)


def _look(rng: np.random.Generator) -> Look:
    arm, leg = rng.uniform(0.034, 0.046), rng.uniform(0.045, 0.06)
    radius = {"arm": arm, "forearm": arm * 0.85, "thigh": leg, "shin": leg * 0.8}
    skin = tuple(float(v) for v in np.array([150, 185, 235]) * rng.uniform(0.35, 1.05))
    names = ("hair", "torso", "arm", "forearm", "thigh", "shin", "shoes")
    colour = {name: any_colour(rng) for name in names} | {"skin": skin}
    for part, like in (("forearm", "arm"), ("arm", "torso"), ("shin", "thigh")):
        if rng.random() < 0.6:  # long sleeves, one shirt, long trousers
            colour[part] = colour[like]
        elif rng.random() < 0.6:
            colour[part] = skin
    return Look(radius, colour)  # type: ignore[arg-type]


def any_colour(rng: np.random.Generator) -> Colour:
    b, g, r = (int(v) for v in rng.integers(15, 241, 3))
    return b, g, r
