"""Labels as a reader would return them: small, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels

NAMES = ("head", "left_hand", "right_hand")


def person(
    points: Sequence[tuple[float, float]] = ((50, 10), (20, 40), (80, 40)),
    seen: Sequence[int] = (2, 2, 2),
    **more: object,
) -> LabelledPerson:
    array = np.array(points, dtype=np.float64)
    plain = LabelledPerson(array, np.array(seen, dtype=np.int64))
    return replace(plain, **more)  # type: ignore[arg-type]


def image(file: str, *people: LabelledPerson, **more: object) -> LabelledImage:
    plain = LabelledImage(file, 100, 80, people or (person(),), id=file)
    return replace(plain, **more)  # type: ignore[arg-type]


def labels(*images: LabelledImage, **more: object) -> Labels:
    return replace(Labels("worker", NAMES, images), **more)  # type: ignore[arg-type]
