"""Which text file labels which image of a YOLO-pose set.

In: data.yaml's splits (folders, lists of folders, text files that list images), or the user's two
folders. Out: `Pair`s; what has no partner goes to the notes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from data.datasets.formats.findings import Findings
from data.datasets.formats.picture_folder import PictureFolder
from data.datasets.formats.values import RowError, shown
from data.datasets.formats.yolo_settings import Settings
from data.ground.refusal import refusal

IMAGES, LABELS = "images", "labels"


@dataclass(frozen=True)
class Pair:
    """An image below the folder of images and its text file; None: an image with nobody."""

    image: str
    labels: Path | None
    split: str = ""


def pairs_of(
    labels: Path, folder: PictureFolder, settings: Settings, findings: Findings
) -> list[Pair]:
    """By data.yaml's splits where the labels are that file, or the folder that holds it; else all
    text files below the folder of labels. Raises ValueError where there is nothing."""
    whole = labels == settings.path or labels == settings.path.parent
    if whole and any(settings.splits.values()):
        pairs = list(_of_splits(folder, settings, findings))
    else:
        pairs = list(_of_folders(settings.path.parent if whole else labels, folder, findings))
    if not any(pair.labels for pair in pairs):
        fault = f"no file of labels for any of {len(pairs)} images below {folder.root}"
        do = f"YOLO-pose keeps {LABELS}/a.txt beside {IMAGES}/a.jpg"
        raise refusal(labels, fault=fault, do=do)
    return pairs


def _of_splits(folder: PictureFolder, settings: Settings, findings: Findings) -> Iterator[Pair]:
    told, outside = dict[tuple[str, ...], str](), list[Path]()
    for split, places in settings.splits.items():
        if told.setdefault(places, split) != split:  # sets without a val of their own name train's
            continue
        for place in places:
            path = _resolved(place, split, settings)
            if not path.is_dir():
                yield from _of_list(path, split, folder, findings)
            elif (prefix := _prefix(path, folder)) is None:
                outside.append(path)
            else:
                files = (file for file in folder.all() if file.startswith(prefix))
                yield from (Pair(file, _text_of(folder.root / file), split) for file in files)
    if told and len(outside) == sum(len(places) for places in told):
        fault = f"its images are not below {folder.root} but in {shown(outside)}"
        raise refusal(settings.path, fault=fault, do="give that folder of images")


def _of_list(path: Path, split: str, folder: PictureFolder, findings: Findings) -> Iterator[Pair]:
    """The images that a text file lists, a line each, relative to it."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise refusal(path, fault=f"not readable as a list of images: {error}") from error
    for line in filter(None, map(str.strip, lines)):
        try:
            prefix = None if "\0" in line else _prefix(path.parent / line, folder)
            file = folder.find(prefix.rstrip("/") if prefix else line)
        except RowError as error:
            findings.note("image", line[:200], line[:200], str(error))
        else:
            yield Pair(file, _text_of(folder.root / file), split)


def _resolved(place: str, split: str, settings: Settings) -> Path:
    """Below `path`, else beside data.yaml; leading folders that lead nowhere are left out: exports
    of Roboflow have a `../` too many, absolute paths are another machine's. Raises ValueError."""
    parts = PurePosixPath(place.replace("\\", "/")).parts
    for root in (settings.folder, settings.path.parent):
        for start in range(len(parts)):
            path = root.joinpath(*parts[start:])
            if _is_there(path):
                return path
    do = "correct it, or give the two folders of images and labels instead"
    fault = f"{place[:200]}: no such file or folder below {settings.folder}"
    raise refusal(f"{settings.path}: {split}", fault=fault, do=do)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no disk takes
        return False


def _prefix(path: Path, folder: PictureFolder) -> str | None:
    """How names of images in `path` begin below the user's folder: "" where that lies in `path`
    itself, None where neither lies in the other."""
    for there, root in (
        (_without_dots(path), _without_dots(folder.root)),
        (Path(os.path.realpath(path)), Path(os.path.realpath(folder.root))),
    ):
        if root.is_relative_to(there):
            return ""
        if there.is_relative_to(root):
            return f"{there.relative_to(root).as_posix()}/"
    return None


def _without_dots(path: Path) -> Path:
    """Absolute; links stay as they are."""
    return Path(os.path.normpath(path.absolute()))


def text_place(image: PurePosixPath) -> PurePosixPath:
    """`labels` for the last folder `images` of an image's path, else beside it."""
    parts = list(image.with_suffix(".txt").parts)
    if IMAGES in parts[:-1]:
        parts[len(parts) - 1 - parts[::-1].index(IMAGES)] = LABELS
    return PurePosixPath(*parts)


def _text_of(image: Path) -> Path | None:
    """None where no file is there: an image with nobody."""
    text = Path(text_place(PurePosixPath(_without_dots(image))))
    return text if text.is_file() else None


def _of_folders(labels: Path, folder: PictureFolder, findings: Findings) -> Iterator[Pair]:
    """Every image, with the text file of its name; text files without an image to the notes."""
    texts = {path.relative_to(labels).as_posix(): path for path in sorted(labels.rglob("*.txt"))}
    taken = set[str]()
    for image in folder.all():
        name = next((name for name in _names(image) if name in texts), None)
        taken |= {name} if name else set()
        yield Pair(image, texts[name] if name else None)
    for name in sorted(set(texts) - taken):
        if PurePosixPath(name).stem not in ("classes", "train", "val", "test", "README"):
            findings.note("image", name, name, "labels without an image of that name")


def _names(image: str) -> Iterator[str]:
    """Where its text file may lie below the folder of labels."""
    text = PurePosixPath(image).with_suffix(".txt")
    yield text.as_posix()
    parts = [LABELS if part == IMAGES else part for part in text.parts]
    yield "/".join(parts)
    yield f"{LABELS}/{text.as_posix()}"
    if text.parts[0] == IMAGES:
        yield "/".join(text.parts[1:])
