"""YOLO-pose: a text file per image in `labels/` beside `images/`, and a `data.yaml`.

A line is a person: class, box (middle, width, height), then x, y and, where `kpt_shape` ends in 3,
visibility of each keypoint; all in fractions of the image as it is seen (EXIF turned, as trainers
of that format read it). With `kpt_shape: [K, 2]` a keypoint at 0, 0 or below 0 is absent, any other
visible. Names come from `kpt_names`, else they are numbered; pairs from `flip_idx`.

Written: `TARGET/data.yaml` and `TARGET/labels/SPLIT/FILE.txt`, for images in
`TARGET/images/SPLIT/FILE`. Crowds, polygons, areas and limbs have no place in the format and stay
behind; a person without a box gets the one around the labelled keypoints.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from data.datasets.formats.findings import Findings
from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from data.datasets.formats.picture_folder import PictureFolder
from data.datasets.formats.values import RowError, numbers, shown
from data.datasets.formats.yolo_folders import IMAGES, Pair, pairs_of, text_place
from data.datasets.formats.yolo_settings import Settings, read_settings
from data.ground.refusal import refusal
from data.ground.sample import box_around

SPLIT = "train"  # of images of which none is told


def read(labels: Path, images: Path, category: str | None = None) -> Labels:
    """labels: data.yaml (all its splits), a folder with it, or a folder of text files below or
    beside it. See `Reader`; images are opened for their sizes."""
    settings = read_settings(labels)
    findings, folder = Findings(labels), PictureFolder(images)
    kept = _class_of(settings, category)
    for pair in pairs_of(labels, folder, settings, findings):
        try:
            findings.add(_image(pair, folder, settings, kept, findings))
        except RowError as error:
            findings.note("image", pair.image, pair.image, str(error))
    return findings.labels(
        settings.classes.get(kept, "person"), settings.keypoints, (), settings.mirrored
    )


def _class_of(settings: Settings, category: str | None) -> int:
    """The number of the class that is asked for, or of the only one."""
    classes = settings.classes
    chosen = [key for key, name in classes.items() if category in (None, name)]
    if len(chosen) == 1:
        return chosen[0]
    where = f"{settings.path}: names"
    if category is not None:
        raise refusal(where, fault=f"no class {category!r}", accepted=shown([*classes.values()]))
    fault = f"several classes: {shown([*classes.values()])}"
    raise refusal(
        where, fault=fault, do="name one: --category of `datasets add`, `category` in params.yaml"
    )


def _image(
    pair: Pair, folder: PictureFolder, settings: Settings, kept: int, findings: Findings
) -> LabelledImage:
    width, height = folder.size(pair.image, seen=True)
    people = []
    for line, values in _lines(pair.labels, settings) if pair.labels else ():
        row = f"{pair.labels}:{line}"
        try:
            if values[0] not in settings.classes:
                raise RowError(f"class {values[0]:g} has no name in {settings.path.name}")
            if values[0] == kept:
                people.append(_person(values, settings, (width, height), row))
        except RowError as error:
            findings.note("person", row, pair.image, str(error))
    return LabelledImage(pair.image, width, height, tuple(people), id=pair.image, split=pair.split)


def _lines(path: Path, settings: Settings) -> Iterator[tuple[int, list[float]]]:
    """Numbers of each line. Raises ValueError that names file and line where they are not as many
    as `kpt_shape` says, or no numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise refusal(path, fault=f"not readable as text: {error}") from error
    count = 5 + len(settings.keypoints) * settings.values
    for place, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != count:
            do = "is `kpt_shape` right?" if len(words) != 5 else "these are boxes without keypoints"
            accepted = f"{count} (class, box, {len(settings.keypoints)} x {settings.values})"
            fault = f"{len(words)} values"
            raise refusal(f"{path}:{place}", fault=fault, accepted=accepted, do=do)
        try:
            yield place, [float(word) for word in words]
        except ValueError as error:
            raise refusal(f"{path}:{place}", fault=str(error), accepted="numbers") from error


def _person(
    values: Sequence[float], settings: Settings, size: tuple[int, int], row: str
) -> LabelledPerson:
    x, y, w, h = numbers(values[1:5], 4, "box") * np.array([*size, *size])
    if w < 0 or h < 0:
        raise RowError("a side below 0: box")
    count = len(settings.keypoints) * settings.values
    table = numbers(values[5:], count, "keypoints").reshape(-1, settings.values)
    if settings.values == 3:
        visibility = table[:, 2]
        if not np.isin(visibility, (0, 1, 2)).all():
            raise RowError("visibility other than 0, 1, 2")
    else:
        there = (table >= 0).all(axis=1) & table.any(axis=1)
        visibility = np.where(there, 2, 0)
    return LabelledPerson(
        table[:, :2] * np.array(size, dtype=float),
        visibility.astype(np.int64),
        (float(x - w / 2), float(y - h / 2), float(w), float(h)),
        id=row,
    )


def write(labels: Labels, target: Path) -> None:
    """target: a folder. Raises ValueError for images whose size is not known, whose names differ
    in the suffix alone (one text file for two), and for people with neither box nor keypoints."""
    texts = {image.file: text_place(place_of(image)) for image in labels.images}
    if twice := [text for text, times in Counter(texts.values()).items() if times > 1]:
        fault = f"images that share a file of labels: {shown(twice)}"
        raise refusal("YOLO-pose", fault=fault, do="rename the images")
    for image in labels.images:
        people = [person for person in image.people if not person.is_crowd]
        lines = [_line(person, image) for person in people]
        path = target / texts[image.file]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
    (target / "data.yaml").write_text(_data_yaml(labels), encoding="utf-8")


def place_of(image: LabelledImage) -> PurePosixPath:
    """Where the written set has an image, below its folder: `images/SPLIT/FILE`."""
    return PurePosixPath(IMAGES, _split(image), image.file)


def _split(image: LabelledImage) -> str:
    return image.split or SPLIT


def _line(person: LabelledPerson, image: LabelledImage) -> str:
    where, labelled = image.file, person.visibility > 0
    if not (image.width and image.height):
        raise refusal(where, fault="no size", do="read the images' sizes first")
    if person.box_image is None and not labelled.any():
        raise refusal(where, fault=f"person {person.id} has neither box nor labelled keypoints")
    x, y, w, h = person.box_image or box_around(person.keypoints_image[labelled])
    size = np.array([image.width, image.height], dtype=float)
    box = np.array([x + w / 2, y + h / 2, w, h]) / np.tile(size, 2)
    words = [f"{value:.9g}" for value in box]
    for point, flag in zip(person.keypoints_image / size, person.visibility, strict=True):
        words += [f"{point[0]:.9g}", f"{point[1]:.9g}", str(int(flag))]
    return " ".join(["0", *words]) + "\n"


def _data_yaml(labels: Labels) -> str:
    """Texts as json writes them, which yaml reads."""
    splits = sorted({_split(image) for image in labels.images})
    folders = {name: f"images/{name}" for name in splits}
    folders.setdefault("val", folders[splits[0]])  # trainers of the format ask for both
    folders.setdefault("train", folders[splits[0]])
    places = {name: place for place, name in enumerate(labels.keypoints)}
    other = dict(labels.mirrored) | {right: left for left, right in labels.mirrored}
    flips = [places[other.get(name, name)] for name in labels.keypoints]
    told = f"flip_idx: {flips}\n" if other else ""  # trainers of the format do not mirror without
    named = json.dumps(list(labels.keypoints), ensure_ascii=False)
    return "".join(
        [
            *(f"{name}: {json.dumps(folder)}\n" for name, folder in folders.items()),
            f"kpt_shape: [{len(flips)}, 3]\n",
            told,
            f"names: {{0: {json.dumps(labels.category, ensure_ascii=False)}}}\n",
            f"kpt_names: {{0: {named}}}\n",
        ]
    )
