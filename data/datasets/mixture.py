"""Several data sets as one: keypoints go by name to one skeleton, what a member lacks is absent.

The first member has that skeleton: `val` and truth are its own, untouched, so numbers compare with
those of trainings on it alone; the others only add to `train`. ROOT/MEMBER are the members' roots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data.ground.sample import Pose, Reject, Rejected, Sample
from data.ground.skeleton import Skeleton

APART = 10**14  # between the ids of two members' images or people, more than any of them has
COPY = 10**16  # between the ids of one person's copies


def accept(rejected: Rejected) -> None:
    """The default `reject`: unusable rows are left out without a word."""


@dataclass(frozen=True)
class Mixture:
    """A data set of the menu as any module there; `members` by their names on the menu.

    Raises ValueError where no other member shares a keypoint with the first.
    """

    members: Mapping[str, Any]
    SPLITS: tuple[str, ...] = ("train", "val")

    def __post_init__(self) -> None:
        for name, module in self.members.items():
            if not set(module.SKELETON.keypoints) & set(self.SKELETON.keypoints):
                raise ValueError(f"mixture: {name} shares no keypoint with {self.first}")

    @property
    def first(self) -> str:
        """The member that is scored."""
        return next(iter(self.members))

    @property
    def SKELETON(self) -> Skeleton:  # noqa: N802 (what modules of data sets call it)
        skeleton: Skeleton = self.members[self.first].SKELETON
        return skeleton

    def truth_file(self, root: Path, split: str) -> Path:
        path: Path = self.members[self.first].truth_file(root / self.first, split)
        return path

    def truth_files(self, root: Path, split: str) -> list[Path]:
        """The scored member's, then those that others train by."""
        own = self.truth_file(root, split)
        others = self.members if split == "train" else ()
        return [own, *(path for name in others for path in self._files(root, name, split)
                       if path != own)]  # fmt: skip

    def detections_file(self, root: Path, split: str) -> Path | None:
        find = getattr(self.members[self.first], "detections_file", None)
        path: Path | None = find(root / self.first, split) if find else None
        return path

    def truth(self, root: Path, split: str) -> dict[int, list[Pose]]:
        """The scored member's, untouched."""
        people: dict[int, list[Pose]] = self.members[self.first].truth(root / self.first, split)
        return people

    def samples(self, root: Path, split: str, reject: Reject = accept) -> Iterator[Sample]:
        """Of `train` those of all members, else of the first alone; ids of members lie apart."""
        for number, (name, module) in enumerate(self.members.items()):
            if number and split != "train":
                return
            places = keypoint_places(module.SKELETON, self.SKELETON)
            for sample in module.samples(root / name, split, reject):
                yield _moved(sample, places, number * APART)

    def member_of(self, root: Path, image_path: Path) -> str:
        """Which member an image of `samples` is of."""
        return image_path.relative_to(root).parts[0]

    def check_weights(self, weights: object, where: str) -> dict[str, float]:
        """A weight of each member. Raises ValueError that says where they stand."""
        names = list(self.members)
        right = isinstance(weights, Mapping) and list(weights) == names
        if not right or not all(_is_weight(w) for w in weights.values()):  # type: ignore[attr-defined]
            raise ValueError(f"{where}: given {weights!r}, accepted: a number above 0 and up to "
                             f"100 for each of {', '.join(names)}, in this order")  # fmt: skip
        return {name: float(weights[name]) for name in names}  # type: ignore[index]

    def _files(self, root: Path, name: str, split: str) -> list[Path]:
        module = self.members[name]
        find = getattr(module, "truth_files", None)
        return list(find(root / name, split)) if find else [module.truth_file(root / name, split)]


def keypoint_places(source: Skeleton, target: Skeleton) -> np.ndarray:
    """Per keypoint of the target its place in the source, -1 where the source has none [K]."""
    place = {name: k for k, name in enumerate(source.keypoints)}
    return np.array([place.get(name, -1) for name in target.keypoints])


def to_skeleton(pose: Pose, places: np.ndarray) -> Pose:
    """The pose with keypoints at `places`; those that are nowhere are absent."""
    there = places >= 0
    points = np.where(there[:, None], pose.keypoints_image[places], 0.0)
    return replace(
        pose, keypoints_image=points, visibility=np.where(there, pose.visibility[places], 0)
    )


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 100


def _moved(sample: Sample, places: np.ndarray, apart: int) -> Sample:
    """The sample in the target's skeleton; who keeps no keypoint there gets a region to ignore."""
    regions = iter(sample.ignore)
    poses, ignore = [], []
    for pose in sample.poses:
        had_region = pose.is_crowd or not pose.visibility.any()
        region = next(regions) if had_region else []
        pose = replace(to_skeleton(pose, places), id=pose.id + apart)
        if had_region or not pose.visibility.any():
            ignore.append(region)
        poses.append(pose)
    return replace(
        sample, image_id=sample.image_id + apart, poses=tuple(poses), ignore=tuple(ignore)
    )


def drawn_rows(member: list[str], weights: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Rows [M] of people, and which copy each is [M], so that each member has weight x its people.

    Deterministic: a weight of 0.5 takes every second person, 1.5 every second one twice.
    """
    names = np.array(member, dtype=str)
    rows, copies = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for name, weight in weights.items():
        of = np.flatnonzero(names == name)
        count = round(weight * len(of))
        chosen = np.arange(count) * len(of) // max(count, 1)  # rising, each as often as the others
        first = np.searchsorted(chosen, chosen)
        rows.append(of[chosen])
        copies.append(np.arange(count) - first)
    return np.concatenate(rows), np.concatenate(copies)
