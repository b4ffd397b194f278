"""People of many images found by a detector, as rows of COCO's results format."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from data.files.images import read_image
from data.ground.refusal import masked
from pipelines.detection.detector import Detector, Found
from pipelines.host.processes import usable_cores

AT_ONCE = 8  # images that a detector is handed; as many are read meanwhile
READERS = 4  # threads that read files, at most
Tell = Callable[[int], None]


def find_people(
    detector: Detector, files: Mapping[int, Path], person: int, tell: Tell = lambda _: None
) -> tuple[list[dict[str, Any]], list[int]]:
    """(rows, ids of images that cannot be read), in the order of `files` (image id -> file).

    person: category id of the rows; tell: hears how many images more are done. An image that
    cannot be read is said, and the others go on.
    """
    rows: list[dict[str, Any]] = []
    unreadable: list[int] = []
    for ids, read in _batches(files):
        images = {i: image for i, image in zip(ids, read, strict=True) if image is not None}
        unreadable += [i for i in ids if i not in images]
        found = detector.find(list(images.values())) if images else []
        for image_id, people in zip(images, found, strict=True):
            rows += _rows(image_id, people, person)
        tell(len(ids))
    return rows, unreadable


def _rows(image_id: int, people: Found, person: int) -> list[dict[str, Any]]:
    boxes = np.round(people.box_image.astype(np.float64), 3).tolist()
    scores = np.round(people.score.astype(np.float64), 6).tolist()
    return [
        {"image_id": image_id, "category_id": person, "bbox": box, "score": score}
        for box, score in zip(boxes, scores, strict=True)
    ]


def _batches(
    files: Mapping[int, Path],
) -> Iterator[tuple[list[int], list[np.ndarray | None]]]:
    """Ids and images; the next ones are read while the last ones are looked at."""
    ids = list(files)
    groups = [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
    with ThreadPoolExecutor(max(1, min(READERS, usable_cores()))) as pool:
        ahead = [pool.submit(_read, files[i]) for i in groups[0]] if groups else []
        for number, group in enumerate(groups):
            now, coming = ahead, groups[number + 1 : number + 2]
            ahead = [pool.submit(_read, files[i]) for each in coming for i in each]
            yield group, [reading.result() for reading in now]


def _read(path: Path) -> np.ndarray | None:
    try:
        return read_image(path)
    except ValueError as error:
        print(masked(f"left out: {error}"), file=sys.stderr, flush=True)
        return None
