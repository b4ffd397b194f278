"""A detector's boxes that `AP@det` starts from: a file that the data set brings, or the stage's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from data.ground.json_text import read_object
from data.ground.refusal import refusal
from pipelines.detection.detected import Detected, SplitBoxes
from pipelines.evaluation.record import BoxesFrom
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.manifest import DETECTIONS
from pipelines.intake.prepared import data_hash
from pipelines.prediction.boxes import Boxes, read_detections
from pipelines.prediction.feed import SplitPlace
from pipelines.recipe.datasets import data_set
from pipelines.recipe.detectors import detector_of


def boxes_found(dataset: str, place: SplitPlace, known: Collection[int]) -> Boxes | None:
    """What the stage detect found of a split, None where no detector looked at it.

    known: the split's image ids. Raises ValueError where that is of other prepared data, or is not
    what the stage left.
    """
    record, split = _detected(dataset), place.split
    boxes = record.splits.get(split) if record is not None else None
    if record is None or boxes is None or boxes.brought:
        return None
    prepared, path = data_hash(dataset), places.detected(dataset) / boxes.file
    if record.data_hash != prepared:
        fault = f"found in data {record.data_hash:.12}, prepared is {prepared:.12}"
        raise refusal(path, fault=fault, do=_do(dataset))
    if not path.is_file() or file_digest(path) != boxes.sha256:
        raise refusal(path, fault="not the file that the detector left", do=_do(dataset))
    return read_detections(path, known, data_set(dataset).person_category(place.raw, split))


def boxes_from(dataset: str, place: SplitPlace) -> BoxesFrom | None:
    """Whose boxes those of the split are: the brought file's where there is one, which wins."""
    path, record = data_set(dataset).detections_file(place.raw, place.split), _detected(dataset)
    boxes = record.splits.get(place.split) if record is not None else None
    if path is not None:
        digest = _brought_digest(place.raw, path)
        same = boxes is not None and boxes.brought and boxes.sha256 == digest
        return _told(BoxesFrom(path.name, True, digest), boxes if same else None)
    if record is None or record.detector is None or boxes is None or boxes.brought:
        return None
    finder = record.detector
    own = BoxesFrom(finder.name, False, boxes.sha256, finder.kind, finder.sha256)
    return _told(own, boxes)


def tell_boxes_from(dataset: str, whose: BoxesFrom) -> None:
    """A line on whose boxes they are, and on a detector that gives way."""
    detector = detector_of(dataset) if whose.brought else None
    wins = f", which the data set brings and which win over {detector}'s" if detector else ""
    print(f"det: boxes of {whose.told}{wins}")


def _told(named: BoxesFrom, boxes: SplitBoxes | None) -> BoxesFrom:
    people = boxes.people if boxes is not None else None
    if people is None:
        return named
    return replace(named, AP=people.AP, AP50=people.AP50, AR=people.AR)


def _detected(dataset: str) -> Detected | None:
    return Detected.read(places.detected(dataset), _do(dataset))


def _do(dataset: str) -> str:
    return f"run `python -m pipelines.detect {dataset}`, which finds them anew"


def _brought_digest(raw: Path, path: Path) -> str:
    """As fetch noted it; read where there is no note."""
    note = raw / DETECTIONS
    noted = read_object(note) if note.is_file() else {}
    return str(noted.get(path.relative_to(raw).as_posix()) or file_digest(path))
