"""A trained network scored on its split: numbers, predictions, matches, pictures, cost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from data.ground.sample import Pose
from models.cost import count
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
from pipelines.intake.prepared import data_hash, image_files
from pipelines.prediction.boxes import Boxes
from pipelines.prediction.coco_results import results_rows
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
    protocols = feed_kind(trained.codec).box_sets(labelled, trained.codec, place, truth.keys())
    numbers: dict[str, float] = {}
    others: dict[str, float] = {}
    with whole_folder(folder) as part:
        for protocol, boxes in protocols.items():
            found, other = write_protocol(part, trained, protocol, boxes, files, truth, read)
            numbers, others = numbers | found, others | other
        record = EvaluationRecord(
            **asdict(identity),
            **describe(trained),
            seconds=round(time.monotonic() - started, 1),
            counts={p: count_boxes(boxes, truth, files) for p, boxes in protocols.items()},
            numbers=numbers,
            others=others,
        )
        record.write(part)
    return record


def write_protocol(
    part: Path,
    trained: Trained,
    protocol: str,
    boxes: Boxes | None,
    files: Mapping[int, Path],
    truth: Mapping[int, list[Pose]],
    read: Reader,
) -> tuple[dict[str, float], dict[str, float]]:
    """Numbers as the recipe asks for them, and with the flip test the other way round."""
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
    if boxes is not None:
        tell_left_out(protocol, boxes)
    print(f"{protocol}: {'  '.join(f'{k} {v:.3f}' for k, v in numbers.items())}")
    return numbers, name_protocol(score_poses(judge, skeleton, others, truth).result(), protocol)


def count_boxes(
    boxes: Boxes | None, truth: Mapping[int, object], files: Mapping[int, Path]
) -> Counts:
    """How many images were scored, and on how many of them nothing could be found."""
    images, unreadable = len(truth), len(set(truth) - set(files))
    if boxes is None:
        return Counts(images, unreadable, images_without_boxes=0)
    without = len(set(truth) - {int(i) for i in boxes.image_id})
    others = dict(boxes.others) or None
    return Counts(images, unreadable, without, len(boxes), boxes.empty, others)


def tell_left_out(protocol: str, boxes: Boxes) -> None:
    """A line on what of a detector's file is nobody's box, or on a file without anybody."""
    if not len(boxes):
        print(f"{protocol}: no boxes: nobody can be found from them")
    if boxes.others:
        told = ", ".join(f"{each} ({count:,})" for each, count in boxes.others.items())
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
