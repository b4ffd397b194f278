"""`data.yaml` of YOLO-pose: how many keypoints a line has, what they and the classes are called."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.datasets.formats.values import (
    MOST_KEYPOINTS,
    names_of_keypoints,
    numbered,
    shown,
)
from data.ground.refusal import refusal
from data.ground.yaml_text import read_yaml

KEY = "kpt_shape"
SPLITS = ("train", "val", "test")
LARGEST, MERGED = 1 << 20, b"<<"  # bytes; what makes a small yaml grow without end
ABOVE = 3  # folders in which data.yaml is looked for, from the folder of labels upwards


@dataclass(frozen=True)
class Settings:
    """values: 2 or 3 per keypoint; splits: folders, lists or files of images as the file has them;
    folder: what these are relative to."""

    path: Path
    keypoints: tuple[str, ...]
    values: int
    classes: Mapping[int, str]
    mirrored: tuple[tuple[str, str], ...]
    splits: Mapping[str, tuple[str, ...]]
    folder: Path


def read_settings(labels: Path) -> Settings:
    """Of the data.yaml itself, or of the folder of labels that it belongs to. Raises ValueError."""
    path = labels if labels.is_file() else find_yaml(labels)
    content = settings_in(path)
    if content is None:
        raise refusal(path, fault=f"no {KEY}", accepted="a data.yaml of YOLO-pose")
    count, values = _shape(path, content[KEY])
    keypoints = _names(path, content.get("kpt_names"), count)
    root = content.get("path")
    return Settings(
        path,
        keypoints,
        values,
        _classes(path, content.get("names")),
        _mirrored(path, content.get("flip_idx"), keypoints),
        {split: _places(path, split, content.get(split)) for split in SPLITS},
        path.parent / root if isinstance(root, str) else path.parent,
    )


def settings_in(path: Path) -> dict[str, Any] | None:
    """What a data.yaml holds, None where it has no `kpt_shape`. Raises ValueError, also for a file
    so large, or so made, that reading it would take for ever."""
    if path.stat().st_size > LARGEST or MERGED in path.read_bytes():
        fault = f"larger than {LARGEST} bytes, or with merged keys ({MERGED.decode()})"
        raise refusal(path, fault=fault, accepted="a data.yaml of YOLO-pose")
    content = read_yaml(path)
    return content if isinstance(content, dict) and KEY in content else None


def find_yaml(labels: Path) -> Path:
    """The yaml with `kpt_shape` in a folder or above it. Raises ValueError where there is none."""
    if not labels.is_dir():
        raise refusal(labels, fault="no such file or folder")
    for folder in [labels, *labels.absolute().parents][:ABOVE]:
        found = [path for path in yamls_in(folder) if _has_key(path)]
        if len(found) > 1:
            fault = f"several yaml files with {KEY}: {shown([p.name for p in found])}"
            raise refusal(folder, fault=fault, do="name the one that is meant")
        if found:
            return found[0]
    fault = f"no yaml file with {KEY} there or above"
    do = "write a data.yaml with kpt_shape: [keypoints, 2 or 3] and names: {0: person}"
    raise refusal(labels, fault=fault, do=do)


def yamls_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.y*ml") if path.suffix in (".yaml", ".yml"))


def _has_key(path: Path) -> bool:
    try:
        return KEY in path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False


def _shape(path: Path, shape: object) -> tuple[int, int]:
    accepted = f"[keypoints, 2 or 3], at most {MOST_KEYPOINTS} keypoints"
    right = isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)
    if not isinstance(shape, list) or not right:
        raise refusal(f"{path}: {KEY}", fault=f"given {reprlib.repr(shape)}", accepted=accepted)
    if not 1 <= shape[0] <= MOST_KEYPOINTS or shape[1] not in (2, 3):
        raise refusal(f"{path}: {KEY}", fault=f"given {reprlib.repr(shape)}", accepted=accepted)
    return shape[0], shape[1]


def _names(path: Path, names: object, count: int) -> tuple[str, ...]:
    """A list, or a list per class, all of them the same."""
    if names is None:
        return numbered(count)
    where, listed = f"{path}: kpt_names", names.values() if isinstance(names, dict) else [names]
    lists = [each for each in listed if isinstance(each, list)]
    texts = {tuple(n for n in each if isinstance(n, str)) for each in lists}
    if len(texts) != 1 or len(lists) < len(listed):
        raise refusal(where, fault="not one list of names for all classes")
    if any(len(each) != count for each in lists):
        fault = f"{len(lists[0])} names"
        raise refusal(where, fault=fault, accepted=f"{count}, as {KEY} says")
    return names_of_keypoints(where, lists[0])


def _classes(path: Path, names: object) -> dict[int, str]:
    """A list, or number: name; one person where there is none."""
    if names is None:
        return {0: "person"}
    told = names if isinstance(names, dict) else {}
    told = dict(enumerate(names)) if isinstance(names, list) else told
    read = {key: str(name) for key, name in told.items() if type(name) in (str, int)}
    if not read or len(read) < len(told) or not all(type(key) is int for key in read):
        fault = f"given {reprlib.repr(names)}"
        raise refusal(f"{path}: names", fault=fault, accepted="a list, or {0: person}")
    return read


def _mirrored(path: Path, flips: object, keypoints: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs from the place of each keypoint's other one; which is left, names tell elsewhere."""
    where, count = f"{path}: flip_idx", len(keypoints)
    if flips is None:
        return ()
    right = isinstance(flips, list) and all(type(n) is int for n in flips)
    if not isinstance(flips, list) or not right or sorted(flips) != list(range(count)):
        fault = f"given {reprlib.repr(flips)}"
        raise refusal(where, fault=fault, accepted=f"each of 0 to {count - 1} once")
    if wrong := [index for index in range(count) if flips[flips[index]] != index]:
        fault = f"keypoint {wrong[0]} becomes {flips[wrong[0]]}, which does not come back"
        raise refusal(where, fault=fault)
    pairs = [(keypoints[i], keypoints[other]) for i, other in enumerate(flips) if i < other]
    return tuple(_left_first(pair) for pair in pairs)


def _left_first(pair: tuple[str, str]) -> tuple[str, str]:
    """Left and right where the names tell; else as they stand."""
    return (pair[1], pair[0]) if "right" in pair[0].lower() else pair


def _places(path: Path, split: str, value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [] if value in (None, "") else [value]
    if not all(isinstance(place, str) for place in listed):
        fault = f"given {reprlib.repr(value)}"
        raise refusal(f"{path}: {split}", fault=fault, accepted="a folder, a list, or a text file")
    return tuple(listed)
