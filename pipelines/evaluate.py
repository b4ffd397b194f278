"""Scores a trained recipe: COCO numbers, predictions, matches, pictures, cost.

python -m pipelines.evaluate RECIPE [--ceiling]
python -m pipelines.evaluate RECIPE --test-dev --detections F --images DIR --image-info F
python -m pipelines.evaluate --champion SLOT --dataset NAME
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data import DATASETS
from pipelines.evaluation.ceiling import told
from pipelines.evaluation.measure import write_evaluation, write_json
from pipelines.host import places
from pipelines.host.folders import whole_folder
from pipelines.intake.prepared import data_hash
from pipelines.prediction.boxes import read_detections
from pipelines.prediction.coco_results import official_name, read_image_info, results_rows
from pipelines.prediction.reading import read_poses
from pipelines.prediction.trained import load_trained
from pipelines.recipe.reader import load_recipe


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
    if trained.origin.data_hash != digest:
        raise ValueError(
            f"results/{name}/trained/best.pt: trained on data {trained.origin.data_hash:.12}"
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
    from pipelines.registry.versions import champion_checkpoint

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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
