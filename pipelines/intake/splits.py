"""The rows of one split of a data set, each checked, with its image opened once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.files.images import as_seen
from data.ground.data_set import DataSet
from data.ground.reasons import kinds, row_told
from data.ground.refusal import refusal
from data.ground.sample import MOST_PEOPLE, Pose, Rejected, Sample
from pipelines.intake.image_check import Seen, Told, check_images

Box = tuple[float, float, float, float]
TOO_MANY = f"beyond {MOST_PEOPLE} people of its image: no network of whole images learns it"
_BOXLESS = ("box empty", "area not")  # people that were counted before they were left out
AS_STORED = "photo that EXIF turns, read as stored (`exif: apply` reads it as seen)"
NOTE = "note"  # `Rejected.kind` of rows that are used all the same


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
        unlabelled = sum(_no_crop(pose) for _, pose, _ in self.ignore)
        return {
            "images": len(self.images),
            "persons": self.persons,
            "persons_with_keypoints": self.persons - unlabelled,
            "training_persons": len(self.people),
            "crowds": crowds,
            "quarantined": _by_reason(self.unusable),
            "notes": _by_reason([row for row in self.rejected if row.kind == NOTE]),
        }

    @property
    def unusable(self) -> list[Rejected]:
        """Rows that are left out: of `rejected` all but the notes."""
        return [row for row in self.rejected if row.kind != NOTE]


def read_split(dataset: DataSet, called: str, name: str, raw: Path, turned: bool = False) -> Split:
    """Split `name` of a data set, `called` so in progress; ValueError where nobody is in it.

    turned: photos are read as their EXIF says, by everybody who reads the tables (`as_seen`).
    """
    split = Split(name, raw)
    samples = list(dataset.samples(raw, name, split.rejected.append))
    told = [Told(str(s.image_path), s.width, s.height, turned) for s in samples]
    seen = check_images(told, f"{called} {name}: check")
    for sample, answer in zip(samples, seen, strict=True):
        _take(split, _turned(split, sample, answer, turned), answer)
    if not split.people:
        why = kinds((r.reason, row_told(r.kind, r.id, r.image_id)) for r in split.unusable)
        fault = (
            f"no person to train on or to evaluate ({len(samples)} images, {split.persons} "
            f"persons; left out: {', '.join(why[:3]) or 'nothing'})"
        )
        accepted = "at least one with labelled keypoints"
        raise refusal(dataset.named_file(raw, name), fault=fault, accepted=accepted)
    return split


def _turned(split: Split, sample: Sample, seen: Seen, turned: bool) -> Sample:
    """The sample by the path that reads it turned, or with a note that it is not."""
    if seen.fault or seen.orientation == 1:
        return sample
    if turned:
        return replace(sample, image_path=as_seen(sample.image_path))
    image_id = str(sample.image_id)
    split.rejected.append(Rejected(split.name, NOTE, image_id, image_id, AS_STORED))
    return sample


def _take(split: Split, sample: Sample, seen: Seen) -> None:
    image_id = str(sample.image_id)
    if seen.fault:
        split.rejected.append(Rejected(split.name, "image", image_id, image_id, seen.fault))
        for pose in sample.poses:
            why = Rejected(split.name, "person", str(pose.id), image_id, "its image is not usable")
            split.rejected.append(why)
        return
    row = len(split.images)
    split.images.append(replace(sample, width=seen.width, height=seen.height))
    split.crc32.append(seen.crc32)
    split.persons += len(sample.poses)
    regions, before = iter(sample.ignore), len(split.people)
    for pose in sample.poses:
        region = next(regions) if pose.has_region else None
        if region or _no_crop(pose):  # without a region the file's 0 masks nobody (HigherHRNet)
            split.ignore.append((row, pose, region))
        if _no_crop(pose):
            continue
        if box := crop_box(pose, seen, sample.clip):
            split.people.append((row, pose, box))
        else:
            reason = "box empty or outside the image" if pose.area > 0 else "area not above 0"
            split.rejected.append(Rejected(split.name, "person", str(pose.id), image_id, reason))
    for _, pose, _ in split.people[before + MOST_PEOPLE :]:
        split.rejected.append(Rejected(split.name, NOTE, str(pose.id), image_id, TOO_MANY))


def _no_crop(pose: Pose) -> bool:
    return pose.is_crowd or not pose.visibility.any()


def _by_reason(rows: Sequence[Rejected]) -> dict[str, int]:
    return dict(sorted(Counter(row.reason for row in rows).items()))


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


def weigh(split: Split, dataset: DataSet, weights: Mapping[str, float]) -> None:
    """Leaves whom the data set's weights draw: some out, or some more than once, other ids each."""
    images = [split.images[row].image_path for row, _, _ in split.people]
    drawn = dataset.draw_people(split.root, split.name, images, weights)
    if drawn is None:
        return
    people = [split.people[row] for row in drawn.rows]
    split.people = [
        (row, replace(pose, id=pose.id + int(added)), box)
        for (row, pose, box), added in zip(people, drawn.added, strict=True)
    ]


def crop_box(pose: Pose, seen: Seen, clip: bool) -> Box | None:
    """What the loader crops by; None where there is nothing to crop."""
    if clip:
        return clip_box(pose, seen.width, seen.height)
    return pose.box_image if pose.area > 0 else None


def bad_row_share(splits: Sequence[Split]) -> float:
    """Rows in quarantine over all rows, images and persons alike."""
    bad = sum(len(split.unusable) for split in splits)
    boxless = sum(r.reason.startswith(_BOXLESS) for split in splits for r in split.rejected)
    good = sum(len(split.images) + split.persons for split in splits) - boxless
    return bad / max(bad + good, 1)
