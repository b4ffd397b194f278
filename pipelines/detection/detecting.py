"""The stage detect: people of a prepared data set found by a detector, and how well.

In: prepared tables, raw images, params.yaml. Out: data/store/detected/DATASET with detected.json
and detections_SPLIT.json (COCO's results format); beside it what DVC shows and what orders stages.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from data.files.table import Table
from data.ground.json_text import read_json
from data.ground.refusal import masked, refusal
from pipelines.detection.detected import Detected, Finder, PersonScore, SplitBoxes
from pipelines.detection.detector import Detector
from pipelines.detection.finding import find_people
from pipelines.detection.person_score import person_score
from pipelines.host import places
from pipelines.host.folders import file_digest, whole_folder
from pipelines.host.progress import Tally
from pipelines.host.writable import writable
from pipelines.intake.prepared import data_hash, image_files
from pipelines.recipe.datasets import data_set
from pipelines.recipe.detectors import DETECTORS, detector_entry, detector_of
from pipelines.recipe.params import PARAMS


class Described(Detector, Protocol):
    """A detector that says all that decides its boxes but the file: thresholds, how it is fed."""

    def described(self) -> dict[str, Any]: ...


Open = Callable[[str], Described]  # by the detector's name in params.yaml
Clock = Callable[[], float]  # seconds


def write_detected(
    dataset: str, open_named: Open, params: Path = PARAMS, clock: Clock = time.monotonic
) -> Detected:
    """Whole or not at all. A file of boxes that the data set brings is scored, and wins.

    open_named: called where a split is left that has none. Raises ValueError where nothing is
    prepared, and where params.yaml names what is no detector.
    """
    name, digest = detector_of(dataset, params), data_hash(dataset)
    brought = {split: _brought(dataset, split) for split in scored_splits(dataset)}
    detector = None
    if name is not None and None in brought.values():
        check_pinned(name, params)
        detector = open_named(name)
    with whole_folder(places.detected(dataset)) as folder:
        splits = {}
        for split, path in brought.items():
            if path is not None:
                splits[split] = _boxes_brought(dataset, split, path)
            elif detector is not None:
                splits[split] = _boxes_found(dataset, split, detector, folder, clock)
        finder = None if detector is None else _finder(detector)
        record = Detected(dataset=dataset, data_hash=digest, detector=finder, splits=splits)
        record.write(folder)
    with writable(places.detected(dataset)):
        shown = json.dumps(record.metrics, indent=2)
        places.detected_metrics(dataset).write_text(f"{shown}\n")
        places.detected_order(dataset).write_text(f"{dataset}\n")
    return record


def scored_splits(dataset: str) -> list[str]:
    """All prepared ones, but the one that is trained on and those that hold all of it and more."""
    first, *others = data_set(dataset).SPLITS
    trained, prepared = _images(dataset, first), []
    for split in others:
        images = _images(dataset, split)
        more = len(images) > len(trained) > 0
        if len(images) and not (more and set(images) > set(trained)):
            prepared.append(split)
    return prepared


def _images(dataset: str, split: str) -> Sequence[str]:
    path = places.prepared(dataset) / split / "images.arrow"
    return Table(path)["path"] if path.is_file() else []


def _brought(dataset: str, split: str) -> Path | None:
    return data_set(dataset).detections_file(places.raw(dataset), split)


def check_pinned(name: str, params: Path = PARAMS) -> None:
    """ValueError where a detector's entry has no digest: another file would go unseen."""
    entry = detector_entry(name, params)
    if not isinstance(entry.get("sha256"), str):
        do = f"`python -m pipelines.detect --add {name} {entry['file']}` fills it in"
        raise refusal(f"params.yaml: {DETECTORS}.{name}.sha256", fault="missing", do=do)


def _finder(detector: Described) -> Finder:
    return Finder(detector.name, detector.kind, detector.digest, detector.described())


def _boxes_found(
    dataset: str, split: str, detector: Detector, folder: Path, clock: Clock
) -> SplitBoxes:
    started = clock()
    person = data_set(dataset).person_category(places.raw(dataset), split)
    files = image_files(places.prepared(dataset), places.raw(dataset), split)
    tally = Tally(f"detect {dataset} {split}", len(files), "images")
    rows, unreadable = find_people(detector, files, person, tally.add)
    tally.close()
    took = clock() - started  # told, and no part of what is kept: DVC hashes that
    print(f"{dataset} {split}: {len(files):,} images in {took:.1f} s", flush=True)
    path = folder / f"detections_{split}.json"
    path.write_text(json.dumps(rows) + "\n")
    return SplitBoxes(
        file=path.name,
        sha256=file_digest(path),
        brought=False,
        images=len(files),
        boxes=len(rows),
        unreadable=len(unreadable),
        people=_score(dataset, split, rows),
    )


def _boxes_brought(dataset: str, split: str, path: Path) -> SplitBoxes:
    """Where the file is none, evaluation refuses it; here it has no boxes, and no score."""
    try:
        rows = read_json(path)
        if not isinstance(rows, list):
            raise refusal(path, fault="no list", accepted="rows of COCO's results format")
    except ValueError as error:
        print(masked(f"{dataset} {split}: {error}"))
        rows = None
    raw, prepared = places.raw(dataset), places.prepared(dataset)
    return SplitBoxes(
        file=path.relative_to(raw).as_posix(),
        sha256=file_digest(path),
        brought=True,
        images=len(image_files(prepared, raw, split)),
        boxes=len(rows or []),
        unreadable=0,
        people=None if rows is None else _score(dataset, split, rows),
    )


def _score(dataset: str, split: str, rows: Sequence[Any]) -> PersonScore | None:
    labelled, raw = data_set(dataset), places.raw(dataset)
    return person_score(labelled.truth(raw, split), rows, labelled.person_category(raw, split))
