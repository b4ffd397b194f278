"""Checked values of files that anyone may have written: json, numbers, names of rows.

In: a path, or a value as a parser gave it. Out: the value, a ValueError where the whole file is of
no use, `RowError` where one row is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.datasets.formats.labels import Box
from data.ground.json_text import read_json
from data.ground.refusal import refusal

MOST_KEYPOINTS = 2000  # of one person; more is another column taken for keypoints
FURTHEST = 1e7  # pixels; no image is that large
LARGEST_ID = 2**63 - 1
SHOWN = 8  # names of a list that a message shows
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # of images


class RowError(Exception):
    """A row that cannot be used, and why; the file is read on."""


def read_labels_json(path: Path) -> Any:
    """What a json file of a tool holds. Raises ValueError as `read_json`."""
    return read_json(path, cut="export the labels again")


def rows_of(content: Mapping[str, Any], key: str) -> list[dict[str, Any]] | None:
    """A list of objects; None where the key is missing or holds something else."""
    rows = content.get(key)
    right = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    return rows if right else None


def number(value: object) -> float | None:
    """A finite number, also one written as a text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def size(value: object) -> int:
    """Pixels of an image's side, 640 and 640.0 alike; 0 where the value is no such number."""
    read = number(value)
    return round(read) if read is not None and 0 < read < FURTHEST else 0


def name_of(value: object) -> str | None:
    """An id as text, so that 7, 7.0 and "7" are one; None where it is no id."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)[:200] if isinstance(value, int | str | float) else None


def whole_ids(said: Sequence[str], least: int = 0) -> list[int] | None:
    """The file's own ids where all are whole numbers from `least` on and different, else None."""
    whole = [int(each) for each in said if re.fullmatch(r"0|[1-9]\d{0,18}", each)]
    own = len(whole) == len(set(whole)) == len(said)
    return whole if own and all(least <= each <= LARGEST_ID for each in whole) else None


def numbers(values: object, count: int, what: str) -> np.ndarray:
    """[count] float64 within an image's reach, from a list or a list of lists; else `RowError`."""
    try:
        read = np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise RowError(f"no numbers: {what}") from error
    if len(read) != count:
        raise RowError(f"{len(read)} values instead of {count}: {what}")
    if not np.isfinite(read).all():
        raise RowError(f"not finite: {what}")
    if np.abs(read).max(initial=0) > FURTHEST:
        raise RowError(f"beyond {FURTHEST:.0f} pixels: {what}")
    return read


def box_of(values: object) -> Box:
    """(x, y, width, height) in pixels, no side below 0; else `RowError`."""
    x, y, w, h = (float(value) for value in numbers(values, 4, "box"))
    if w < 0 or h < 0:
        raise RowError("a side below 0: box")
    return x, y, w, h


def names_of_keypoints(where: object, names: Sequence[object]) -> tuple[str, ...]:
    """Each a text of its own, at least one. Raises ValueError that shows what is wrong."""
    if not 1 <= len(names) <= MOST_KEYPOINTS:
        fault = f"{len(names)} keypoints"
        raise refusal(where, fault=fault, accepted=f"1 to {MOST_KEYPOINTS}")
    texts = [name for name in names if isinstance(name, str) and name]
    if len(texts) < len(names):
        raise refusal(where, fault="a keypoint without a name", do="name each")
    if odd := [name for name in texts if not name.isprintable()]:
        fault = f"line breaks or control characters in the name of a keypoint: {odd[0]!r}"
        raise refusal(where, fault=fault, do="name it in one line")
    if twice := sorted({name for name in texts if texts.count(name) > 1}):
        raise refusal(where, fault=f"keypoints named twice: {shown(twice)}", do="rename one")
    return tuple(texts)


def numbered(count: int) -> tuple[str, ...]:
    """`keypoint_1`...: names where the format has none."""
    return tuple(f"keypoint_{index + 1}" for index in range(count))


def shown(names: Sequence[object]) -> str:
    """The first of many, for a message."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(str(name)[:100] for name in names[:SHOWN]) + more
