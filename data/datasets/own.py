"""Own data sets: entries of params.yaml, labelled with any tool whose format is read.

In: the user's labels and images, which stay where and as they are. Out, as raw data:
annotations/{train,val}.json (COCO's keypoints, with names in the skeleton's order),
images/{train,val} (links to the user's folders).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.datasets.formats.labels import Labels, Reader
from data.datasets.sources import coco_json, own_rows
from data.datasets.sources.splitting import Cut, divided, told_splits
from data.ground.data_set import DataSet, Making, accept
from data.ground.refusal import refusal
from data.ground.sample import Pose, Reject, Rejected, Sample
from data.ground.skeleton import Skeleton
from data.ground.spans import Share

SPLITS = ("train", "val")


@dataclass(frozen=True)
class Part:
    """Where labels and their images lie; relative paths from the home folder."""

    labels: str
    images: str


@dataclass(frozen=True)
class Source:
    """An own data set's entry in params.yaml.

    format: on the menu of formats; val, or split: who is evaluated on (neither: the labels tell
    their splits, as data.yaml does); category: what a person is called, where several have
    keypoints; skeleton: a name or a file, else that of the data set's name; exif: whether photos
    are read turned, as people see them, or as they are stored (as COCO's tools do).
    """

    format: str
    train: Part
    val: Part | None = None
    split: Cut | None = None
    category: str | None = None
    skeleton: str | None = None
    exif: Literal["stored", "apply"] = "stored"
    bad_row_limit: Share = 0.1  # one bad row of a dozen is no reason to stop
    detections: str | None = None

    def check(self, where: str) -> None:
        """Raises ValueError for what types alone cannot refuse."""
        if self.val is not None and self.split is not None:
            do = "leave one of them out"
            raise refusal(f"{where}.split", fault="given beside `val`", do=do)
        if self.split is not None and not 0 < self.split.val < 1:
            accepted = "a share between 0 and 1, as 0.2"
            raise refusal(f"{where}.split.val", given=self.split.val, accepted=accepted)


class OwnData(DataSet):
    """One of them: its name, its entry, its skeleton, how its format is read."""

    SPLITS = SPLITS
    EVALUATORS = ("oks", "keypoint_distance")

    def __init__(self, name: str, source: Source, skeleton: Skeleton, read: Reader) -> None:
        self.name, self.source, self.SKELETON, self._read = name, source, skeleton, read
        told = f"what fetch wrote of {source.train.labels}"
        self._rows = coco_json.Rows(skeleton, told=told, sizes_told=False)

    def truth_file(self, root: Path, split: str) -> Path:
        return root / "annotations" / f"{split}.json"

    def named_file(self, root: Path, split: str) -> Path:
        """The user's own labels."""
        part = self.source.val if split == "val" else None
        return Path((part or self.source.train).labels)

    def images_folder(self, root: Path, split: str) -> Path:
        return root / "images" / split

    def detections_file(self, root: Path, split: str) -> Path | None:
        """The file that the entry's `detections` names: boxes in the images of val."""
        name = Path(self.source.detections or "").name
        path = root / "person_detection_results" / name
        return path if name and split == "val" and path.is_file() else None

    def samples(self, root: Path, split: str, reject: Reject = accept) -> Iterator[Sample]:
        """Rows that the reader could not use are rejected here, with its reasons."""
        content = coco_json.read_truth(self.truth_file(root, split), self._rows)
        for note in content.get("notes", ()):
            reject(Rejected(split, note["kind"], note["id"], note["image"], note["reason"]))
        folder = self.images_folder(root, split)
        return coco_json.samples_of(content, folder, split, reject, self._rows)

    def truth(self, root: Path, split: str) -> dict[int, list[Pose]]:
        content = coco_json.read_truth(self.truth_file(root, split), self._rows)
        return coco_json.truth_of(content, self._rows)

    def reads(self, home: Path) -> list[Path]:
        """Labels and images; of YOLO's also `labels` beside `images`, and lists of images."""
        parts = [self.source.train, *([self.source.val] if self.source.val else [])]
        found = []
        for part in parts:
            labels, images = (home / Path(each).expanduser() for each in (part.labels, part.images))
            found += [labels, images]
            if images.name == "images":
                found.append(images.with_name("labels"))
            if labels.suffix in (".yaml", ".yml"):
                found += [labels.with_name("labels"), *sorted(labels.parent.glob("*.txt"))]
        return [path for path in dict.fromkeys(found) if path.exists() or path.name != "labels"]

    def make(self, making: Making) -> None:
        """Reads the labels, writes them in one form, links the images.

        Raises ValueError that names the user's file.
        """
        for split, (part, labels) in self.read_labels(making.home, making.where).items():
            folder = making.home / Path(part.images).expanduser()
            with making.counting(f"labels {split}", len(labels.images)) as tell:
                content = own_rows.coco_content(labels, self.SKELETON, part.labels, tell)
            own_rows.write_content(self.truth_file(making.folder, split), content)
            link = self.images_folder(making.folder, split)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(folder.resolve())

    def read_labels(self, home: Path, where: str) -> dict[str, tuple[Part, Labels]]:
        """Per split where its files lie, and what its labels say, as the user's files have it."""
        source = self.source
        train = self._labels(source.train, home, where)
        if source.val is not None:
            val = self._labels(source.val, home, where)
            return {"train": (source.train, train), "val": (source.val, val)}
        named = source.train.labels
        if source.split is not None:
            made = divided(train, source.split, f"{where}.split: {named}")
        else:
            made = told_splits(train, SPLITS, f"{where}: {named}")
        return {split: (source.train, labels) for split, labels in made.items()}

    def _labels(self, part: Part, home: Path, where: str) -> Labels:
        labels, images = (home / Path(p).expanduser() for p in (part.labels, part.images))
        if not images.is_dir():
            do = f"correct it in {where}"
            raise refusal(images, fault="no such folder of images", do=do)
        if not labels.exists():
            raise refusal(labels, fault="no such file of labels", do=f"correct it in {where}")
        return self._read(labels, images, self.source.category)
