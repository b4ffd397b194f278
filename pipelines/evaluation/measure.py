"""A trained network scored on its split: numbers, predictions, matches, pictures, cost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from data.ground.sample import Pose
from data.menus import EVALUATORS
from models.cost import count
from pipelines.evaluation.detector_boxes import boxes_found, boxes_from, tell_boxes_from
from pipelines.evaluation.pictures import write_fields, write_overlays
from pipelines.evaluation.record import (
    Counts,
    EvaluationRecord,
    Identity,
    NetworkCost,
    Settings,
)
from pipelines.evaluation.scoring import name_protocol, score_poses
from pipelines.host.folders import whole_folder
from pipelines.host.progress import told_number
from pipelines.intake.prepared import data_hash, image_files
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.coco_results import results_rows
from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.feeds import feed_kind
from pipelines.prediction.poses import ByImage
from pipelines.prediction.reading import read_poses
from pipelines.prediction.split import split_place
from pipelines.prediction.trained import Trained
from pipelines.recipe.build import build_codec
from pipelines.recipe.datasets import data_set

Reader = Callable[..., list[ByImage]]


def write_evaluation(
    trained: Trained, folder: Path, identity: Identity, read: Reader = read_poses
) -> EvaluationRecord:
    """Evaluates on the recipe's data set and split; fills `folder`, whole or not at all.

    read: as `read_poses`, the poses of each protocol's boxes.
    """
    started = time.monotonic()
    recipe, place = trained.recipe, split_place(trained.recipe)
    labelled = data_set(recipe.dataset)
    truth = labelled.truth(place.raw, place.split)
    files = image_files(place.prepared, place.raw, place.split)
    protocols = box_sets(trained, place, truth.keys())
    whose = boxes_from(recipe.dataset, place) if "det" in protocols else None
    if whose is not None:
        tell_boxes_from(recipe.dataset, whose)
    numbers: dict[str, float] = {}
    others: dict[str, float] = {}
    counts: dict[str, Counts] = {}
    with whole_folder(folder) as part:
        for protocol, boxes in protocols.items():
            scored = write_protocol(part, trained, protocol, boxes, files, truth, read)
            numbers, others = numbers | scored.numbers, others | scored.others
            counts[protocol] = count_boxes(boxes, truth, files, scored.left_out)
        record = EvaluationRecord(
            **asdict(identity),
            **describe(trained),
            boxes_from=whose,
            seconds=round(time.monotonic() - started, 1),
            counts=counts,
            numbers=numbers,
            others=others,
        )
        record.write(part)
    return record


def box_sets(
    trained: Trained, place: SplitPlace, known: Collection[int]
) -> dict[str, Boxes | None]:
    """Per protocol its boxes; an evaluator that goes by person has no use for a detector's.

    Where the data set brings no detector's, those that the stage detect found.
    """
    recipe, kind = trained.recipe, feed_kind(trained.codec)
    sets = kind.box_sets(data_set(recipe.dataset), trained.codec, place, known)
    if EVALUATORS[recipe.evaluation.evaluator].by_person:
        return {kind.protocol: sets[kind.protocol]}
    if trained.codec.whole_image or "det" in sets:
        return sets
    found = boxes_found(recipe.dataset, place, known)
    return sets if found is None else sets | {"det": found}


@dataclass(frozen=True)
class Scored:
    """Numbers as the recipe asks for them, `others` with the flip test the other way round."""

    numbers: dict[str, float]
    others: dict[str, float]
    left_out: Mapping[str, int]


def write_protocol(
    part: Path,
    trained: Trained,
    protocol: str,
    boxes: Boxes | None,
    files: Mapping[int, Path],
    truth: Mapping[int, list[Pose]],
    read: Reader,
) -> Scored:
    """What of one protocol lies on disk beside its numbers: matches, predictions, pictures."""
    recipe = trained.recipe
    plain, flipped = read(trained, boxes, files, both=True)
    poses, others = (flipped, plain) if recipe.evaluation.flip_test else (plain, flipped)
    judge, skeleton = recipe.evaluation.evaluator, trained.skeleton
    evaluator = score_poses(judge, skeleton, poses, truth)
    evaluator.matches().save(part / f"matches_{protocol}.npz")
    write_json(part / f"predictions_{protocol}.json", results_rows(poses), indent=None)
    if protocol == feed_kind(trained.codec).protocol:
        write_overlays(part / "overlays", trained, poses, files)
    if boxes is None:
        write_fields(part / "fields", trained, list(files))
    numbers = name_protocol(evaluator.result(), protocol)
    left_out = evaluator.left_out()
    tell_left_out(protocol, boxes, left_out)
    print(f"{protocol}: {'  '.join(f'{k} {told_number(k, v)}' for k, v in numbers.items())}")
    other = name_protocol(score_poses(judge, skeleton, others, truth).result(), protocol)
    return Scored(numbers, other, left_out)


def count_boxes(
    boxes: Boxes | None,
    truth: Mapping[int, object],
    files: Mapping[int, Path],
    left_out: Mapping[str, int],
) -> Counts:
    """How many images were scored, and on how many of them nothing could be found."""
    images, unreadable = len(truth), len(set(truth) - set(files))
    people = dict(left_out) or None
    if boxes is None:
        return Counts(images, unreadable, images_without_boxes=0, people_left_out=people)
    without = len(set(truth) - {int(i) for i in boxes.image_id})
    others = dict(boxes.others) or None
    return Counts(images, unreadable, without, len(boxes), boxes.empty, others, people)


def tell_left_out(protocol: str, boxes: Boxes | None, people: Mapping[str, int]) -> None:
    """A line on who is not scored, on what of a detector's file is nobody's box, on none at all."""
    for reason, many in people.items():
        print(f"{protocol}: {many:,} {reason} left out")
    if boxes is None:
        return
    if not len(boxes):
        print(f"{protocol}: no boxes: nobody can be found from them")
    if boxes.others:
        told = ", ".join(f"{each} ({rows:,})" for each, rows in boxes.others.items())
        print(f"{protocol}: boxes of other categories than person left out: {told}")


def describe(trained: Trained) -> dict[str, Any]:
    """What was evaluated, on what: lineage, protocol, cost in the four counts."""
    recipe, origin = trained.recipe, trained.origin
    cost = count(trained.network, trained.input_size)
    own, used = vars(build_codec(recipe)), vars(trained.codec)
    return {
        "decode": {key: used[key] for key in used if used[key] != own[key]} or None,
        "dataset": recipe.dataset,
        "split": recipe.evaluation.split,
        "fingerprint": origin.fingerprint,
        "recipe_digest": recipe.digest(),
        "trained_on": origin.data_hash,
        "data_hash": data_hash(recipe.dataset),
        "epoch": origin.epoch,
        "input_size": recipe.input_size,
        "device": trained.device.type,
        "protocol": Settings(**_named(Settings, recipe.evaluation)),
        "cost": NetworkCost(**_named(NetworkCost, cost)),
    }


def _named(kind: Any, source: object) -> dict[str, Any]:
    """What `source` has under the names of the fields of `kind`."""
    return {field.name: getattr(source, field.name) for field in fields(kind)}


def write_json(path: Path, content: object, indent: int | None = 2) -> None:
    path.write_text(json.dumps(content, indent=indent) + "\n")
