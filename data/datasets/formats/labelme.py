"""labelme: a json per image, of points and boxes.

A point is a keypoint, its `label` the name; a rectangle (or polygon) a person, its `label` what a
person is called. Shapes with one `group_id` are one person; without groups, `marks.gather` tells.
Visibility: a `description` of 0, 1 or 2; else 1 where the description, or a flag that is set, is
"occluded", "hidden" or "invisible", or where X-AnyLabeling's `difficult` is set; else 2. Pictures
inside the json (`imageData`) are not looked at. Keypoints come in the order of the person who has
most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.datasets.formats.findings import Findings
from data.datasets.formats.labels import LabelledImage, Labels
from data.datasets.formats.marks import Found, Frame, Mark, gather, labels_of
from data.datasets.formats.picture_folder import PictureFolder
from data.datasets.formats.values import RowError, name_of, numbers, read_labels_json, rows_of, size
from data.ground.refusal import refusal
from data.ground.sample import box_around

HIDDEN = {"occluded", "hidden", "invisible"}
FRAMES = ("rectangle", "polygon", "rotation")


def read(labels: Path, images: Path, category: str | None = None) -> Labels:
    """labels: a folder of json files, sub-folders too, or one json. See `Reader`."""
    findings, folder = Findings(labels), PictureFolder(images)
    read_so_far: list[tuple[LabelledImage, list[Found]]] = []
    for path in _files(labels):
        name = path.relative_to(labels).as_posix() if path != labels else path.name
        try:
            read_so_far.append(_image(path, name, folder, findings))
        except RowError as error:
            findings.note("image", name, name, str(error))
    return labels_of(findings, read_so_far, category)


def _files(labels: Path) -> list[Path]:
    if labels.is_file():
        return [labels]
    files = sorted(labels.rglob("*.json"))
    if not files:
        fault = "no json file below it" if labels.is_dir() else "no such file or folder"
        raise refusal(labels, fault=fault, accepted="labelme's json files")
    return files


def _image(
    path: Path, name: str, folder: PictureFolder, findings: Findings
) -> tuple[LabelledImage, list[Found]]:
    try:
        content = read_labels_json(path)
    except ValueError as error:
        raise RowError(str(error)) from error
    shapes = rows_of(content, "shapes") if isinstance(content, dict) else None
    if shapes is None:
        raise RowError("no json of labelme: it has no list `shapes`")
    image = LabelledImage(
        _file(content, path, folder),
        size(content.get("imageWidth")),
        size(content.get("imageHeight")),
        id=name,
    )
    marks, frames, others = list[Mark](), list[Frame](), Counter[str]()
    for place, shape in enumerate(shapes):
        kind = str(shape.get("shape_type", "polygon"))
        try:
            if kind == "point":
                marks.append(_mark(shape))
            elif kind in FRAMES:
                frames.append(_frame(shape, kind))
            else:
                others[kind[:50]] += 1
        except RowError as error:
            findings.note("person", f"{name}: shape {place}", image.file, str(error))
    for kind, count in others.items():
        findings.note("person", name, image.file, f"{count} shapes of type {kind} are not read")
    return image, gather(marks, frames, findings, image.file)


def _file(content: Mapping[str, Any], path: Path, folder: PictureFolder) -> str:
    """`imagePath` counts from the json's folder; else by its name, else by the json's own."""
    written = content.get("imagePath")
    if isinstance(written, str) and "\0" not in written and len(written) < 4096:
        beside = (path.parent / written.replace("\\", "/")).resolve()
        root = folder.root.resolve()
        if beside.is_relative_to(root) and beside.is_file():
            return beside.relative_to(root).as_posix()
    try:
        return folder.find(written)
    except RowError:
        return folder.find_stem(path.stem)


def _label(shape: Mapping[str, Any]) -> str:
    label = shape.get("label")
    if not isinstance(label, str) or not label.strip():
        raise RowError("no label")
    return label.strip()


def _mark(shape: Mapping[str, Any]) -> Mark:
    x, y = numbers(shape.get("points"), 2, "point")
    return Mark(_label(shape), float(x), float(y), _visibility(shape), _group(shape))


def _frame(shape: Mapping[str, Any], kind: str) -> Frame:
    points = shape.get("points")
    count = len(points) if isinstance(points, list) else 0
    if count < 2:
        raise RowError(f"{count} corners: {kind}")
    corners = numbers(points, 2 * count, kind).reshape(-1, 2)
    outline = tuple(map(float, corners.ravel())) if kind == "polygon" and count > 2 else ()
    return Frame(_label(shape), box_around(corners), _group(shape), outline)


def _group(shape: Mapping[str, Any]) -> str:
    group = shape.get("group_id")
    return "" if group is None else name_of(group) or ""


def _visibility(shape: Mapping[str, Any]) -> int:
    told = str(shape.get("description") or "").strip().lower()
    if told in ("0", "1", "2"):
        return int(told)
    flags = shape.get("flags")
    raised = (
        {str(key).lower() for key, on in flags.items() if on} if isinstance(flags, dict) else set()
    )
    return 1 if (raised | {told}) & HIDDEN or shape.get("difficult") is True else 2
