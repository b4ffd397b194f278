"""summary.json of a prepared data set, and the digest of what its tables hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.ground.data_set import DataSet
from data.ground.skeleton import Skeleton, hashed_values
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.splits import Split, bad_row_share
from pipelines.recipe.datasets import data_set


def summarise(folder: Path, dataset: str, splits: Sequence[Split]) -> dict[str, Any]:
    kind, raw = data_set(dataset), places.raw(dataset)
    truth = {split.name: kind.truth_file(raw, split.name) for split in splits}
    more = {
        f"{split.name} {path.name}": path
        for split in splits
        for path in kind.truth_files(raw, split.name)[1:]
    }
    return {
        "dataset": dataset,
        "skeleton": kind.SKELETON.name,
        "raw": places.raw_of_home(dataset).relative_to(places.home()).as_posix(),
        "truth": {name: path.relative_to(raw).as_posix() for name, path in truth.items()},
        "truth_sha256": digests_of_truth(kind, raw),
        "splits": {split.name: split.counts for split in splits},
        "bad_row_share": round(bad_row_share(splits), 6),
        "data_hash": hash_tables(folder, truth | more, kind.SKELETON),
    }


def digests_of_truth(kind: DataSet, raw: Path) -> dict[str, str]:
    """{file below the raw data: sha256} of all that decides the truth of any split."""
    files = [path for split in kind.SPLITS for path in kind.truth_files(raw, split)]
    return {path.relative_to(raw).as_posix(): file_digest(path) for path in dict.fromkeys(files)}


def hash_tables(folder: Path, truth: Mapping[str, Path], skeleton: Skeleton) -> str:
    """sha256 over the tables (images by crc32), the official files of truth and the skeleton."""
    parts: dict[str, Any] = {
        path.relative_to(folder).as_posix(): file_digest(path) for path in folder.rglob("*.arrow")
    }
    parts |= {f"truth {split}": file_digest(path) for split, path in truth.items()}
    parts["skeleton"] = hashed_values(skeleton)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
