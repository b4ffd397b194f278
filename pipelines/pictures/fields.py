"""Pictures of fields: what a codec wrote beside what a network painted, stage by stage.

Heatmaps glow, part affinity fields are arrows, tags are colours: one hue per tag value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from pipelines.pictures.people import titled

SIDE = 320  # pixels of a tile's longer side
DIM = 0.45  # of the image under its fields
ARROWS = 28  # along the longer side
WEAK = 0.15  # vectors and peaks below are not drawn

Stage = Mapping[str, np.ndarray]  # field name -> float [C, h, w]


def fields_page(
    image: np.ndarray, written: Sequence[Stage], painted: Sequence[Stage]
) -> np.ndarray:
    """One row per stage and field: written | painted, over the input image uint8 [H, W, 3]."""
    rows = []
    for n, (true, found) in enumerate(zip(written, painted, strict=True)):
        for name in true:
            channels, height, width = found[name].shape
            about = f"stage {n + 1} {name} {channels} x {height} x {width}"
            left = titled(field_picture(image, name, true), f"{about}, written")
            right = titled(field_picture(image, name, found), f"{about}, painted")
            rows.append(np.hstack([left, right]))
    if not rows:
        raise ValueError("fields_page: no stage has a field")
    return np.vstack(rows)


def field_picture(image: np.ndarray, name: str, stage: Stage, side: int = SIDE) -> np.ndarray:
    """One field of a stage over its image, uint8 RGB, its longer side `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    base = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    draw = {"pafs": _arrows, "tags": _colours}.get(name, _glow)
    return draw(base, stage, name)


def _finite(field: np.ndarray) -> np.ndarray:
    return np.nan_to_num(field.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _heat(stage: Stage, name: str = "heatmaps") -> np.ndarray:
    """[h, w] from 0 to 1: the highest of all keypoints; a background channel is left out."""
    field = _finite(stage[name])
    people = field[:-1] if "pafs" in stage and len(field) > 1 else field
    return np.asarray(people.max(axis=0).clip(0, 1))


def _glow(base: np.ndarray, stage: Stage, name: str) -> np.ndarray:
    heat = cv2.resize(_heat(stage, name), base.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    coloured = cv2.cvtColor(
        cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB
    )
    share = heat[..., None] ** 0.5
    return np.asarray((base * DIM * (1 - share) + coloured * share).astype(np.uint8))


def _arrows(base: np.ndarray, stage: Stage, name: str) -> np.ndarray:
    """The strongest limb's vector on a grid of cells."""
    field = _finite(stage[name])
    vectors = field.reshape(-1, 2, *field.shape[1:])  # [L, 2, h, w]
    length = np.hypot(vectors[:, 0], vectors[:, 1])
    limb = length.argmax(axis=0)
    canvas = (base * DIM).astype(np.uint8)
    height, width = limb.shape
    step = max(1, round(max(height, width) / (2 * ARROWS)))
    scale = base.shape[1] / width, base.shape[0] / height
    for y in range(0, height, step):
        for x in range(0, width, step):
            here = limb[y, x]
            if length[here, y, x] > WEAK:
                start = np.array([(x + 0.5) * scale[0], (y + 0.5) * scale[1]])
                end = start + vectors[here, :, y, x].clip(-1, 1) * 1.6 * step * np.array(scale)
                hue = (int(180 * here / len(vectors)), 200, 255)
                cv2.arrowedLine(canvas, _at(start), _at(end), _rgb(hue), 1, cv2.LINE_AA)
    return canvas


def _colours(base: np.ndarray, stage: Stage, name: str) -> np.ndarray:
    """At each cell the tag of its highest keypoint, as a hue; dark where no keypoint is."""
    heat, tags = _finite(stage["heatmaps"]), _finite(stage[name])
    keypoint = heat.argmax(axis=0)[None]
    value = np.take_along_axis(tags[: len(heat)], keypoint, axis=0)[0]
    strength = _heat(stage)
    shown = value[strength > WEAK]
    low, high = (shown.min(), shown.max()) if shown.size else (0.0, 1.0)
    hue = (value - low) / max(high - low, 1e-6) * 150
    colour = np.stack([hue.clip(0, 150), np.full_like(hue, 220), np.full_like(hue, 255)], -1)
    small = cv2.cvtColor(colour.astype(np.uint8), cv2.COLOR_HSV2RGB)
    size = base.shape[1::-1]
    large = cv2.resize(small, size, interpolation=cv2.INTER_NEAREST)
    share = cv2.resize(strength, size, interpolation=cv2.INTER_NEAREST)[..., None]
    share = np.where(share > WEAK, share.clip(0.3, 1), 0)
    return np.asarray((base * DIM * (1 - share) + large * share).astype(np.uint8))


def _rgb(hsv: tuple[int, int, int]) -> tuple[int, int, int]:
    pixel = np.array([[hsv]], dtype=np.uint8)
    r, g, b = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return r, g, b


def _at(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
