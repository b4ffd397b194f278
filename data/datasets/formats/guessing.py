"""Which format a file or folder of labels is in, by what is in it."""

from __future__ import annotations

from pathlib import Path

from data.datasets.formats.cvat import FILE
from data.datasets.formats.values import read_labels_json, shown
from data.datasets.formats.yolo_settings import KEY, settings_in, yamls_in
from data.ground.refusal import refusal

LOOKED_FOR = (
    "a json with images, annotations and categories (coco), with shapes (labelme, one per image) "
    "or with a list of tasks (label_studio), with joints (mpii), a data.yaml with "
    "kpt_shape (yolo_pose), an xml or zip of CVAT (cvat)"
)


def guess(labels: Path) -> str:
    """The name on the menu of the format that a file, or a folder, is in, by what is in it.

    Raises ValueError that says what was found and what was looked for.
    """
    if labels.is_dir():
        return _of_folder(labels)
    if not labels.is_file():
        raise refusal(labels, fault="no such file or folder")
    suffix = labels.suffix.lower()
    if suffix == ".json":
        return _of_json(labels)
    if suffix in (".xml", ".zip"):
        return "cvat"
    if suffix in (".yaml", ".yml"):
        if settings_in(labels) is not None:
            return "yolo_pose"
        raise refusal(labels, fault=f"a yaml without {KEY}", accepted=LOOKED_FOR)
    raise refusal(labels, fault=f"a file {suffix or 'without a suffix'}", accepted=LOOKED_FOR)


def _of_json(path: Path) -> str:
    content = read_labels_json(path)
    if isinstance(content, dict):
        if isinstance(content.get("annotations"), list) and "images" in content:
            return "coco"
        if "shapes" in content:
            return "labelme"
        fault = f"a json object with {shown(sorted(content)) or 'nothing in it'}"
        raise refusal(path, fault=fault, accepted=LOOKED_FOR)
    first = content[0] if isinstance(content, list) and content else None
    if not isinstance(first, dict):
        kind = type(content).__name__
        raise refusal(path, fault=f"a json {kind} without objects", accepted=LOOKED_FOR)
    if "joints" in first:
        return "mpii"
    if any(key in first for key in ("annotations", "completions", "data", "annotation_id")):
        return "label_studio"
    fault = f"a json list of objects with {shown(sorted(first))}"
    raise refusal(path, fault=fault, accepted=LOOKED_FOR)


def _of_folder(folder: Path) -> str:
    """By CVAT's file, a yaml with `kpt_shape`, text files, or the first json below."""
    if (folder / FILE).is_file():
        return "cvat"
    yamls = [path for path in yamls_in(folder) if KEY in path.read_text(errors="replace")]
    files = sorted(folder.rglob("*.json"))  # labelme keeps a list of labels as text beside them
    if yamls or (not files and any(folder.rglob("*.txt"))):
        return "yolo_pose"
    if not files:
        kinds = sorted({path.suffix for path in folder.iterdir() if path.is_file()})
        fault = f"a folder with {'files ' + shown(kinds) if kinds else 'no files'}"
        raise refusal(folder, fault=fault, accepted=LOOKED_FOR)
    found = _of_json(files[0])
    if found != "labelme" and len(files) > 1:
        fault = f"{len(files)} json files of which the first is {found}'s"
        raise refusal(folder, fault=fault, do="name the one that is meant")
    return found
