"""Several data sets as one: keypoints go by name to one skeleton, what a member lacks is absent.

The first member has that skeleton: `val` and truth are its own, untouched, so numbers compare with
those of trainings on it alone; the others only add to `train`. ROOT/MEMBER are the members' roots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.ground.data_set import DataSet, Drawn, Making, accept
from data.ground.refusal import refusal
from data.ground.sample import Pose, Reject, Rejected, Sample
from data.ground.skeleton import Skeleton

APART = 10**14  # between the ids of two members' images or people, more than any of them has
TOO_LARGE = "ids of 10^14 and more cannot be mixed with others'"
COPY = 10**16  # between the ids of one person's copies


class Mixture(DataSet):
    """`members` by their names on the menu, the scored one first.

    Raises ValueError where no other member shares a keypoint with the first.
    """

    SPLITS = ("train", "val")

    def __init__(self, members: Mapping[str, DataSet]) -> None:
        self.members = members
        self.first = next(iter(members))
        self.scored = members[self.first]
        self.SKELETON, self.EVALUATORS = self.scored.SKELETON, self.scored.EVALUATORS
        for name, member in members.items():
            if not set(member.SKELETON.keypoints) & set(self.SKELETON.keypoints):
                raise ValueError(f"mixture: {name} shares no keypoint with {self.first}")

    def truth_file(self, root: Path, split: str) -> Path:
        return self.scored.truth_file(root / self.first, split)

    def truth_files(self, root: Path, split: str) -> list[Path]:
        """The scored member's, then those that others train by."""
        own = self.truth_file(root, split)
        others = self.members if split == "train" else {}
        paths = [
            path
            for name, member in others.items()
            for path in member.truth_files(root / name, split)
        ]
        return [own, *(path for path in paths if path != own)]

    def detections_file(self, root: Path, split: str) -> Path | None:
        return self.scored.detections_file(root / self.first, split)

    def truth(self, root: Path, split: str) -> dict[int, list[Pose]]:
        """The scored member's, untouched."""
        return self.scored.truth(root / self.first, split)

    def samples(self, root: Path, split: str, reject: Reject = accept) -> Iterator[Sample]:
        """Of `train` those of all members, else of the first alone; ids of members lie apart."""
        for number, (name, member) in enumerate(self.members.items()):
            if number and split != "train":
                return
            places = keypoint_places(member.SKELETON, self.SKELETON)
            for sample in member.samples(root / name, split, reject):
                if split == "train" and _too_large(sample):
                    image_id = str(sample.image_id)
                    reject(Rejected(split, "image", image_id, image_id, TOO_LARGE))
                else:
                    yield _moved(sample, places, number * APART)

    def make(self, making: Making) -> None:
        """Links to the members' raw files."""
        for name in self.members:
            (making.folder / name).symlink_to(making.members[name])

    def member_of(self, root: Path, image_path: Path) -> str:
        """Which member an image of `samples` is of."""
        return image_path.relative_to(root).parts[0]

    def check_weights(self, weights: object, where: str) -> dict[str, float]:
        """A weight of each member. Raises ValueError that says where they stand."""
        names = list(self.members)
        if (
            not isinstance(weights, Mapping)
            or list(weights) != names
            or not all(_is_weight(weight) for weight in weights.values())
        ):
            accepted = f"a number above 0 and up to 100 for each of {', '.join(names)}, in this"
            raise refusal(where, given=weights, accepted=f"{accepted} order")
        return {name: float(weights[name]) for name in names}

    def draw_people(
        self, root: Path, split: str, images: Sequence[Path], weights: Mapping[str, float]
    ) -> Drawn | None:
        """Of each member weight x its people: some left out, or some more than once."""
        if split != "train":
            return None
        rows, copies = drawn_rows([self.member_of(root, path) for path in images], weights)
        return Drawn(rows, copies * COPY)


def keypoint_places(source: Skeleton, target: Skeleton) -> np.ndarray:
    """Per keypoint of the target its place in the source, -1 where the source has none [K]."""
    place = {name: k for k, name in enumerate(source.keypoints)}
    return np.array([place.get(name, -1) for name in target.keypoints])


def to_skeleton(pose: Pose, places: np.ndarray) -> Pose:
    """The pose with keypoints at `places`; those that are nowhere are absent."""
    there = places >= 0
    points = np.where(there[:, None], pose.keypoints_image[places], 0.0)
    return replace(
        pose,
        keypoints_image=points,
        visibility=np.where(there, pose.visibility[places], 0),
        num_keypoints=0 if pose.num_keypoints == 0 else None,  # others are of its own skeleton
    )


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 100


def _too_large(sample: Sample) -> bool:
    return any(abs(n) >= APART for n in (sample.image_id, *(pose.id for pose in sample.poses)))


def _moved(sample: Sample, places: np.ndarray, apart: int) -> Sample:
    """The sample in the target's skeleton; who keeps no keypoint there gets a region to ignore."""
    regions = iter(sample.ignore)
    poses, ignore = [], []
    for pose in sample.poses:
        had_region = pose.has_region
        region = next(regions) if had_region else []
        pose = replace(to_skeleton(pose, places), id=pose.id + apart)
        if pose.has_region:
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
