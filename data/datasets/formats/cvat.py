"""CVAT's own xml ("CVAT for images 1.1"): skeletons, or points and boxes of one group.

A skeleton's point with `outside="1"` is absent, with `occluded="1"` occluded, else visible. The box
of a person is the `box` in the same group, its outline the `polygon` there: skeletons have none of
their own. Keypoints and limbs come from the task's labels, splits from a project's subsets.
"CVAT for video" has tracks without names of images; such files are refused with the way out.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element

from data.datasets.formats.findings import Findings
from data.datasets.formats.labels import LabelledImage, Labels
from data.datasets.formats.marks import Found, Frame, Mark, gather, labels_of, turned_box
from data.datasets.formats.picture_folder import PictureFolder
from data.datasets.formats.plain_xml import children
from data.datasets.formats.values import RowError, number, numbers, shown, size
from data.ground.refusal import refusal
from data.ground.sample import box_around
from data.ground.zips import check_whole

FILE = "annotations.xml"
ROOT = "annotations"
CHILDREN = ("meta", "image", "track")  # of it, those that are looked at
SUBSETS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, RuntimeError)  # the last: encrypted, other methods
AGAIN = 'export the task as "CVAT for images 1.1" or "COCO Keypoints 1.0"'


def read(labels: Path, images: Path, category: str | None = None) -> Labels:
    """labels: annotations.xml, a folder with it, or the zip that CVAT made. See `Reader`."""
    findings, folder = Findings(labels), PictureFolder(images)
    read_so_far, meta, tags = list[tuple[LabelledImage, list[Found]]](), Element("meta"), set[str]()
    with _opened(labels) as file:
        for element in children(labels, file, ROOT, " of CVAT"):
            if element.tag == "meta" and "meta" not in tags:
                meta = element
            elif element.tag == "image":
                _read_image(element, folder, findings, read_so_far)
            if element.tag in CHILDREN:
                tags.add(element.tag)
    if "image" not in tags and "track" in tags:
        raise refusal(labels, fault="tracks of a video, which name no images", do=AGAIN)
    names, limbs = _declared(labels, meta, category or _only_label(read_so_far))
    return labels_of(findings, read_so_far, category, names, limbs)


def _read_image(
    element: Element,
    folder: PictureFolder,
    findings: Findings,
    read_so_far: list[tuple[LabelledImage, list[Found]]],
) -> None:
    name = element.get("name", "")[:200]
    try:
        read_so_far.append(_image(element, folder, findings))
    except RowError as error:
        findings.note("image", element.get("id", "")[:50], name, str(error))


@contextmanager
def _opened(labels: Path) -> Iterator[IO[bytes]]:
    """The xml, to be read bit by bit. Raises ValueError, also of what breaks while it is read."""
    path = labels / FILE if labels.is_dir() else labels
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                yield file
            return
        with zipfile.ZipFile(path) as archive:
            check_whole(path, archive.infolist())
            names = [name for name in archive.namelist() if name.rsplit("/", 1)[-1] == FILE]
            if len(names) != 1:
                raise refusal(path, fault=f"{len(names)} files {FILE} in it", accepted="one")
            with archive.open(names[0]) as file:
                yield file
    except FileNotFoundError as error:
        raise refusal(path, fault="no such file") from error
    except (OSError, EOFError, UnicodeError, *BROKEN_ZIP) as error:
        raise refusal(path, fault=f"cannot be read ({error})", do=AGAIN) from error


def _image(
    element: Element, folder: PictureFolder, findings: Findings
) -> tuple[LabelledImage, list[Found]]:
    image = LabelledImage(
        folder.find(element.get("name")),
        size(element.get("width")),
        size(element.get("height")),
        id=element.get("id", "")[:50],
        split=SUBSETS.get(element.get("subset", "").lower(), ""),
    )
    marks, frames, skeletons = list[Mark](), list[Frame](), list[tuple[str, Found]]()
    for place, shape in enumerate(element):
        row = f"{shape.tag[:20]} {place} of image {image.id}"
        try:
            if shape.tag == "skeleton":
                skeletons.append((_group(shape), _skeleton(shape, row)))
            elif shape.tag == "points":
                marks.append(_mark(shape, _group(shape)))
            elif shape.tag in ("box", "polygon"):
                frames.append(_frame(shape))
        except RowError as error:
            findings.note("person", row, image.file, str(error))
    groups = Counter(group for group, _ in skeletons if group)
    people = [_framed(person, frames, groups[group] == 1 and group) for group, person in skeletons]
    loose = [frame for frame in frames if frame.group not in groups]
    return image, [*people, *gather(marks, loose, findings, image.file)]


def _skeleton(shape: Element, row: str) -> Found:
    marks = tuple(_mark(point) for point in shape.iterfind("points"))
    names = [mark.name for mark in marks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RowError(f"keypoints labelled twice in one person: {shown(twice)}")
    return Found(_label(shape), marks, id=row)


def _framed(person: Found, frames: Sequence[Frame], group: str | bool) -> Found:
    """With the box and the outline that share its group, where the group has one skeleton."""
    own = [frame for frame in frames if group and frame.group == group]
    outline = next((frame.polygon for frame in own if frame.polygon), ())
    boxes = [frame.box for frame in own if not frame.polygon] or [frame.box for frame in own]
    return replace(person, box=boxes[0] if boxes else None, polygon=outline)


def _label(shape: Element) -> str:
    if not (label := shape.get("label", "").strip()):
        raise RowError("no label")
    return label


def _group(shape: Element) -> str:
    group = shape.get("group_id", "")
    return "" if group == "0" else group


def _mark(shape: Element, group: str = "") -> Mark:
    if shape.get("outside") == "1":  # its place says nothing
        return Mark(_label(shape), 0.0, 0.0, 0, group)
    x, y = numbers(shape.get("points", "").split(","), 2, f"point {_label(shape)}")
    return Mark(_label(shape), float(x), float(y), 1 if shape.get("occluded") == "1" else 2, group)


def _frame(shape: Element) -> Frame:
    if shape.tag == "polygon":
        words = shape.get("points", "").replace(";", ",").split(",")
        corners = numbers(words, len(words) // 2 * 2, "polygon").reshape(-1, 2)
        outline = tuple(map(float, corners.ravel()))
        return Frame(_label(shape), box_around(corners), _group(shape), outline)
    sides = [shape.get(side) for side in ("xtl", "ytl", "xbr", "ybr")]
    left, top, right, bottom = (float(side) for side in numbers(sides, 4, "box"))
    if right < left or bottom < top:
        raise RowError("a side below 0: box")
    box, centre = (left, top, right - left, bottom - top), ((left + right) / 2, (top + bottom) / 2)
    turn = number(shape.get("rotation", "0"))
    if turn is None:
        raise RowError("no number: rotation")
    return Frame(_label(shape), turned_box(box, turn, centre), _group(shape))


def _only_label(images: Sequence[tuple[LabelledImage, Sequence[Found]]]) -> str | None:
    labels = {person.label for _, people in images for person in people if person.marks}
    return labels.pop() if len(labels) == 1 else None


def _declared(
    path: Path, meta: Element, category: str | None
) -> tuple[list[str], list[tuple[str, str]]]:
    """Keypoints and limbs of a skeleton, from the labels of task or project."""
    labels = list(meta.iter("label"))
    own = [label for label in labels if label.findtext("name") == category]
    names = [label.findtext("name", "") for label in labels if label.findtext("parent") == category]
    drawing = own[0].findtext("svg", "") if own and names else ""
    try:
        parts = list(children(path, io.BytesIO(f"<svg>{drawing}</svg>".encode()), "svg"))
    except ValueError:  # a drawing alone: nobody's keypoints depend on it
        parts = []
    nodes = {part.get("data-node-id"): part.get("data-label-name") for part in parts}
    ends = [(part.get("data-node-from"), part.get("data-node-to")) for part in parts]
    limbs = [(nodes.get(one), nodes.get(other)) for one, other in ends if one and other]
    return names, [(a, b) for a, b in limbs if a in names and b in names and a and b]
