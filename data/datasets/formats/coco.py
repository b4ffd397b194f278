"""COCO keypoints json, as any tool writes it: CVAT, Roboflow, Label Studio, coco-annotator, COCO.

Read: ids that are texts, large or fractional; file names with folders, separators of Windows, or
percent signs; categories of any name and id; sizes as fractions; rows without `area`,
`segmentation`, `iscrowd`, `num_keypoints`, `bbox`; polygons and RLE, which are kept as they are.
`category: wholebody` takes the feet, face and hands of COCO-WholeBody's rows too, 133 keypoints.

Written: official rows. What the labels do not say is filled in: the box around the labelled
keypoints, its area, the count of labelled keypoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.datasets.formats import wholebody
from data.datasets.formats.coco_categories import Category, choose
from data.datasets.formats.findings import Findings
from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from data.datasets.formats.picture_folder import PictureFolder
from data.datasets.formats.values import (
    RowError,
    box_of,
    name_of,
    number,
    numbers,
    read_labels_json,
    rows_of,
    shown,
    size,
    whole_ids,
)
from data.ground.refusal import refusal
from data.ground.sample import LARGEST_AREA, box_around

LISTS = ("images", "annotations", "categories")


def read(labels: Path, images: Path, category: str | None = None) -> Labels:
    """labels: the json, or a folder with one json. See `Reader`."""
    path = _json_of(labels)
    lists = _lists(path, read_labels_json(path))
    chosen = choose(path, lists["categories"], lists["annotations"], category)
    findings, folder = Findings(path), PictureFolder(images)
    known = {name_of(row.get("id")) for row in lists["images"]}
    people: dict[str, list[LabelledPerson]] = {}
    for row in lists["annotations"]:
        if name_of(row.get("category_id")) not in chosen.others:
            _take(row, chosen, known, people, findings)
    seen = set[str]()
    for row in lists["images"]:
        image = str(name_of(row.get("id")))
        try:
            findings.add(_image(row, folder, tuple(people.get(image, ())), seen))
        except RowError as error:
            findings.note("image", image, str(row.get("file_name"))[:200], str(error))
    return findings.labels(chosen.name, chosen.keypoints, chosen.limbs, chosen.mirrored)


def _json_of(labels: Path) -> Path:
    if not labels.is_dir():
        return labels
    files = sorted(labels.rglob("*.json"))
    if len(files) != 1:
        fault = f"a folder with {len(files)} json files{': ' if files else ''}"
        raise refusal(labels, fault=fault + shown([f.name for f in files]), do="name the file")
    return files[0]


def _lists(path: Path, content: object) -> dict[str, list[dict[str, Any]]]:
    accepted = f"an object with lists of objects {', '.join(LISTS)} (COCO keypoints)"
    if not isinstance(content, dict):
        raise refusal(path, fault=f"holds a {type(content).__name__}", accepted=accepted)
    lists = {key: rows_of(content, key) for key in LISTS}
    if missing := [key for key, rows in lists.items() if rows is None]:
        fault = f"no list of objects: {shown(missing)}; its keys are {shown(sorted(content))}"
        raise refusal(path, fault=fault, accepted=accepted)
    return {key: rows for key, rows in lists.items() if rows is not None}


def _take(
    row: Mapping[str, Any],
    chosen: Category,
    known: set[str | None],
    people: dict[str, list[LabelledPerson]],
    findings: Findings,
) -> None:
    """One annotation to its image's people, or to the notes."""
    image, kind = name_of(row.get("image_id")), name_of(row.get("category_id"))
    try:
        if kind not in chosen.ids:
            raise RowError("unknown category")
        if image is None or image not in known:
            raise RowError("unknown image")
        people.setdefault(image, []).append(_person(row, chosen))
    except RowError as error:
        findings.note("person", str(name_of(row.get("id"))), str(image), str(error))


def _image(
    row: Mapping[str, Any],
    folder: PictureFolder,
    people: tuple[LabelledPerson, ...],
    seen: set[str],
) -> LabelledImage:
    image = name_of(row.get("id"))
    if image is None:
        raise RowError("no id")
    if image in seen:
        raise RowError("the id of another image")
    seen.add(image)
    return LabelledImage(
        folder.find(row.get("file_name")),
        size(row.get("width")),
        size(row.get("height")),
        people,
        group=name_of(row.get("video_id")) or "",
        id=image,
    )


def _person(row: Mapping[str, Any], chosen: Category) -> LabelledPerson:
    keypoints, visibility = _keypoints(row, chosen)
    box, area = row.get("bbox"), row.get("area")
    crowd, count = row.get("iscrowd") or 0, number(row.get("num_keypoints"))
    if crowd not in (0, 1):
        raise RowError("iscrowd other than 0, 1")
    if area is not None and (number(area) is None or isinstance(area, str)):
        raise RowError("not finite: area")
    if area is not None and area > LARGEST_AREA:
        raise RowError("area beyond any image")
    regions = row.get("segmentation")
    return LabelledPerson(
        keypoints,
        visibility,
        box_image=None if box in (None, []) else box_of(box),
        area=number(area),
        is_crowd=bool(crowd),
        num_keypoints=None if count is None or chosen.extra else round(count),
        segmentation=regions if isinstance(regions, list | dict) and regions else None,
        id=str(name_of(row.get("id"))),
    )


def _keypoints(row: Mapping[str, Any], chosen: Category) -> tuple[np.ndarray, np.ndarray]:
    """([K, 2], [K]); a row without keypoints is a person of whom none is labelled."""
    declared = len(chosen.keypoints) - (wholebody.COUNT if chosen.extra else 0)
    given = row.get("keypoints")
    if given in (None, []):
        table = np.zeros((declared, 3))
    else:
        table = numbers(given, 3 * declared, "keypoints").reshape(-1, 3)
    if not np.isin(table[:, 2], (0, 1, 2)).all():
        raise RowError("visibility other than 0, 1, 2")
    if chosen.extra:
        table = np.concatenate([table, wholebody.extra_keypoints(row)])
    return np.ascontiguousarray(table[:, :2]), table[:, 2].astype(np.int64)


def write(labels: Labels, target: Path) -> None:
    """target: a json file, all images in it. Ids are the labels' own where all are whole numbers,
    else they count from 1. Raises ValueError where an image's
    size is not known, since other readers cannot do without."""
    if unknown := [image.file for image in labels.images if not (image.width and image.height)]:
        fault = f"{len(unknown)} images without a size: {shown(unknown)}"
        raise refusal(target, fault=fault, do="read their sizes first")
    places = {name: place for place, name in enumerate(labels.keypoints, 1)}
    kind = {
        "id": 1,
        "name": labels.category,
        "supercategory": labels.category,
        "keypoints": list(labels.keypoints),
        "skeleton": [[places[one], places[other]] for one, other in labels.limbs],
    }
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    person_ids = iter(_numbers([p.id for image in labels.images for p in image.people], least=1))
    image_ids = _numbers([image.id for image in labels.images])
    for image_id, image in zip(image_ids, labels.images, strict=True):
        row = {"id": image_id, "file_name": image.file}
        images.append({**row, "width": image.width, "height": image.height})
        for person in image.people:
            people.append({"id": next(person_ids), "image_id": image_id, **_row(person)})
    content = {"images": images, "annotations": people, "categories": [kind]}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _numbers(said: Sequence[str], least: int = 0) -> list[int]:
    """least: COCO's evaluation takes a person of id 0 for one that was not found."""
    return whole_ids(said, least) or list(range(1, len(said) + 1))


def _row(person: LabelledPerson) -> dict[str, Any]:
    labelled = person.visibility > 0
    around = box_around(person.keypoints_image[labelled]) if labelled.any() else (0.0,) * 4
    box = person.box_image or around
    count = int(labelled.sum()) if person.num_keypoints is None else person.num_keypoints
    return {
        "category_id": 1,
        "keypoints": _listed(person.keypoints_image, person.visibility),
        "num_keypoints": count,
        "bbox": list(box),
        "area": box[2] * box[3] if person.area is None else person.area,
        "iscrowd": int(person.is_crowd),
        "segmentation": person.segmentation if person.segmentation is not None else [],
    }


def _listed(points: np.ndarray, visibility: Sequence[int] | np.ndarray) -> list[float | int]:
    """x, y, v of one keypoint after another."""
    return [
        value
        for (x, y), flag in zip(points, visibility, strict=True)
        for value in (float(x), float(y), int(flag))
    ]
