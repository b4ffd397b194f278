"""Pictures for the eye: skeletons drawn on images, pages of people. All are uint8 RGB [H, W, 3]."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from data.ground.refusal import refusal
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton

LEFT, RIGHT, MIDDLE = (255, 140, 0), (0, 170, 255), (80, 230, 80)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SUB = 4  # cv2 draws at 1/16 pixel


def draw_poses(
    image: np.ndarray,
    poses: Sequence[Pose],
    skeleton: Skeleton,
    *,
    names: bool = False,
    ids: bool = False,
) -> np.ndarray:
    """A copy of `image` with the poses on it: left orange, right blue, the body's axis green.

    Keypoints of visibility 1 are hollow, of 0 left out; `names` writes each keypoint's name, `ids`
    each pose's number above it.
    """
    canvas = np.ascontiguousarray(image).copy()
    for pose in poses:
        _draw_limbs(canvas, pose, skeleton)
        _draw_keypoints(canvas, pose, skeleton)
        if names:
            _draw_names(canvas, pose, skeleton)
        if ids:
            _draw_id(canvas, pose)
    return canvas


def page_of_people(
    people: Iterable[tuple[np.ndarray, Pose, str]],
    skeleton: Skeleton,
    *,
    columns: int = 6,
    tile: tuple[int, int] = (210, 280),
) -> np.ndarray:
    """One page of tiles (width, height): each person cut out of its image, with skeleton and title.

    The first is drawn at twice the size with its keypoints named.
    """
    tiles, corner = [], None
    for image, pose, title in people:
        if corner is None:
            corner = person_tile(image, pose, title, skeleton, (tile[0] * 2, tile[1] * 2))
        else:
            tiles.append(person_tile(image, pose, title, skeleton, tile))
    return _lay_out(corner, tiles, columns, tile)


def page_of_pictures(
    pictures: Iterable[tuple[np.ndarray, str]], *, columns: int = 3, side: int = 420
) -> np.ndarray:
    """One page of pictures with titles, each within a square of `side` pixels."""
    tiles = []
    for image, title in pictures:
        height, width = image.shape[:2]
        scale = side / max(height, width)
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=kind)
        tile = np.full((side, side, 3), 30, np.uint8)
        tile[: small.shape[0], : small.shape[1]] = small
        tiles.append(titled(tile, title))
    if not tiles:
        raise ValueError("a page needs at least one picture")
    tiles += [np.full_like(tiles[0], 30)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[n : n + columns]) for n in range(0, len(tiles), columns)]
    return np.vstack(rows)


def titled(image: np.ndarray, title: str) -> np.ndarray:
    """A copy of the picture with a line of text in its upper left corner."""
    canvas = np.ascontiguousarray(image).copy()
    _write(canvas, title, (5, 14), 0.42, (255, 255, 255))
    return canvas


def write_picture(path: Path, image: np.ndarray) -> None:
    """Writes RGB as png or jpg, by the name's ending. Raises ValueError where it cannot."""
    if not cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
        raise refusal(path, fault="cannot write the picture", do="check the folder's permissions")


def _colours(skeleton: Skeleton) -> dict[str, tuple[int, int, int]]:
    """Of each keypoint, by the skeleton's pairs: names may be in any spelling."""
    sides = {left: LEFT for left, _ in skeleton.mirrored}
    sides |= {right: RIGHT for _, right in skeleton.mirrored}
    return {name: sides.get(name, MIDDLE) for name in skeleton.keypoints}


def _size(canvas: np.ndarray, pose: Pose) -> int:
    """Line width in pixels: grows with the person, never more than the picture carries."""
    return int(np.clip(max(pose.box_image[2:]) / 90, 1, max(canvas.shape[:2]) / 150 + 1))


def _at(point: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(np.round(point * 2**_SUB), -(2**20), 2**20)
    return int(x), int(y)


def _draw_limbs(canvas: np.ndarray, pose: Pose, skeleton: Skeleton) -> None:
    width, colours = _size(canvas, pose), _colours(skeleton)
    for (a, b), (name_a, name_b) in zip(skeleton.limb_indices, skeleton.limbs, strict=True):
        if pose.visibility[a] > 0 and pose.visibility[b] > 0:
            colour = colours[name_a] if colours[name_a] == colours[name_b] else MIDDLE
            start, end = _at(pose.keypoints_image[a]), _at(pose.keypoints_image[b])
            cv2.line(canvas, start, end, (0, 0, 0), width + 1, cv2.LINE_AA, _SUB)
            cv2.line(canvas, start, end, colour, width, cv2.LINE_AA, _SUB)


def _draw_keypoints(canvas: np.ndarray, pose: Pose, skeleton: Skeleton) -> None:
    width, colours = _size(canvas, pose), _colours(skeleton)
    radius = int((width + 0.8) * 2**_SUB)
    for k, name in enumerate(skeleton.keypoints):
        if pose.visibility[k] > 0:
            at = _at(pose.keypoints_image[k])
            cv2.circle(canvas, at, radius + 2**_SUB, (0, 0, 0), -1, cv2.LINE_AA, _SUB)
            filled = -1 if pose.visibility[k] == 2 else 1
            cv2.circle(canvas, at, radius, colours[name], filled, cv2.LINE_AA, _SUB)


def _draw_names(canvas: np.ndarray, pose: Pose, skeleton: Skeleton) -> None:
    colours = _colours(skeleton)
    for k, name in enumerate(skeleton.keypoints):
        if pose.visibility[k] > 0:
            x, y = (int(v) for v in np.clip(pose.keypoints_image[k], -1000, 9000))
            _write(canvas, name, (x + 7, y + 4), 0.42, colours[name])


def _draw_id(canvas: np.ndarray, pose: Pose) -> None:
    """Above the highest keypoint that is shown, within the picture."""
    shown = pose.keypoints_image[pose.visibility > 0]
    if len(shown):
        x, y = (int(v) for v in np.clip(shown[shown[:, 1].argmin()], -1000, 9000))
        size = 0.3 + 0.12 * _size(canvas, pose)
        room = int(30 * size)
        low = np.clip([x - room // 2, y - room // 2], (2, room), (canvas.shape[1] - room, 10**4))
        _write(canvas, str(pose.id), (int(low[0]), int(low[1])), size, (255, 255, 255))


def _write(
    canvas: np.ndarray, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int]
) -> None:
    (width, height), _ = cv2.getTextSize(text, _FONT, size, 1)
    top_left, bottom_right = (at[0] - 2, at[1] - height - 2), (at[0] + width + 1, at[1] + 3)
    cv2.rectangle(canvas, top_left, bottom_right, (20, 20, 20), -1)
    cv2.putText(canvas, text, at, _FONT, size, colour, 1, cv2.LINE_AA)


def person_tile(
    image: np.ndarray, pose: Pose, title: str, skeleton: Skeleton, tile: tuple[int, int]
) -> np.ndarray:
    """A person cut out of its image by its box, with skeleton and title; tile: (width, height)."""
    width, height = tile
    x, y, w, h = pose.box_image
    scale = min(width / (w * 1.25), height / (h * 1.25))
    shift = np.array([width / 2, height / 2]) - scale * np.array([x + w / 2, y + h / 2])
    affine = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    if scale < 0.5:  # a warp of less than half would skip pixels
        image = cv2.GaussianBlur(image, (0, 0), 0.4 / scale)
    cut = cv2.warpAffine(image, affine, tile, flags=cv2.INTER_LINEAR)
    moved = Pose(
        pose.keypoints_image * scale + shift,
        pose.visibility,
        (float(x * scale + shift[0]), float(y * scale + shift[1]), w * scale, h * scale),
    )
    drawn = draw_poses(cut, [moved], skeleton, names=max(tile) > 400)
    if title:
        _write(drawn, title, (5, 14), 0.42, (255, 255, 255))
    return drawn


def _lay_out(
    corner: np.ndarray | None, tiles: list[np.ndarray], columns: int, tile: tuple[int, int]
) -> np.ndarray:
    width, height = tile
    if corner is None:
        raise ValueError("a page needs at least one person")
    places = [(r, c) for r in range(200) for c in range(columns) if r > 1 or c > 1]
    places = places[: len(tiles)]
    rows = max([r for r, _ in places], default=1) + 1
    page = np.full((max(rows, 2) * height, columns * width, 3), 30, np.uint8)
    page[: 2 * height, : 2 * width] = corner
    for (r, c), picture in zip(places, tiles, strict=True):
        page[r * height : (r + 1) * height, c * width : (c + 1) * width] = picture
    return page
