"""Prepared tables in; of each image its people's keypoints and what no loss counts out."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask

from data.files.table import Table
from data.ground.sample import MOST_PEOPLE


class ImagePeople:
    """Per image of a prepared split: its people's keypoints and what a loss must not count."""

    def __init__(self, prepared: Path, raw: Path, split: str) -> None:
        folder = Path(prepared) / split
        self.raw = str(raw)
        self.images = Table(folder / "images.arrow")
        self.persons = Table(folder / "persons.arrow")
        self.regions = Table(folder / "ignore.arrow")

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in ("people_of", "regions_of")}

    @cached_property
    def people_of(self) -> tuple[np.ndarray, np.ndarray]:
        """(rows of the person table by image, where each image's begin [I + 1])."""
        return _by_image(self.persons["image_row"], len(self.images))

    @cached_property
    def regions_of(self) -> tuple[np.ndarray, np.ndarray]:
        return _by_image(self.regions["image_row"], len(self.images))

    def with_people(self) -> np.ndarray:
        """Image rows with anyone on them, labelled or not: what HigherHRNet trains on."""
        people = np.diff(self.people_of[1]) + np.diff(self.regions_of[1])
        return np.flatnonzero(people)

    def path(self, row: int) -> str:
        return f"{self.raw}/{self.images['path'][row]}"

    def person_rows(self, row: int) -> np.ndarray:
        rows, start = self.people_of
        return rows[start[row] : start[row + 1]]

    def poses(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Of the first 100 people: keypoints_image [N, K, 2] float64, visibility [N, K] int64."""
        return self._poses(self.person_rows(row)[:MOST_PEOPLE])

    def _poses(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        keypoints = self.persons["keypoints_image"][rows].astype(np.float64)
        visibility = self.persons["visibility"][rows].astype(np.int64)
        return keypoints.reshape(len(rows), keypoints.shape[1] // 2, 2), visibility

    def counted(self, rows: np.ndarray) -> np.ndarray:
        """How many keypoints of people are labelled, by the data set's file, int64 [N]."""
        if "num_keypoints" in self.persons.names:
            return np.asarray(self.persons["num_keypoints"][rows], dtype=np.int64)
        return np.asarray((self.persons["visibility"][rows] > 0).sum(axis=-1), dtype=np.int64)

    def unlabelled(self, row: int) -> np.ndarray:
        """uint8 [H, W]: 1 over crowds, people of whom the file counts no keypoint, and those that
        `poses` leaves out."""
        rows, start = self.regions_of
        height, width = int(self.images["height"][row]), int(self.images["width"][row])
        lengths = [
            {"size": [height, width], "counts": self.regions["counts"][int(region)].encode()}
            for region in rows[start[row] : start[row + 1]]
        ]
        covered = np.zeros((height, width), dtype=np.uint8)
        if lengths:
            covered = np.asarray(mask.decode(mask.merge(lengths)), dtype=np.uint8)
        for x1, y1, x2, y2 in self._left_out(row):
            covered[y1:y2, x1:x2] = 1
        return covered

    def _left_out(self, row: int) -> np.ndarray:
        """int64 [M, 4]: x1, y1, x2, y2 around box and keypoints of each that `poses` leaves out."""
        rows = self.person_rows(row)[MOST_PEOPLE:]
        boxes = self.persons["box_image"][rows].astype(np.float64).reshape(-1, 2, 2)
        boxes[:, 1] += boxes[:, 0]
        points, visibility = self._poses(rows)
        seen = (visibility > 0)[..., None]
        low = np.where(seen, points, np.inf).min(axis=1)
        high = np.where(seen, points, -np.inf).max(axis=1)
        low, high = np.minimum(low, boxes[:, 0]), np.maximum(high, boxes[:, 1])
        size = [int(self.images[name][row]) for name in ("width", "height")]
        sides = np.concatenate([np.floor(low), np.ceil(high) + 1], axis=1)
        return np.asarray(sides.clip(0, [*size, *size]), dtype=np.int64)


def _by_image(image_row: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.argsort(image_row, kind="stable")
    return rows, np.searchsorted(image_row[rows], np.arange(images + 1))
