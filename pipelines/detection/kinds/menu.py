"""All kinds of detectors, and which one a network is, by its outputs."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.detection.kinds import gfl
from pipelines.detection.kinds.looked import Looked, Reading

KINDS: dict[str, Callable[[Looked], Reading | None]] = {
    gfl.KIND: gfl.reading,
}
ACCEPTED = "; ".join((gfl.OUTPUTS,))


def kind_of(looked: Looked, kind: str | None = None) -> Reading | None:
    """How to read it: as the first kind whose outputs these are, or as `kind`; None: as no one."""
    asked = KINDS.values() if kind is None else (KINDS[kind],)
    for reading in asked:
        if found := reading(looked):
            return found
    return None
