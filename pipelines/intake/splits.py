"""The rows of one split of a data set, each checked, with its image opened once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import tee
from operator import length_hint
from pathlib import Path
from typing import Any, NamedTuple

from data.files.images import as_seen
from data.ground.data_set import DataSet
from data.ground.reasons import kinds, row_told
from data.ground.refusal import refusal
from data.ground.sample import MOST_PEOPLE, Pose, Rejected, Sample
from pipelines.intake.image_check import Seen, Told, check_images
from pipelines.intake.person_columns import Box, PersonColumns
from pipelines.intake.regions import run_lengths

TOO_MANY = f"beyond {MOST_PEOPLE} people of its image: no network of whole images learns it"
_BOXLESS = ("box empty", "area not")  # people that were counted before they were left out
AS_STORED = "photo that EXIF turns, read as stored (`exif: apply` reads it as seen)"
NOTE = "note"  # `Rejected.kind` of rows that are used all the same


class ImageRow(NamedTuple):
    """A usable image: its path below the raw data, its size in pixels, crc32 of its bytes.

    clip: boxes of its people are cut to it (`Sample.clip`).
    """

    image_id: int
    path: str
    width: int
    height: int
    crc32: int
    clip: bool


class IgnoreRow(NamedTuple):
    """Somebody whom losses over whole images leave out: COCO's compressed RLE of the region."""

    image_row: int
    is_crowd: bool
    counts: str


@dataclass
class Split:
    """The checked rows of one split on their way into tables: no more of a row than they hold."""

    name: str
    root: Path
    images: list[ImageRow] = field(default_factory=list)
    people: PersonColumns = field(default_factory=PersonColumns)
    ignore: list[IgnoreRow] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    persons: int = 0  # all rows that could be read, crowds and people without keypoints too
    unlabelled: int = 0  # of these: crowds, and people without keypoints

    @property
    def counts(self) -> dict[str, Any]:
        return {
            "images": len(self.images),
            "persons": self.persons,
            "persons_with_keypoints": self.persons - self.unlabelled,
            "training_persons": len(self.people),
            "crowds": sum(row.is_crowd for row in self.ignore),
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
    Samples come one by one and go as they are checked, so that none waits in memory for all.
    """
    split = Split(name, raw)
    coming = dataset.samples(raw, name, split.rejected.append)
    most = length_hint(coming)
    samples, ahead = tee(coming)
    told = (Told(str(s.image_path), s.width, s.height, turned) for s in ahead)
    seen = check_images(told, f"{called} {name}: check", most=most)
    taking = _Taking(split, turned)
    for sample, answer in zip(samples, seen, strict=True):
        taking.take(sample, answer)
    split.rejected += taking.of_images + taking.of_regions
    if not split.people:
        why = kinds((r.reason, row_told(r.kind, r.id, r.image_id)) for r in split.unusable)
        fault = (
            f"no person to train on or to evaluate ({taking.images} images, {split.persons} "
            f"persons; left out: {', '.join(why[:3]) or 'nothing'})"
        )
        accepted = "at least one with labelled keypoints"
        raise refusal(dataset.named_file(raw, name), fault=fault, accepted=accepted)
    return split


class _Taking:
    """Samples with what was seen of their images, into a split; what is to be told, by what of."""

    def __init__(self, split: Split, turned: bool) -> None:
        self.split, self.turned = split, turned
        self.images = 0
        self.of_images: list[Rejected] = []
        self.of_regions: list[Rejected] = []

    def take(self, sample: Sample, seen: Seen) -> None:
        self.images += 1
        if seen.fault:
            self._say("image", sample.image_id, sample, seen.fault)
            for pose in sample.poses:
                self._say("person", pose.id, sample, "its image is not usable")
            return
        row = len(self.split.images)
        path = self._path(sample, seen).relative_to(self.split.root).as_posix()
        size = seen.width, seen.height
        image = ImageRow(sample.image_id, path, *size, seen.crc32, sample.clip)
        self.split.images.append(image)
        self.split.persons += len(sample.poses)
        regions, before = iter(sample.ignore), len(self.split.people)
        for pose in sample.poses:
            region = next(regions) if pose.has_region else None
            if region or _no_crop(pose):  # without a region the file's 0 masks nobody (HigherHRNet)
                self._ignore(row, pose, region, sample, seen)
            if not _no_crop(pose):
                self._crop(row, pose, sample, seen)
        for beyond in self.split.people.ids[before + MOST_PEOPLE :]:
            self._say(NOTE, beyond, sample, TOO_MANY)

    def _path(self, sample: Sample, seen: Seen) -> Path:
        """Where the image is read turned, or with a note that it is not."""
        if seen.orientation == 1:
            return sample.image_path
        if self.turned:
            return as_seen(sample.image_path)
        self._say(NOTE, sample.image_id, sample, AS_STORED)
        return sample.image_path

    def _crop(self, row: int, pose: Pose, sample: Sample, seen: Seen) -> None:
        if box := crop_box(pose, seen, sample.clip):
            self.split.people.add(row, pose, box)
            return
        reason = "box empty or outside the image" if pose.area > 0 else "area not above 0"
        self._say("person", pose.id, sample, reason)

    def _ignore(self, row: int, pose: Pose, region: object, sample: Sample, seen: Seen) -> None:
        self.split.unlabelled += _no_crop(pose)
        counts, why = run_lengths(region, pose, seen.height, seen.width)
        self.split.ignore.append(IgnoreRow(row, pose.is_crowd, counts))
        if why:
            said = Rejected(self.split.name, NOTE, str(pose.id), str(sample.image_id), why)
            self.of_regions.append(said)

    def _say(self, kind: str, row_id: int, sample: Sample, reason: str) -> None:
        said = Rejected(self.split.name, kind, str(row_id), str(sample.image_id), reason)
        self.of_images.append(said)


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
    images = [split.root / split.images[row].path for row in split.people.image_rows]
    drawn = dataset.draw_people(split.root, split.name, images, weights)
    if drawn is not None:
        split.people.draw(drawn)


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
