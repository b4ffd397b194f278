"""What a file of labels says, whatever tool wrote it: images, their people, the keypoints' names.

Nothing is repaired here: what the file does not say stays unsaid (None, or 0 for sizes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class LabelledPerson:
    """One person of one image, in image pixels.

    keypoints_image [K, 2] float64; visibility [K] int64 (0 absent, 1 occluded, 2 visible);
    box_image (x, y, w, h), area in pixels^2, num_keypoints: None where the file tells none;
    segmentation: COCO's polygons or RLE as the file has it; id: its name in the file, for messages.
    """

    keypoints_image: np.ndarray
    visibility: np.ndarray
    box_image: Box | None = None
    area: float | None = None
    is_crowd: bool = False
    num_keypoints: int | None = None
    segmentation: object = None
    id: str = ""


@dataclass(frozen=True)
class LabelledImage:
    """file: below the folder of images, with `/`; width, height 0 where no file tells them.

    group: what a split must not tear apart (a video's name), "" where the labels tell none; id:
    its name in the file of labels, for messages; split: where the labels tell one (data.yaml).
    """

    file: str
    width: int = 0
    height: int = 0
    people: tuple[LabelledPerson, ...] = ()
    group: str = ""
    id: str = ""
    split: str = ""


@dataclass(frozen=True)
class Note:
    """A row that could not be used, and why: `kind` is "image" or "person"."""

    kind: str
    id: str
    image: str
    reason: str


@dataclass(frozen=True)
class Labels:
    """All of one file or folder of labels.

    keypoints: their names in order, `keypoint_1`... where the format has none; limbs and mirrored
    (left, right): pairs of names, where the format tells them; category: what a person is called.
    """

    category: str
    keypoints: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    limbs: tuple[tuple[str, str], ...] = ()
    mirrored: tuple[tuple[str, str], ...] = ()
    notes: tuple[Note, ...] = field(default=())


class Reader(Protocol):
    """Reads one format."""

    def __call__(self, labels: Path, images: Path, category: str | None = None) -> Labels:
        """labels: the tool's file or folder; images: the folder that its file names lie below.

        category: which of several kinds with keypoints; None: the one there is. Images are not
        opened but where the format needs their sizes. Raises ValueError that names the user's file.
        """
        ...


class Writer(Protocol):
    """Writes one format."""

    def __call__(self, labels: Labels, target: Path) -> None:
        """Labels alone; images stay where they are. Raises ValueError where it cannot be written
        in that format without loss, saying of what."""
        ...
