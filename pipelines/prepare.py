"""Stage: raw data, every row and image checked once, to tables in data/store/prepared/DATASET.

    python -m pipelines.prepare DATASET

Out: SPLIT/{images,persons,ignore}.arrow, quarantine.csv, summary.json, preview.png; whole or not.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data import DATASETS
from data.datasets.mixture import Mixture
from data.sample import Rejected
from data.skeletons import Skeleton
from pipelines import places
from pipelines.folders import file_digest, whole_folder
from pipelines.preview import write_preview
from pipelines.recipe import load_params
from pipelines.splits import Split, bad_row_share, read_split, weigh
from pipelines.tables import write_split


def main(arguments: Sequence[str]) -> int:
    try:
        if len(arguments) != 1 or arguments[0].startswith("-"):
            raise ValueError(f"given {' '.join(arguments)!r}; usage: pipelines.prepare DATASET")
        settings = _settings(arguments[0])
        prepare(arguments[0], _bad_row_limit(arguments[0], settings), settings.get("weights"))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _settings(dataset: str) -> dict[str, Any]:
    settings = load_params().get("datasets", {}).get(dataset)
    if dataset not in DATASETS or not isinstance(settings, dict):
        raise ValueError(
            f"params.yaml: datasets.{dataset}: not there or on no menu; "
            f"accepted: {', '.join(DATASETS)}"
        )
    return settings


def _bad_row_limit(dataset: str, settings: Mapping[str, Any]) -> float:
    limit = settings.get("bad_row_limit", 0.0)
    if not isinstance(limit, int | float) or not 0 <= limit <= 1:
        where = f"params.yaml: datasets.{dataset}.bad_row_limit"
        raise ValueError(f"{where}: given {limit!r}, accepted: a share from 0 to 1")
    return float(limit)


def prepare(dataset: str, bad_row_limit: float, weights: object = None) -> None:
    """Raises ValueError where the raw data are not there, or too bad to be used.

    weights: of a mixture's members, how often each of their people is trained on in an epoch.
    """
    module, raw, target = DATASETS[dataset], places.raw(dataset), places.prepared(dataset)
    if isinstance(module, Mixture):
        weights = module.check_weights(weights, f"params.yaml: datasets.{dataset}.weights")
    if not raw.is_dir():
        raise ValueError(f"{raw}: no such folder; run `python -m pipelines.fetch {dataset}`")
    with whole_folder(target) as folder:
        splits = []
        for name in module.SPLITS:
            split = read_split(module, dataset, name, raw)
            if isinstance(weights, dict) and name == "train":
                weigh(split, module, weights)
            write_split(folder / name, split, module.SKELETON)
            splits.append(split)
        rejected = [row for split in splits for row in split.rejected]
        write_quarantine(folder / "quarantine.csv", rejected)
        _refuse_bad(folder / "quarantine.csv", target, splits, bad_row_limit)
        write_preview(folder / "preview.png", folder, raw, module)
        summary = summarise(folder, dataset, splits)
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(_told(dataset, splits))


def write_quarantine(path: Path, rejected: Sequence[Rejected]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(Rejected)])
        writer.writerows(dataclasses.astuple(row) for row in rejected)


def _refuse_bad(listed: Path, target: Path, splits: Sequence[Split], limit: float) -> None:
    share = bad_row_share(splits)
    if share <= limit:
        return
    kept = target.with_name(f"{target.name}.quarantine.csv")
    shutil.copyfile(listed, kept)
    shutil.rmtree(target, ignore_errors=True)
    reasons = Counter(row.reason for split in splits for row in split.rejected)
    raise ValueError(
        f"{target.name}: {share:.2%} of the rows cannot be used ({dict(reasons.most_common(4))}), "
        f"accepted: {limit:.2%} (datasets.{target.name}.bad_row_limit in params.yaml); each row "
        f"with its reason: {kept}; mend the source or raise the limit"
    )


def summarise(folder: Path, dataset: str, splits: Sequence[Split]) -> dict[str, Any]:
    module, raw = DATASETS[dataset], places.raw(dataset)
    truth = {split.name: module.truth_file(raw, split.name) for split in splits}
    more = {
        f"{split.name} {path.name}": path
        for split in splits
        if hasattr(module, "truth_files")
        for path in module.truth_files(raw, split.name)[1:]
    }
    return {
        "dataset": dataset,
        "skeleton": module.SKELETON.name,
        "raw": raw.relative_to(places.home()).as_posix(),
        "truth": {name: path.relative_to(raw).as_posix() for name, path in truth.items()},
        "splits": {split.name: split.counts for split in splits},
        "bad_row_share": round(bad_row_share(splits), 6),
        "data_hash": data_hash(folder, truth | more, module.SKELETON),
    }


def data_hash(folder: Path, truth: Mapping[str, Path], skeleton: Skeleton) -> str:
    """sha256 over the tables (images by crc32), the official files of truth and the skeleton."""
    parts: dict[str, Any] = {
        path.relative_to(folder).as_posix(): file_digest(path) for path in folder.rglob("*.arrow")
    }
    parts |= {f"truth {split}": file_digest(path) for split, path in truth.items()}
    parts["skeleton"] = dataclasses.asdict(skeleton)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _told(dataset: str, splits: Sequence[Split]) -> str:
    lines = [
        f"  {split.name}: {len(split.images):,} images, {split.persons:,} persons, "
        f"{len(split.people):,} to train on, {len(split.rejected):,} rows in quarantine"
        for split in splits
    ]
    return "\n".join([f"{dataset}: {places.prepared(dataset)}", *lines])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
