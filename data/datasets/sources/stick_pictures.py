"""Pictures of drawn people, and what is known of each person in them.

Jointed figures in 3-D poses before and behind clutter. Left and right look alike: which side is
which shows only from the face and from the collar, which all wear on the chest and both of which
survive a mirrored image. Colours are random per person and tell nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np

from data.datasets.sources.stick_bodies import HEAD, SIDES, Colour, Figure, any_colour, figures
from data.ground.skeleton import load_skeleton

KEYPOINTS = load_skeleton("coco").keypoints
# owner map, uint8 per pixel: 16 * (number of the person, from 1) + the part that is seen there
_TORSO, _SKULL, _LIMBS, _OBJECT = 1, 2, 3, 255
_MARKS = 16
_OWN_LIMBS = {"shoulder": ("arm",), "elbow": ("arm", "forearm"), "wrist": ("forearm",),
              "hip": ("thigh",), "knee": ("thigh", "shin"), "ankle": ("shin",)}  # fmt: skip
_BONES = {"arm": ("shoulder", "elbow"), "forearm": ("elbow", "wrist"),
          "thigh": ("hip", "knee"), "shin": ("knee", "ankle")}  # fmt: skip
_MARK = {(side, bone): _LIMBS + i + 4 * (side == "right")
         for side, _ in SIDES for i, bone in enumerate(_BONES)}  # fmt: skip


def draw_image(rng: np.random.Generator) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """A picture (uint8 BGR [H, W, 3]) of 1 to 3 people, and their rows as COCO's json has them."""
    width, height = int(rng.integers(290, 351)), int(rng.integers(220, 261))
    canvas = _background(rng, width, height)
    owner = np.zeros((height, width), np.uint8)
    drawn = []
    for figure in figures(rng, width, height):
        _draw(canvas, owner, figure)
        drawn.append((figure, int(np.count_nonzero(owner // _MARKS == figure.number))))
    for _ in range(rng.integers(0, 4)):
        _draw_clutter(rng, canvas, owner)
    noisy = canvas + rng.normal(0, rng.uniform(1, 6), canvas.shape)
    rows = (_row(figure, owner, whole) for figure, whole in drawn)
    return np.clip(noisy, 0, 255).astype(np.uint8), [row for row in rows if row]


# ---- drawing: every part goes onto the canvas and into the owner map


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0]) * 16), round(float(point[1]) * 16)  # cv2: 4 bits of fraction


def _darker(colour: Colour) -> Colour:
    b, g, r = (int(v * 0.55) for v in colour)
    return b, g, r


def _draw(canvas: np.ndarray, owner: np.ndarray, figure: Figure) -> None:
    """All parts, the farthest first."""
    points = figure.points
    torso, head = float((points["belly"][2] + points["neck"][2]) / 2), float(points["head"][2])
    parts: list[tuple[float, Callable[[], None]]] = [
        (min(torso, head) - 1, lambda: _draw_neck(canvas, owner, figure)),
        (torso, lambda: _draw_torso(canvas, owner, figure)),
        (head, lambda: _draw_head(canvas, owner, figure)),
    ]
    for side, bone in _MARK:
        start, end = (figure.points[f"{side}_{joint}"] for joint in _BONES[bone])
        before = 1.0 if bone in ("forearm", "shin") else 0.0
        draw = partial(_draw_bone, canvas, owner, figure, side, bone)
        parts.append((float(start[2] + end[2]) / 2 + before, draw))
    for _, draw_part in sorted(parts, key=lambda part: part[0]):
        draw_part()


def _draw_bone(canvas: np.ndarray, owner: np.ndarray, figure: Figure, side: str, bone: str) -> None:
    start, end = (figure.points[f"{side}_{joint}"] for joint in _BONES[bone])
    radius, colour = figure.look.radius[bone] * figure.height, figure.look.colour
    mark = figure.number * _MARKS + _MARK[side, bone]
    _draw_limb(canvas, owner, (start, end), radius, colour[bone], mark)
    if bone in ("forearm", "shin"):
        end_of = colour["skin" if bone == "forearm" else "shoes"]
        _draw_disc(canvas, owner, end, radius * 1.35, _darker(end_of), mark)
        _draw_disc(canvas, owner, end, radius * 1.35 - 1, end_of, mark)


def _draw_limb(
    canvas: np.ndarray, owner: np.ndarray, ends: tuple[np.ndarray, np.ndarray], radius: float,
    colour: Colour, mark: int,
) -> None:  # fmt: skip
    a, b = map(_pixel, ends)
    width = max(2, round(radius * 2))
    cv2.line(canvas, a, b, _darker(colour), width + 2, cv2.LINE_AA, 4)
    cv2.line(canvas, a, b, colour, width, cv2.LINE_AA, 4)
    cv2.line(owner, a, b, mark, width + 1, cv2.LINE_8, 4)


def _draw_disc(
    canvas: np.ndarray, owner: np.ndarray | None, at: np.ndarray, radius: float, colour: Colour,
    mark: int = 0,
) -> None:  # fmt: skip
    centre, size = _pixel(at), max(12, round(radius * 16))
    cv2.circle(canvas, centre, size, colour, -1, cv2.LINE_AA, 4)
    if owner is not None:
        cv2.circle(owner, centre, size, mark, -1, cv2.LINE_8, 4)


def _draw_neck(canvas: np.ndarray, owner: np.ndarray, figure: Figure) -> None:
    ends = figure.points["neck"], figure.points["head"]
    mark, skin = figure.number * _MARKS + _TORSO, figure.look.colour["skin"]
    _draw_limb(canvas, owner, ends, 0.025 * figure.height, skin, mark)


def _draw_torso(canvas: np.ndarray, owner: np.ndarray, figure: Figure) -> None:
    points, look = figure.points, figure.look
    corners = [points[f"{side}_{joint}"] for side, _ in SIDES for joint in ("shoulder", "hip")]
    flat = np.array([_pixel(p) for p in (*corners, points["chest"], points["belly"])], np.int32)
    hull = cv2.convexHull(flat)
    width = max(3, round(0.1 * figure.height))
    mark = figure.number * _MARKS + _TORSO
    for colour, wide in ((_darker(look.colour["torso"]), width + 2), (look.colour["torso"], width)):
        cv2.polylines(canvas, [hull], True, colour, wide, cv2.LINE_AA, 4)
        cv2.fillConvexPoly(canvas, hull, colour, cv2.LINE_AA, 4)
    cv2.polylines(owner, [hull], True, mark, width + 1, cv2.LINE_8, 4)
    cv2.fillConvexPoly(owner, hull, mark, cv2.LINE_8, 4)
    if points["chest"][2] > points["belly"][2]:  # the front: the collar that all wear
        line = np.array([_pixel(points[n]) for n in ("left_collar", "chest", "right_collar")])
        for tint, share in (((40, 40, 40), 0.03), ((235, 245, 250), 0.018)):
            thick = max(1, round(share * figure.height))
            cv2.polylines(canvas, [line.astype(np.int32)], False, tint, thick, cv2.LINE_AA, 4)


def _draw_head(canvas: np.ndarray, owner: np.ndarray, figure: Figure) -> None:
    points, colour, r = figure.points, figure.look.colour, figure.height * HEAD
    mark = figure.number * _MARKS + _SKULL
    behind = points["face"][2] < points["head"][2]
    for side, _ in SIDES:
        _draw_disc(canvas, owner, points[f"{side}_ear"], r * 0.28, colour["skin"], mark)
    face = (points["face"], r * 0.85, colour["skin"])
    skull = (points["head"], r, colour["hair"])
    for at, radius, tint in (face, skull) if behind else (skull, face):
        _draw_disc(canvas, owner, at, radius, tint, mark)
    for side, _ in SIDES:
        ear, eye = points[f"{side}_ear"], points[f"{side}_eye"]
        if ear[2] > points["head"][2] - 0.3 * r:
            _draw_disc(canvas, owner, ear, r * 0.26, _darker(colour["skin"]), mark)
            _draw_disc(canvas, owner, ear, r * 0.19, colour["skin"], mark)
        if eye[2] > points["head"][2] + 0.2 * r:
            _draw_disc(canvas, None, eye, r * 0.2, (245, 245, 245))
            _draw_disc(canvas, None, eye, r * 0.11, (30, 20, 20))
    if points["nose"][2] > points["head"][2] + 0.1 * r:
        _draw_disc(canvas, None, points["nose"], r * 0.17, _darker(colour["skin"]))


def _background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A gradient under shapes, lines and stripes that look a little like limbs: uint8 [H, W, 3]."""
    corners = rng.integers(20, 236, (2, 2, 3)).astype(np.uint8)
    canvas = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    nobody = np.zeros((height, width), np.uint8)
    plain = canvas.copy()
    for _ in range(rng.integers(4, 14)):
        _draw_clutter(rng, canvas, nobody)
    canvas = cv2.addWeighted(canvas, 0.6, plain, 0.4, 0)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.4, 1.6))))


def _draw_clutter(rng: np.random.Generator, canvas: np.ndarray, owner: np.ndarray) -> None:
    """One object, a post, disc or crate; what it hides goes to it in the owner map."""
    height, width = canvas.shape[:2]
    x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
    w, h = (int(v) for v in rng.integers(10, height // 4, 2))
    colour, turn = any_colour(rng), float(rng.uniform(0, 180))
    kind = rng.integers(3)
    for image, paint in ((canvas, colour), (owner, _OBJECT)):
        smooth = cv2.LINE_AA if image is canvas else cv2.LINE_8
        if kind == 0:
            end = (x + int(3 * w * np.cos(turn)), y + int(3 * h * np.sin(turn)))
            cv2.line(image, (x, y), end, paint, max(3, w // 5), smooth)
        elif kind == 1:
            cv2.ellipse(image, (x, y), (w // 2, h // 2), turn, 0, 360, paint, -1, smooth)
        else:
            crate = cv2.boxPoints(((x, y), (w, h), turn)).astype(np.int32)
            cv2.fillConvexPoly(image, crate, paint, smooth)


# ---- what is known of a drawn person


def _row(figure: Figure, owner: np.ndarray, whole: int) -> dict[str, Any] | None:
    """A person's row without ids, or None where next to nothing of it is seen."""
    seen = (owner // _MARKS == figure.number) & (owner != _OBJECT)
    area = int(np.count_nonzero(seen))
    keypoints = _keypoints(figure, owner)
    labelled = int((keypoints[:, 2] > 0).sum())
    if area < max(80, 0.2 * whole) or labelled == 0:
        return None
    outlines, _ = cv2.findContours(
        seen.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    polygons = [c.reshape(-1).tolist() for c in outlines if len(c) >= 3]
    x, y, w, h = cv2.boundingRect(seen.astype(np.uint8))
    values = [v for x, y, s in keypoints.tolist() for v in (round(x, 2), round(y, 2), int(s))]
    return {"keypoints": values, "num_keypoints": labelled, "bbox": [x, y, w, h], "area": area,
            "iscrowd": 0, "segmentation": polygons}  # fmt: skip


def _keypoints(figure: Figure, owner: np.ndarray) -> np.ndarray:
    """[K, 3] x, y, visibility: 2 seen, 1 hidden by a body or an object.

    0 (at 0, 0) outside the image, and what of a face is turned away, as COCO leaves it.
    """
    height, width = owner.shape
    rows = np.zeros((len(KEYPOINTS), 3))
    for row, name in zip(rows, KEYPOINTS, strict=True):
        x, y, _ = figure.points[name]
        inside = 0 <= x < width - 0.5 and 0 <= y < height - 0.5
        if inside and not _is_turned_away(figure, name):
            mark = int(owner[round(float(y)), round(float(x))])
            row[:] = x, y, 2 if _is_seen(figure, name, mark) else 1
    return rows


def _is_seen(figure: Figure, name: str, mark: int) -> bool:
    """Whether the part seen at a keypoint's pixel is one that carries this keypoint."""
    part = mark - figure.number * _MARKS
    side, _, joint = name.partition("_")
    if joint in ("shoulder", "hip") and part == _TORSO:
        middle = (figure.points[f"left_{joint}"][2] + figure.points[f"right_{joint}"][2]) / 2
        return bool(figure.points[name][2] > middle - 0.04 * figure.height)
    if joint in _OWN_LIMBS:
        return part in {_MARK[side, bone] for bone in _OWN_LIMBS[joint]}
    return part == _SKULL


def _is_turned_away(figure: Figure, name: str) -> bool:
    least = {"nose": -0.1, "eye": -0.1, "ear": -0.7}.get(name.rpartition("_")[2])
    depth = figure.points[name][2] - figure.points["head"][2]
    return least is not None and bool(depth < least * HEAD * figure.height)
