"""All kinds of detectors, and which one a network is, by its outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from pipelines.detection.kinds import detr, finished, gfl, yolo_rows, yolox
from pipelines.detection.kinds.looked import Looked, Reading

KINDS: dict[str, Callable[[Looked], Reading | None]] = {  # the first that fits is it
    kind.KIND: kind.reading for kind in (yolox, gfl, yolo_rows, detr, finished)
}
ACCEPTED = "; ".join(kind.OUTPUTS for kind in (yolox, gfl, yolo_rows, detr, finished))


def kind_of(looked: Looked, kind: str | None = None) -> Reading | None:
    """How to read it: as the first kind whose outputs these are, or as `kind`; None: as no one."""
    if kind is not None:
        return KINDS[kind](dataclasses.replace(looked, asked=True))
    return next((found for reading in KINDS.values() if (found := reading(looked))), None)
