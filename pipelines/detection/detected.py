"""detected.json: whose boxes of a data set's people lie there, of which data, and how good."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.ground.json_text import read_json
from pipelines.recipe.strict import LATER, as_plain_data, read

NAME = "detected.json"


@dataclass(frozen=True)
class PersonScore:
    """AP, AP50, AR: of boxes, 100 of an image at most; fractions of 1.

    people: whom the truth has boxes of, crowds left out; spanned: its boxes are what keypoints
    span, no people's own, so a detector of whole people cannot come to much.
    """

    people: int
    AP: float
    AP50: float
    AR: float
    spanned: bool

    @property
    def numbers(self) -> dict[str, float]:
        return {"AP": self.AP, "AP50": self.AP50, "AR": self.AR}


@dataclass(frozen=True)
class Finder:
    """A detector of params.yaml. kind: as its outputs tell; sha256: of its file; settings: what
    else decides its boxes (thresholds, how it is fed)."""

    name: str
    kind: str
    sha256: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class SplitBoxes:
    """A split's boxes. file: below the folder of detected.json, or below the raw data where the
    data set `brought` it; sha256: of that file; people: how good, None where nobody has a box."""

    file: str
    sha256: str
    brought: bool
    images: int
    boxes: int
    unreadable: int
    people: PersonScore | None = None


@dataclass(frozen=True, kw_only=True)
class Detected:
    """detector: None where params.yaml names none for the data set; splits: those with boxes."""

    dataset: str
    data_hash: str
    detector: Finder | None = field(default=None, metadata=LATER)
    splits: dict[str, SplitBoxes]

    def write(self, folder: Path) -> None:
        (folder / NAME).write_text(json.dumps(as_plain_data(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path, do: str) -> Detected | None:
        """None where none lies there. Raises ValueError, with what to `do`, where it is broken."""
        path = folder / NAME
        if not path.is_file():
            return None
        try:
            record: Detected = read(cls, read_json(path), str(path))
        except ValueError as error:
            raise ValueError(f"{error}; {do}") from error
        return record

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """By split what DVC shows of people's boxes."""
        return {name: each.people.numbers for name, each in self.splits.items() if each.people}
