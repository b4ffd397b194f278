"""Scores a trained recipe: COCO numbers, predictions, matches, pictures, cost.

python -m pipelines.evaluate RECIPE [--ceiling]
python -m pipelines.evaluate RECIPE --test-dev --detections F --images DIR --image-info F
python -m pipelines.evaluate --champion SLOT --dataset NAME
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data import DATASETS
from data.sample import Pose
from models.cost import count
from pipelines import places
from pipelines.ceiling import told
from pipelines.detections import (
    Boxes,
    image_files,
    official_name,
    read_detections,
    read_image_info,
    results_rows,
    truth_boxes,
)
from pipelines.evaluation_pictures import write_fields, write_overlays
from pipelines.folders import whole_folder
from pipelines.prepared import data_hash
from pipelines.recipe import load_recipe
from pipelines.scoring import named, scored
from pipelines.trained import Trained, load_trained, read_poses

PROTOCOL = ("evaluator", "flip_test", "keypoint_threshold", "nms_threshold", "scales")


def main(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    try:
        if arguments.ceiling:
            print("\n".join(told(arguments.recipe)))
            return 0
        if arguments.champion:
            folder = evaluate_champion(arguments.champion, arguments.dataset)
        elif arguments.test_dev:
            folder = evaluate_test_dev(
                arguments.recipe, arguments.detections, arguments.images, arguments.image_info
            )
        else:
            folder = evaluate(arguments.recipe)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"evaluated: {folder}")
    return 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines.evaluate", description=__doc__)
    parser.add_argument("recipe", nargs="?")
    parser.add_argument("--ceiling", action="store_true", help="score the truth's own fields")
    parser.add_argument("--test-dev", action="store_true", help="write the file for COCO's server")
    parser.add_argument("--detections", type=Path, help="person boxes of test-dev2017")
    parser.add_argument("--images", type=Path, help="folder of test2017's images")
    parser.add_argument("--image-info", type=Path, help="image_info_test-dev2017.json")
    parser.add_argument("--champion", metavar="SLOT", help="evaluate a slot's champion instead")
    parser.add_argument("--dataset", help="on this data set")
    given = parser.parse_args(argv)
    if bool(given.champion) == bool(given.recipe) or bool(given.champion) != bool(given.dataset):
        parser.error("give RECIPE, or --champion SLOT --dataset NAME")
    if given.test_dev and None in (given.detections, given.images, given.image_info):
        parser.error("--test-dev needs --detections, --images and --image-info")
    return given


def evaluate(name: str) -> Path:
    """The stage: results/<recipe>/trained -> results/<recipe>/evaluation and metrics.json."""
    recipe = load_recipe(name)
    trained = load_trained(places.trained(name) / "best.pt", name, recipe)
    digest = data_hash(recipe.dataset)
    if trained.checkpoint["data_hash"] != digest:
        raise ValueError(
            f"results/{name}/trained/best.pt: trained on data {trained.checkpoint['data_hash']:.12}"
            f", prepared is {digest:.12}; run `dvc repro train@{name}`"
        )
    note = places.trained(name) / "summary.json"
    run_id = json.loads(note.read_text()).get("run_id") if note.is_file() else None
    folder = places.evaluated(name)
    metrics = write_evaluation(trained, folder, {"recipe": name, "run_id": run_id})
    write_json(folder.parent / "metrics.json", metrics)
    return folder


def evaluate_champion(slot: str, dataset: str) -> Path:
    """The slot's champion on another data set's split, for a fair comparison there."""
    from pipelines.registry import champion_checkpoint

    if dataset not in DATASETS:
        raise ValueError(f"--dataset: given {dataset!r}, accepted: {', '.join(DATASETS)}")
    path, identity = champion_checkpoint(slot)
    trained = load_trained(path, f"champion of {slot}", None)
    if trained.skeleton != DATASETS[dataset].SKELETON:
        raise ValueError(
            f"--dataset: {dataset} has skeleton {DATASETS[dataset].SKELETON.name}, the champion of "
            f"{slot} predicts {trained.skeleton.name}; accepted: a data set of the same skeleton"
        )
    trained = replace(trained, recipe=replace(trained.recipe, dataset=dataset))
    digest = data_hash(dataset)
    folder = places.home() / "results" / "champions" / slot / f"{dataset}-{digest[:12]}"
    write_evaluation(trained, folder, {"slot": slot, **identity})
    return folder


def evaluate_test_dev(name: str, detections: Path, images: Path, image_info: Path) -> Path:
    """The results file for COCO's server, from a detector's boxes; nothing here can score it."""
    recipe = load_recipe(name)
    files = read_image_info(image_info, images)
    boxes = read_detections(detections, files.keys())
    missing = sorted({int(i) for i in boxes.image_id if not files[int(i)].is_file()})
    if missing:
        raise ValueError(
            f"{images}: lacks {len(missing)} of the images that have boxes, the first "
            f"{files[missing[0]].name}; accepted: the folder of COCO's test2017 images"
        )
    trained = load_trained(places.trained(name) / "best.pt", name, recipe)
    poses = read_poses(trained, boxes, files, both=False)[-1]
    folder = places.home() / "results" / name / "test_dev"
    with whole_folder(folder) as part:
        write_json(part / official_name(name), results_rows(poses), indent=None)
    return folder


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
    evaluator = scored(judge, skeleton, poses, truth)
    evaluator.matches().save(part / f"matches_{protocol}.npz")
    write_json(part / f"predictions_{protocol}.json", results_rows(poses), indent=None)
    if protocol in ("gt", "image"):
        write_overlays(part / "overlays", trained, poses, files)
    if protocol == "image":
        write_fields(part / "fields", trained, list(files))
    numbers = named(evaluator.result(), protocol)
    print(f"{protocol}: {'  '.join(f'{k} {v:.3f}' for k, v in numbers.items())}")
    return numbers, named(scored(judge, skeleton, others, truth).result(), protocol)


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
    recipe, checkpoint = trained.recipe, trained.checkpoint
    cost = count(trained.network, trained.input_size)
    counts = ("params", "exact_g", "exact_gi", "hr_g", "hr_gi")
    return {
        "dataset": recipe.dataset,
        "split": recipe.evaluation.split,
        "fingerprint": checkpoint["fingerprint"],
        "recipe_digest": recipe.digest(),
        "trained_on": checkpoint["data_hash"],
        "data_hash": data_hash(recipe.dataset),
        "epoch": checkpoint["epoch"],
        "input_size": recipe.input_size,
        "device": trained.device.type,
        "protocol": {name: getattr(recipe.evaluation, name) for name in PROTOCOL},
        "cost": {name: getattr(cost, name) for name in counts},
    }


def write_json(path: Path, content: object, indent: int | None = 2) -> None:
    path.write_text(json.dumps(content, indent=indent) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
