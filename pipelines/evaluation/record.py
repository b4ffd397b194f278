"""evaluation.json and metrics.json of an evaluation: its numbers, and what they are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.ground.json_text import read_object
from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.recipe.json_records import record_of
from pipelines.recipe.strict import LATER, as_plain_data

DO = "run `make repro` (RECIPE=... where params.yaml does not run it)"
FLIP = {True: "no_flip", False: "flip"}  # flip test of the recipe -> the key of the other numbers


@dataclass(frozen=True)
class Identity:
    """Whose evaluation: of a recipe's training, or of the version of a slot made from it."""

    recipe: str
    run_id: str | None
    slot: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Settings:
    """How it was scored, as the recipe's `evaluation` says."""

    evaluator: str
    flip_test: bool
    keypoint_threshold: float
    nms_threshold: float
    scales: list[float] | None = field(default=None, metadata=LATER)


@dataclass(frozen=True)
class NetworkCost:
    """Of one image: parameters, multiply-accumulates in the four counts of `models.cost`."""

    params: int
    exact_g: float
    exact_gi: float
    hr_g: float
    hr_gi: float


@dataclass(frozen=True)
class Counts:
    """Images that were scored, and on how many of them nothing could be found; boxes, if any.

    other_categories_left_out: rows of a detector's file by category id, None where all are people;
    people_left_out: who could not be scored, by the reason, None where everybody could.
    """

    images: int
    unreadable_images: int
    images_without_boxes: int
    boxes: int | None = field(default=None, metadata=LATER)
    empty_boxes_left_out: int | None = field(default=None, metadata=LATER)
    other_categories_left_out: dict[str, int] | None = field(default=None, metadata=LATER)
    people_left_out: dict[str, int] | None = field(default=None, metadata=LATER)


@dataclass(frozen=True)
class BoxesFrom:
    """Whose boxes `det` starts from: a detector's of params.yaml, or those of a file that the data
    set `brought` (papers' numbers are of such).

    name: the detector's or the file's; kind, sha256: of the detector's network; boxes_sha256: of
    the file of boxes; AP, AP50, AR: how well they find people, None where that is not known.
    """

    name: str
    brought: bool
    boxes_sha256: str
    kind: str | None = field(default=None, metadata=LATER)
    sha256: str | None = field(default=None, metadata=LATER)
    AP: float | None = field(default=None, metadata=LATER)
    AP50: float | None = field(default=None, metadata=LATER)
    AR: float | None = field(default=None, metadata=LATER)

    @property
    def told(self) -> str:
        """`nanodet (boxes AP 0.323, AR 0.430)`."""
        if self.AP is None or self.AR is None:
            return self.name
        return f"{self.name} (boxes AP {self.AP:.3f}, AR {self.AR:.3f})"


def has_evaluation(folder: Path) -> bool:
    return (folder / places.EVALUATION).is_file()


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    """numbers: `AP@gt`..., fractions of 1; others: with the flip test the other way round.

    decode: options of the codec that were not the recipe's, None where all were;
    recipe_digest, fingerprint, epoch: of the training; trained_on: the hash of its data;
    data_hash: of those that it was evaluated on; counts: by protocol; seconds: it took; boxes_from:
    whose boxes `det` starts from, None without `det`, and of evaluations that did not say yet.
    """

    slot: str | None = field(default=None, metadata=LATER)
    version: str | None = field(default=None, metadata=LATER)
    decode: dict[str, Any] | None = field(default=None, metadata=LATER)
    boxes_from: BoxesFrom | None = field(default=None, metadata=LATER)
    recipe: str
    run_id: str | None
    dataset: str
    split: str
    fingerprint: str
    recipe_digest: str
    trained_on: str
    data_hash: str
    epoch: int
    input_size: list[int]
    device: str
    protocol: Settings
    cost: NetworkCost
    seconds: float
    counts: dict[str, Counts]
    numbers: dict[str, float]
    others: dict[str, float]

    @property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds."""
        return {**self.numbers, FLIP[self.protocol.flip_test]: self.others}

    @property
    def boxes_numbers(self) -> dict[str, float]:
        """How good the boxes are that `det` starts from: `boxes_AP@det`..., where that is known."""
        boxes = self.boxes_from
        known = {} if boxes is None else {"AP": boxes.AP, "AP50": boxes.AP50, "AR": boxes.AR}
        return {f"boxes_{k}@det": value for k, value in known.items() if value is not None}

    @property
    def boxes_tags(self) -> dict[str, str]:
        """Whose boxes `det` starts from, as MLflow's runs and versions are tagged with it."""
        boxes = self.boxes_from
        if boxes is None:
            return {}
        return {"limber.detector": boxes.told, "limber.boxes_sha256": boxes.boxes_sha256}

    @property
    def images(self) -> int:
        return next(iter(self.counts.values())).images

    def value(self, metric: str, protocol: str) -> float:
        return float(self.numbers[f"{metric}@{protocol}"])

    def shared_protocol(
        self, metric: str, protocols: Sequence[str], other: EvaluationRecord | None = None
    ) -> str:
        """The first of `protocols` that it has the metric under, best one that the other has.

        Of `det` the other has the same where it starts from the very same boxes.
        """
        mine = [p for p in protocols if f"{metric}@{p}" in self.numbers]
        theirs = other or self
        shared = [p for p in mine if f"{metric}@{p}" in theirs.numbers and self.shares(p, theirs)]
        return (shared or mine)[0]

    def shares(self, protocol: str, other: EvaluationRecord) -> bool:
        """Whether numbers of that protocol start from the same people in both."""
        if protocol != "det":
            return True
        mine, theirs = self.boxes_from, other.boxes_from
        if mine is None or theirs is None:  # of before: there were brought files alone
            return self.as_papers(protocol) and other.as_papers(protocol)
        return mine.boxes_sha256 == theirs.boxes_sha256

    def as_papers(self, protocol: str) -> bool:
        """Whether numbers of that protocol start from what papers' do: no detector of our own."""
        return protocol != "det" or self.boxes_from is None or self.boxes_from.brought

    def digest(self) -> str:
        """Changes when any number does: a version is decided anew after another evaluation."""
        return hashlib.sha256(json.dumps(self.metrics, sort_keys=True).encode()).hexdigest()[:12]

    def write(self, folder: Path) -> None:
        facts = as_plain_data(self, without=("numbers", "others"))
        (folder / places.EVALUATION).write_text(json.dumps(facts, indent=2) + "\n")
        self.write_metrics(folder / places.METRICS)

    def write_metrics(self, path: Path) -> None:
        path.write_text(json.dumps(self.metrics, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path, do: str = DO) -> EvaluationRecord:
        """Raises ValueError where the folder is not a whole evaluation."""
        if not has_evaluation(folder):
            raise refusal(folder, fault=f"no evaluation in it (no {places.EVALUATION})", do=do)
        facts = read_object(folder / places.EVALUATION, do, do)
        numbers = read_object(folder / places.METRICS, do, do)
        other = next((key for key in FLIP.values() if key in numbers), None)
        if other is None:
            lacking = f"lacks {' or '.join(FLIP.values())}"
            raise refusal(folder / places.METRICS, fault=lacking, do=do)
        content = {**facts, "others": numbers.pop(other), "numbers": numbers}
        return record_of(cls, content, folder / places.EVALUATION, do)
