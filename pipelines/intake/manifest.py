"""manifest.json of raw data: {file: bytes} and the sha256 of all labels; or of its members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.ground.data_set import DataSet
from pipelines.host.folders import file_digest

NAME = "manifest.json"
DETECTIONS = "detections.json"
LABELS = (".json", ".mat")


def manifest_of(folder: Path) -> dict[str, Any]:
    """Sorted {file: bytes}, links followed, and the sha256 of all labels."""
    files = sorted(_below(folder))
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
    labels = {name: file_digest(folder / name) for name in sizes if name.endswith(LABELS)}
    return {"files": sizes, "sha256": labels}


def manifest_of_members(members: Mapping[str, Path]) -> dict[str, Any]:
    """Digests of the manifests of raw data that others are made of, by name."""
    return {"members": {name: file_digest(root / NAME) for name, root in members.items()}}


def detections_of(dataset: DataSet, folder: Path) -> dict[str, str]:
    """{file below the folder: sha256} of the detectors' boxes that its splits come with."""
    paths = [dataset.detections_file(folder, split) for split in dataset.SPLITS]
    return {p.relative_to(folder).as_posix(): file_digest(p) for p in paths if p is not None}


def _below(folder: Path, above: Sequence[Path] = ()) -> Iterator[Path]:
    """Files at any depth, in linked folders too; a link back to a folder above is let go."""
    here = folder.resolve()
    if here in above:
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _below(path, (*above, here))
        elif path.is_file():
            yield path
