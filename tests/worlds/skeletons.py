"""Skeletons that nobody thought of: one keypoint, no pairs, no limbs, names in any writing."""

from __future__ import annotations

from itertools import pairwise

from data.ground.skeleton import Skeleton


def skeleton(
    name: str,
    keypoints: tuple[str, ...],
    limbs: tuple[tuple[str, str], ...] = (),
    mirrored: tuple[tuple[str, str], ...] = (),
    upper_body: tuple[str, ...] = (),
) -> Skeleton:
    return Skeleton(name, keypoints, limbs, mirrored, (0.05,) * len(keypoints), upper_body)


def numbered(count: int) -> tuple[str, ...]:
    return tuple(f"point {n}" for n in range(count))


WIDE = numbered(23)
ODD = {
    each.name: each
    for each in (
        skeleton("dot", ("tip",)),
        skeleton("pair", ("left_end", "right_end"), mirrored=(("left_end", "right_end"),)),
        skeleton("tool", numbered(6)),
        skeleton("chain", numbered(6), limbs=tuple(pairwise(numbered(6)))),
        skeleton(
            "рука", ("鼻", "левая рука", "правая рука", "øre", "no", "1e3"),
            limbs=(("鼻", "левая рука"), ("鼻", "правая рука")),
            mirrored=(("левая рука", "правая рука"),),
            upper_body=("鼻",),
        ),
        skeleton("fourteen", numbered(14)),  # as many as CrowdPose's, others
        skeleton("halves", WIDE, upper_body=WIDE[:11], mirrored=((WIDE[1], WIDE[2]),)),
        skeleton("all_upper", WIDE, upper_body=WIDE),
    )
}  # fmt: skip
