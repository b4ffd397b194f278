"""Twelve drawn photos of pliers with six keypoints each, labelled as YOLO-pose's tools do.

For the first steps with own data where none are at hand: a seed draws the same photos again. Each
lies in images/, its label in labels/, and data.yaml says what the numbers are.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from data.ground.refusal import refusal
from pipelines.pictures.people import write_picture

PHOTOS, SEED = 12, 1
SIZE = (320, 240)  # width, height
KEYPOINTS = ("left_tip", "right_tip", "pivot", "left_grip", "right_grip", "spring")
FLIP = (1, 0, 2, 4, 3, 5)  # each keypoint's mirror image
MARGIN = 6  # pixels of the box around the keypoints

Colour = tuple[int, int, int]


def write_example(folder: Path, photos: int = PHOTOS, seed: int = SEED) -> None:
    """Fills the folder. Raises ValueError where it is there and not empty,
    or cannot be made."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise refusal(folder, fault="is there already", do="name a new folder")
    try:
        for name in ("images", "labels"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refusal(folder, fault=f"cannot be made ({error.strerror})") from error
    rng = np.random.default_rng(seed)
    for n in range(1, photos + 1):
        picture, points = draw_pliers(rng)
        write_picture(folder / "images" / f"pliers {n:02d}.jpg", picture)
        (folder / "labels" / f"pliers {n:02d}.txt").write_text(_line(points) + "\n")
    lines = [
        "path: .",
        "train: images",
        f"kpt_shape: [{len(KEYPOINTS)}, 3]",
        f"flip_idx: {list(FLIP)}",
        "names: {0: pliers}",
        f"kpt_names: {{0: [{', '.join(KEYPOINTS)}]}}",
    ]
    (folder / "data.yaml").write_text("\n".join(lines) + "\n")


def draw_pliers(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A picture uint8 RGB [H, W, 3] of one pair on a table, its keypoints [K, 2] in pixels."""
    width, height = SIZE
    table = rng.integers(90, 200, 3)
    canvas = np.clip(table + rng.normal(0, 5, (height, width, 3)), 0, 255).astype(np.uint8)
    for _ in range(6):  # what else lies there
        at, end = (tuple(map(int, rng.integers(0, SIZE))) for _ in range(2))
        cv2.line(canvas, at, end, _colour(rng), int(rng.integers(2, 7)), cv2.LINE_AA)
    points = _placed(rng)
    metal, handle = _colour(rng, 40, 110), _colour(rng)
    left_tip, right_tip, pivot, left_grip, right_grip, spring = points
    for grip in (left_grip, right_grip):
        _bar(canvas, pivot, grip, handle, 13)
    for tip in (left_tip, right_tip):
        _bar(canvas, pivot, tip, metal, 9)
    _bar(canvas, spring, pivot, (200, 200, 60), 3)
    for at, radius, colour in ((pivot, 8, metal), (pivot, 3, (240, 240, 240)), (spring, 5, metal)):
        cv2.circle(canvas, _pixel(at), radius, colour, -1, cv2.LINE_AA)
    return canvas, points


def _placed(rng: np.random.Generator) -> np.ndarray:
    """[K, 2]: jaws up, opened and turned a little, somewhere within the picture."""
    size, half = rng.uniform(70, 100), rng.uniform(0.15, 0.4)
    jaw, grip = 0.5 * size * np.array([np.sin(half), -np.cos(half)]), rng.uniform(0.25, 0.5)
    hold = size * np.array([np.sin(grip), np.cos(grip)])
    mirror = np.array([-1.0, 1.0])
    spring = np.array([0.0, 0.45 * size])
    shape = np.stack([jaw * mirror, jaw, np.zeros(2), hold * mirror, hold, spring])
    angle = rng.uniform(-0.6, 0.6)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shape = shape @ turn.T
    low, high = shape.min(axis=0) - 2 * MARGIN, shape.max(axis=0) + 2 * MARGIN
    return np.asarray(shape - low + rng.uniform(0, 1, 2) * (np.array(SIZE) - (high - low)))


def _line(points: np.ndarray) -> str:
    """`class x y width height  x y visibility ...`, all but the flags in shares of the image."""
    low, high = points.min(axis=0) - MARGIN, points.max(axis=0) + MARGIN
    box = np.concatenate([(low + high) / 2, high - low]) / np.tile(SIZE, 2)
    keypoints = [f"{x:.6f} {y:.6f} 2" for x, y in points / np.array(SIZE)]
    return " ".join(["0", *(f"{value:.6f}" for value in box), *keypoints])


def _colour(rng: np.random.Generator, least: int = 20, most: int = 236) -> Colour:
    r, g, b = rng.integers(least, most, 3).tolist()
    return r, g, b


def _bar(canvas: np.ndarray, a: np.ndarray, b: np.ndarray, colour: Colour, width: int) -> None:
    cv2.line(canvas, _pixel(a), _pixel(b), (30, 30, 30), width + 2, cv2.LINE_AA)
    cv2.line(canvas, _pixel(a), _pixel(b), colour, width, cv2.LINE_AA)


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
