"""Keypoints' names as annotation tools and people spell them: which side, which known keypoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from data.ground.skeleton import Skeleton
from data.menus import DATASETS

SIDES = (  # words for left and right; the first of each is ours
    ("left", "l", "lt", "lft", "links", "gauche", "izquierda", "左"),
    ("right", "r", "rt", "rgt", "rechts", "droite", "derecha", "右"),
)
GLUED = (
    ("left", "l", "左"),
    ("right", "r", "右"),
)  # that stand before a name without a gap: lshoulder
OTHERS = {  # short forms -> the word that skeletons here have
    "sho": "shoulder", "shldr": "shoulder", "elb": "elbow", "elbo": "elbow", "wri": "wrist",
    "wr": "wrist", "kne": "knee", "ank": "ankle", "hips": "hip", "chest": "thorax",
    "head top": "top head", "headtop": "top head", "top of head": "top head",
}  # fmt: skip
UPPER = {  # words of a body's upper half
    "head", "nose", "eye", "ear", "neck", "mouth", "chin", "face", "jaw", "forehead", "shoulder",
    "elbow", "wrist", "hand", "finger", "thumb", "palm", "thorax", "sternum", "clavicle", "arm",
}  # fmt: skip
LOWER = {"hip", "pelvis", "knee", "ankle", "foot", "heel", "toe", "leg", "groin", "crotch"}


def words(name: str) -> tuple[str, ...]:
    """`LShoulder`, `l_shoulder`, `L-Shoulder` -> ("l", "shoulder")."""
    parted = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][^\W\d_A-Z])", " ", name)
    parted = re.sub(r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)", " ", parted)
    return tuple(word.casefold() for word in re.split(r"[\W_]+", parted) if word)


def side_of(name: str) -> tuple[int | None, tuple[str, ...]]:
    """(0 left, 1 right, None neither; the words without the side's)."""
    told = words(name)
    found = [(n, word) for word in told for n, side in enumerate(SIDES) if word in side]
    if len(found) != 1 or len(told) == 1:
        return None, told
    side, word = found[0]
    return side, tuple(each for each in told if each != word)


def pairs_of(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(left, right) pairs among the names, in their order; what has no partner is in none."""
    kinds: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}
    single: dict[str, str] = {}
    for name in names:
        side, rest = side_of(name)
        if side is None:
            single["".join(rest)] = name
        else:
            kinds.setdefault(rest, ([], []))[side].append(name)
    pairs = [(left[0], right[0]) for left, right in kinds.values() if len(left) == len(right) == 1]
    for left, right in zip(*GLUED, strict=True):
        pairs += [
            (name, single[right + word[len(left) :]])
            for word, name in single.items()
            if _is_glued(word, left)
            if right + word[len(left) :] in single
        ]
    order = {name: n for n, name in enumerate(names)}
    return tuple(sorted(dict(pairs).items(), key=lambda pair: min(map(order.__getitem__, pair))))


def _is_glued(word: str, side: str) -> bool:
    """Whether a name follows the side: two letters or more, or one sign of such a script as
    Chinese."""
    return word.startswith(side) and len(word) > len(side) + side.isascii()


def known_name(name: str, known: Sequence[str]) -> str | None:
    """The name that `known` has for the same keypoint (`Left Shoulder`, `lsho`: left_shoulder)."""
    readings = [side_of(name)]
    single = "".join(readings[0][1])
    for n, beginnings in enumerate(GLUED):
        for each in beginnings if readings[0][0] is None else ():
            if _is_glued(single, each):
                readings.append((n, (single[len(each) :],)))
    for side, rest in readings:
        part = " ".join(OTHERS.get(word, word) for word in rest)
        part = OTHERS.get(part, part).replace(" ", "_")
        found = part if side is None else f"{SIDES[side][0]}_{part}"
        if found in known:
            return found
    return None


@cache
def known_skeletons() -> tuple[Skeleton, ...]:
    """Those of the menu's data sets, each once, in the menu's order: none of a user's own."""
    found = {each.SKELETON.name: each.SKELETON for each in DATASETS.values()}
    return tuple(found.values())


@cache
def known_sigmas() -> dict[str, float]:
    """OKS fall-offs of all keypoints that `known_skeletons` name; the first one's of each name."""
    known: dict[str, float] = {}
    for skeleton in known_skeletons():
        for name, sigma in zip(skeleton.keypoints, skeleton.sigmas, strict=True):
            known.setdefault(name, sigma)
    return known


def half_of(name: str) -> bool | None:
    """True: of the upper body by its words, False: of the lower, None: they do not tell."""
    told = set(words(known_name(name, list(known_sigmas())) or name))
    told |= {OTHERS.get(word, word) for word in told} | {word.rstrip("s") for word in told}
    if told & LOWER:
        return False
    return True if told & UPPER else None
