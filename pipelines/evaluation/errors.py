"""Predictions and truth in; what goes wrong, where and by how much out. No files, no pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from data.evaluators.matching.errors import (
    KINDS,
    Diagnosis,
    diagnose,
    group_matches,
    neighbours,
)
from data.evaluators.matching.matches import OksMatches
from data.evaluators.matching.people import People, best_found, true_people
from data.evaluators.oks import MOST
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from pipelines.evaluation.bootstrap import CONFIDENCE, RESAMPLES, SEED, Interval, intervals

GROUP_RESAMPLES = 200
SIDES = (0.0, 32.0, 64.0, 96.0, 144.0, np.inf)  # square root of the area in pixels; COCO's 32, 96
KEYPOINTS = ((1, 5), (6, 10), (11, 15), (16, 10**6))  # labelled ones, as the paper groups them
CROWDING = ((0, 0), (1, 1), (2, 2), (3, 10**6))  # others whose boxes overlap


@dataclass(frozen=True)
class Group:
    """Who is in it, people [G]; astray [D]: predictions near nobody that count as its mistakes.

    Size is the only thing that such a prediction has itself: as COCO counts medium and large.
    """

    by: str
    name: str
    people: np.ndarray
    astray: np.ndarray


@dataclass(frozen=True)
class Setting:
    """All of one protocol: people and predictions of the images, in the order of their ids."""

    image_ids: np.ndarray
    truth: People
    found: People
    skeleton: Skeleton


def setting_of(
    truth: Mapping[int, Sequence[Pose]], predicted: Mapping[int, Sequence[Pose]], of: Skeleton
) -> Setting:
    ids = sorted(truth)
    keypoints = len(of.keypoints)
    people = true_people([truth[i] for i in ids], keypoints)
    found = best_found(ids, [predicted.get(i, ()) for i in ids], keypoints, MOST)
    return Setting(np.array(ids, dtype=np.int64), people, found, of)


def analyse_errors(setting: Setting, matches: OksMatches, worst: int) -> dict[str, Any]:
    """Numbers as they are, by keypoint, by group, and of the `worst` images."""
    diagnosis = diagnose(setting.truth, setting.found, len(setting.image_ids), setting.skeleton)
    own = intervals(matches, resamples=RESAMPLES, confidence=CONFIDENCE, seed=SEED)
    lost = lost_oks(setting, diagnosis)
    order = np.argsort(-lost, kind="stable")[:worst]
    return {
        "people": int(setting.truth.wanted.sum()),
        "people_found": len(diagnosis.truth),
        "predictions": len(setting.found),
        "intervals": {name: span(interval) for name, interval in own.items()},
        "errors": shares(diagnosis.kind),
        "keypoints": by_keypoint(diagnosis, setting.skeleton),
        "groups": by_group(setting),
        "worst": [image_row(setting, diagnosis, int(n), lost) for n in order if lost[n] > 0],
    }


def span(interval: Interval) -> dict[str, float]:
    return {"value": interval.difference, "low": interval.low, "high": interval.high}


def shares(kind: np.ndarray) -> dict[str, float]:
    """Of the labelled keypoints of people that were found, how many are of each kind."""
    counts = np.bincount(kind[kind >= 0], minlength=len(KINDS))
    return {name: float(n / max(1, counts.sum())) for name, n in zip(KINDS, counts, strict=True)}


def by_keypoint(diagnosis: Diagnosis, skeleton: Skeleton) -> dict[str, dict[str, float]]:
    """Per keypoint: how many were labelled, their mean similarity (what OKS averages), errors."""
    made = {}
    for k, name in enumerate(skeleton.keypoints):
        labelled = diagnosis.kind[:, k] >= 0
        values = diagnosis.similarity[labelled, k]
        mean = float(values.mean()) if len(values) else -1.0
        count = {"labelled": float(labelled.sum()), "oks": mean}
        made[name] = count | shares(diagnosis.kind[:, k])
    return made


def groups_of(setting: Setting) -> list[Group]:
    """People by size, by number of labelled keypoints and by crowding; empty groups left out."""
    truth, crowd = setting.truth, neighbours(setting.truth)
    nothing, most = np.zeros(len(setting.found), bool), len(setting.skeleton.keypoints)
    made: list[Group] = []
    for low, high in pairwise(SIDES):
        name = f"{low:g} to {high:g} px" if np.isfinite(high) else f"from {low:g} px"
        theirs, found = (within(of.area, low**2, high**2) for of in (truth, setting.found))
        made.append(Group("size", name, theirs, found))
    for least, last in KEYPOINTS:
        theirs = within(truth.labelled, least, last + 1)
        made.append(Group("keypoints", f"{least} to {min(last, most)}", theirs, nothing))
    for least, last in CROWDING:
        name = f"{least}" if least == last else f"{least} or more"
        made.append(Group("crowding", name, within(crowd, least, last + 1), nothing))
    real = truth.wanted
    made = [replace(group, people=group.people & real) for group in made]
    return [group for group in made if group.people.any()]


def within(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.asarray((values >= low) & (values < high))


def by_group(setting: Setting) -> list[dict[str, Any]]:
    """AP and AR of the people of each group alone, with the interval of AP."""
    groups = groups_of(setting)
    if not groups:
        return []
    people, astray = np.stack([g.people for g in groups]), np.stack([g.astray for g in groups])
    given = (setting.truth, setting.found, setting.image_ids, setting.skeleton)
    made = []
    for group, matches in zip(groups, group_matches(*given, people, astray), strict=True):
        found = intervals(matches, resamples=GROUP_RESAMPLES, confidence=CONFIDENCE, seed=SEED)
        made.append({"by": group.by, "group": group.name, "people": int(group.people.sum()),
                     "AP": span(found["AP"]), "AR": found["AR"].difference})  # fmt: skip
    return made


def lost_oks(setting: Setting, diagnosis: Diagnosis) -> np.ndarray:
    """Per image [I] what its people lack to an OKS of 1, all together; not found at all: 1."""
    images, truth = len(setting.image_ids), setting.truth
    people = np.bincount(truth.image_index[truth.wanted], minlength=images)
    index = truth.image_index[diagnosis.truth]
    return np.asarray(people - np.bincount(index, np.minimum(diagnosis.oks, 1.0), images))


def image_row(
    setting: Setting, diagnosis: Diagnosis, image: int, lost: np.ndarray
) -> dict[str, Any]:
    of = setting.truth.image_index[diagnosis.truth] == image
    people = int(setting.truth.wanted[setting.truth.image_index == image].sum())
    counts = shares(diagnosis.kind[of])
    return {
        "image_id": int(setting.image_ids[image]),
        "people": people,
        "found": int(of.sum()),
        "mean_oks": float(diagnosis.oks[of].sum() / max(1, people)),
        "lost_oks": float(lost[image]),
        **counts,
    }
