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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask

from data import DATASETS
from data.images import read_image
from data.sample import Pose, Rejected, Sample
from data.skeletons import Skeleton
from data.table import Table, write_table
from pipelines import places
from pipelines.folders import file_digest, whole_folder
from pipelines.image_check import Seen, Told, check_images
from pipelines.pictures import page_of_people, write_picture
from pipelines.recipe import load_params

PREVIEW_PEOPLE = 27
Box = tuple[float, float, float, float]


@dataclass
class Split:
    """The checked rows of one split on their way into tables."""

    name: str
    root: Path
    images: list[Sample] = field(default_factory=list)
    crc32: list[int] = field(default_factory=list)
    people: list[tuple[int, Pose, Box]] = field(default_factory=list)  # image row, pose, clipped
    ignore: list[tuple[int, Pose, object]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    persons: int = 0  # all rows that could be read, crowds and people without keypoints too

    @property
    def counts(self) -> dict[str, Any]:
        crowds = sum(pose.is_crowd for _, pose, _ in self.ignore)
        reasons = Counter(row.reason for row in self.rejected)
        return {
            "images": len(self.images),
            "persons": self.persons,
            "persons_with_keypoints": self.persons - len(self.ignore),
            "training_persons": len(self.people),
            "crowds": crowds,
            "quarantined": dict(sorted(reasons.items())),
        }


def main(arguments: Sequence[str]) -> int:
    try:
        if len(arguments) != 1 or arguments[0].startswith("-"):
            raise ValueError(f"given {' '.join(arguments)!r}; usage: pipelines.prepare DATASET")
        prepare(arguments[0], _bad_row_limit(arguments[0]))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _bad_row_limit(dataset: str) -> float:
    settings = load_params().get("datasets", {}).get(dataset)
    if dataset not in DATASETS or not isinstance(settings, dict):
        raise ValueError(
            f"params.yaml: datasets.{dataset}: not there or on no menu; "
            f"accepted: {', '.join(DATASETS)}"
        )
    limit = settings.get("bad_row_limit", 0.0)
    if not isinstance(limit, int | float) or not 0 <= limit <= 1:
        where = f"params.yaml: datasets.{dataset}.bad_row_limit"
        raise ValueError(f"{where}: given {limit!r}, accepted: a share from 0 to 1")
    return float(limit)


def prepare(dataset: str, bad_row_limit: float) -> None:
    """Raises ValueError where the raw data are not there, or too bad to be used."""
    module, raw, target = DATASETS[dataset], places.raw(dataset), places.prepared(dataset)
    if not raw.is_dir():
        raise ValueError(f"{raw}: no such folder; run `python -m pipelines.fetch {dataset}`")
    with whole_folder(target) as folder:
        splits = []
        for name in module.SPLITS:
            split = read_split(module, dataset, name, raw)
            write_split(folder / name, split, module.SKELETON)
            splits.append(split)
        rejected = [row for split in splits for row in split.rejected]
        write_quarantine(folder / "quarantine.csv", rejected)
        _refuse_bad(folder / "quarantine.csv", target, splits, bad_row_limit)
        write_preview(folder / "preview.png", folder, raw, module)
        summary = summarise(folder, dataset, splits)
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(_told(dataset, splits))


def read_split(module: Any, dataset: str, name: str, raw: Path) -> Split:
    split = Split(name, raw)
    samples = list(module.samples(raw, name, split.rejected.append))
    told = [Told(str(s.image_path), s.width, s.height) for s in samples]
    seen = check_images(told, f"{dataset} {name}: check")
    for sample, answer in zip(samples, seen, strict=True):
        _take(split, sample, answer)
    if not split.people:
        reasons = Counter(row.reason for row in split.rejected).most_common(3)
        raise ValueError(
            f"{module.truth_file(raw, name)}: no person to train on or to evaluate ({len(samples)} "
            f"images, {split.persons} persons; left out: {dict(reasons)}); accepted: at least one "
            "with labelled keypoints"
        )
    return split


def _take(split: Split, sample: Sample, seen: Seen) -> None:
    image_id = str(sample.image_id)
    if seen.fault:
        split.rejected.append(Rejected(split.name, "image", image_id, image_id, seen.fault))
        for pose in sample.poses:
            why = Rejected(split.name, "person", str(pose.id), image_id, "its image is not usable")
            split.rejected.append(why)
        return
    row = len(split.images)
    split.images.append(sample)
    split.crc32.append(seen.crc32)
    split.persons += len(sample.poses)
    regions = iter(sample.ignore)
    for pose in sample.poses:
        if pose.is_crowd or not pose.visibility.any():
            split.ignore.append((row, pose, next(regions)))
        elif box := clip_box(pose, sample.width, sample.height):
            split.people.append((row, pose, box))
        else:
            reason = "box empty or outside the image"
            split.rejected.append(Rejected(split.name, "person", str(pose.id), image_id, reason))


def clip_box(pose: Pose, width: int, height: int) -> Box | None:
    """The pose's box inside the image, as the loaders of HRNet and SimpleBaseline clip it.

    Their last column is x + w - 1, so that a box of w pixels comes out w - 1 wide. None where
    nothing is left or the area is not positive.
    """
    x, y, w, h = pose.box_image
    x1, y1 = max(0.0, x), max(0.0, y)
    x2 = min(width - 1.0, x1 + max(0.0, w - 1))
    y2 = min(height - 1.0, y1 + max(0.0, h - 1))
    return (x1, y1, x2 - x1, y2 - y1) if pose.area > 0 and x2 > x1 and y2 > y1 else None


def write_split(folder: Path, split: Split, skeleton: Skeleton) -> None:
    folder.mkdir()
    write_table(
        folder / "images.arrow",
        {
            "image_id": np.array([s.image_id for s in split.images], np.int64),
            "path": [s.image_path.relative_to(split.root).as_posix() for s in split.images],
            "width": np.array([s.width for s in split.images], np.int32),
            "height": np.array([s.height for s in split.images], np.int32),
            "crc32": np.array(split.crc32, np.int64),
        },
    )
    count, rows = len(skeleton.keypoints), [row for row, _, _ in split.people]
    poses = [pose for _, pose, _ in split.people]
    write_table(
        folder / "persons.arrow",
        {
            "person_id": np.array([pose.id for pose in poses], np.int64),
            "image_row": np.array(rows, np.int64),
            "image_id": np.array([split.images[row].image_id for row in rows], np.int64),
            "box_image": np.array([box for _, _, box in split.people], np.float32),
            "area": np.array([pose.area for pose in poses], np.float32),
            "keypoints_image": np.array([p.keypoints_image for p in poses], np.float32).reshape(
                -1, 2 * count
            ),
            "visibility": np.array([pose.visibility for pose in poses], np.int8),
        },
    )
    _write_ignore(folder / "ignore.arrow", split)


def _write_ignore(path: Path, split: Split) -> None:
    images = [split.images[row] for row, _, _ in split.ignore]
    rle = [
        run_lengths(region, pose, image.height, image.width)
        for (_, pose, region), image in zip(split.ignore, images, strict=True)
    ]
    write_table(
        path,
        {
            "image_row": np.array([row for row, _, _ in split.ignore], np.int64),
            "is_crowd": np.array([pose.is_crowd for _, pose, _ in split.ignore], np.int8),
            "counts": rle,
            "height": np.array([image.height for image in images], np.int32),
            "width": np.array([image.width for image in images], np.int32),
        },
    )


def run_lengths(region: object, pose: Pose, height: int, width: int) -> str:
    """COCO's compressed RLE of a segmentation (polygons or RLE); of the box where it is none."""
    if isinstance(region, dict) and isinstance(region.get("counts"), str):
        return str(region["counts"])
    polygons = region if isinstance(region, list) else []
    usable = [p for p in polygons if isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0]
    if isinstance(region, dict) and isinstance(region.get("counts"), list):
        encoded = mask.frPyObjects(region, height, width)
    elif usable:
        encoded = mask.merge(mask.frPyObjects(usable, height, width))
    else:
        x, y, w, h = pose.box_image
        corners = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        encoded = mask.merge(mask.frPyObjects(corners, height, width))
    return str(encoded["counts"].decode())


def write_quarantine(path: Path, rejected: Sequence[Rejected]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(Rejected)])
        writer.writerows(dataclasses.astuple(row) for row in rejected)


def bad_row_share(splits: Sequence[Split]) -> float:
    """Rows in quarantine over all rows, images and persons alike."""
    bad = sum(len(split.rejected) for split in splits)
    boxless = sum(r.reason.startswith("box") for split in splits for r in split.rejected)
    good = sum(len(split.images) + split.persons for split in splits) - boxless
    return bad / max(bad + good, 1)


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
    return {
        "dataset": dataset,
        "skeleton": module.SKELETON.name,
        "raw": raw.relative_to(places.home()).as_posix(),
        "truth": {name: path.relative_to(raw).as_posix() for name, path in truth.items()},
        "splits": {split.name: split.counts for split in splits},
        "bad_row_share": round(bad_row_share(splits), 6),
        "data_hash": data_hash(folder, truth, module.SKELETON),
    }


def data_hash(folder: Path, truth: Mapping[str, Path], skeleton: Skeleton) -> str:
    """sha256 over the tables (images by crc32), the official json and the skeleton."""
    parts: dict[str, Any] = {
        path.relative_to(folder).as_posix(): file_digest(path) for path in folder.rglob("*.arrow")
    }
    parts |= {f"truth {split}": file_digest(path) for split, path in truth.items()}
    parts["skeleton"] = dataclasses.asdict(skeleton)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def write_preview(path: Path, folder: Path, raw: Path, module: Any) -> None:
    """A page of people evenly from both splits, boxes and keypoints as the tables have them."""
    people = [
        person
        for name, share in (("train", 2 / 3), ("val", 1 / 3))
        for person in _some_people(folder / name, raw, name, round(PREVIEW_PEOPLE * share))
    ]
    write_picture(path, page_of_people(people, module.SKELETON))


def _some_people(
    folder: Path, raw: Path, split: str, count: int
) -> Iterator[tuple[np.ndarray, Pose, str]]:
    persons, images = Table(folder / "persons.arrow"), Table(folder / "images.arrow")
    for row in np.unique(np.linspace(0, len(persons) - 1, count).round().astype(int)):
        image = read_image(str(raw / images["path"][persons["image_row"][row]]))
        x, y, w, h = (float(v) for v in persons["box_image"][row])
        keypoints = persons["keypoints_image"][row].reshape(-1, 2).astype(np.float64)
        pose = Pose(keypoints, persons["visibility"][row].astype(np.int64), (x, y, w, h))
        yield image, pose, f"{split} {persons['person_id'][row]}"


def _told(dataset: str, splits: Sequence[Split]) -> str:
    lines = [
        f"  {split.name}: {len(split.images):,} images, {split.persons:,} persons, "
        f"{len(split.people):,} to train on, {len(split.rejected):,} rows in quarantine"
        for split in splits
    ]
    return "\n".join([f"{dataset}: {places.prepared(dataset)}", *lines])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
