"""A trained network scored on its split: numbers, predictions, matches, pictures, cost."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data import DATASETS
from data.ground.sample import Pose
from models.cost import count
from pipelines.evaluation.pictures import write_fields, write_overlays
from pipelines.evaluation.scoring import name_protocol, score_poses
from pipelines.host import places
from pipelines.host.folders import whole_folder
from pipelines.intake.prepared import data_hash, image_files
from pipelines.prediction.boxes import Boxes, read_detections, truth_boxes
from pipelines.prediction.coco_results import results_rows
from pipelines.prediction.reading import read_poses
from pipelines.prediction.trained import Trained

PROTOCOL = ("evaluator", "flip_test", "keypoint_threshold", "nms_threshold", "scales")


def write_evaluation(trained: Trained, folder: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """Evaluates on the recipe's data set and split; fills `folder`, whole or not at all."""
    started = time.monotonic()
    recipe, split = trained.recipe, trained.recipe.evaluation.split
    raw = places.raw(recipe.dataset)
    truth = DATASETS[recipe.dataset].truth(raw, split)
    files = image_files(places.prepared(recipe.dataset), raw, split)
    protocols = box_sets(trained, truth)
    numbers: dict[str, float] = {}
    others: dict[str, float] = {}
    with whole_folder(folder) as part:
        for protocol, boxes in protocols.items():
            found, other = write_protocol(part, trained, protocol, boxes, files, truth)
            numbers, others = numbers | found, others | other
        metrics = {**numbers, "no_flip" if recipe.evaluation.flip_test else "flip": others}
        write_json(part / "metrics.json", metrics)
        about = {**identity, **describe(trained), "seconds": round(time.monotonic() - started, 1)}
        counts = {p: count_boxes(boxes, truth, files) for p, boxes in protocols.items()}
        write_json(part / "evaluation.json", {**about, "counts": counts})
    return metrics


def write_protocol(
    part: Path,
    trained: Trained,
    protocol: str,
    boxes: Boxes | None,
    files: Mapping[int, Path],
    truth: Mapping[int, list[Pose]],
) -> tuple[dict[str, float], dict[str, float]]:
    """Numbers as the recipe asks for them, and with the flip test the other way round."""
    recipe = trained.recipe
    plain, flipped = read_poses(trained, boxes, files, both=True)
    poses, others = (flipped, plain) if recipe.evaluation.flip_test else (plain, flipped)
    judge, skeleton = recipe.evaluation.evaluator, trained.skeleton
    evaluator = score_poses(judge, skeleton, poses, truth)
    evaluator.matches().save(part / f"matches_{protocol}.npz")
    write_json(part / f"predictions_{protocol}.json", results_rows(poses), indent=None)
    if protocol in ("gt", "image"):
        write_overlays(part / "overlays", trained, poses, files)
    if protocol == "image":
        write_fields(part / "fields", trained, list(files))
    numbers = name_protocol(evaluator.result(), protocol)
    print(f"{protocol}: {'  '.join(f'{k} {v:.3f}' for k, v in numbers.items())}")
    return numbers, name_protocol(score_poses(judge, skeleton, others, truth).result(), protocol)


def box_sets(trained: Trained, truth: Mapping[int, object]) -> dict[str, Boxes | None]:
    """`gt`, and `det` where the data set comes with a detector's boxes for this split.

    Bottom-up networks see whole images, protocol `image`, and get no boxes.
    """
    recipe = trained.recipe
    if trained.codec.whole_image:
        return {"image": None}
    module, split = DATASETS[recipe.dataset], recipe.evaluation.split
    boxes: dict[str, Boxes | None] = {
        "gt": truth_boxes(places.prepared(recipe.dataset), split, trained.codec.aligned)
    }
    detections_file = getattr(module, "detections_file", None)
    path = detections_file(places.raw(recipe.dataset), split) if detections_file else None
    if path is not None:
        boxes["det"] = read_detections(path, truth.keys())
    return boxes


def count_boxes(
    boxes: Boxes | None, truth: Mapping[int, object], files: Mapping[int, Path]
) -> dict[str, int]:
    """How many images were scored, and on how many of them nothing could be found."""
    counts = {"images": len(truth), "unreadable_images": len(set(truth) - set(files))}
    if boxes is None:
        return {**counts, "images_without_boxes": 0}
    return {
        **counts,
        "images_without_boxes": len(set(truth) - {int(i) for i in boxes.image_id}),
        "boxes": len(boxes),
        "empty_boxes_left_out": boxes.empty,
    }


def describe(trained: Trained) -> dict[str, Any]:
    """What was evaluated, on what: lineage, protocol, cost in the four counts."""
    recipe, origin = trained.recipe, trained.origin
    cost = count(trained.network, trained.input_size)
    counts = ("params", "exact_g", "exact_gi", "hr_g", "hr_gi")
    return {
        "dataset": recipe.dataset,
        "split": recipe.evaluation.split,
        "fingerprint": origin.fingerprint,
        "recipe_digest": recipe.digest(),
        "trained_on": origin.data_hash,
        "data_hash": data_hash(recipe.dataset),
        "epoch": origin.epoch,
        "input_size": recipe.input_size,
        "device": trained.device.type,
        "protocol": {name: getattr(recipe.evaluation, name) for name in PROTOCOL},
        "cost": {name: getattr(cost, name) for name in counts},
    }


def write_json(path: Path, content: object, indent: int | None = 2) -> None:
    path.write_text(json.dumps(content, indent=indent) + "\n")
