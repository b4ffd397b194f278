"""Scores a trained recipe: COCO numbers, predictions, matches, pictures, cost.

    python -m pipelines.evaluate RECIPE [--ceiling | --decode KEY=VALUE ...]
    python -m pipelines.evaluate RECIPE --test-dev --detections F --images DIR --image-info F
    python -m pipelines.evaluate RECIPE --test-dev-scores FILE
    python -m pipelines.evaluate --champion SLOT --dataset NAME
    python -m pipelines.evaluate --poses FILE --dataset NAME [--split val]

A stage without options: results/RECIPE/trained -> results/RECIPE/evaluation and metrics.json.
With --decode the same weights are read by other options of the recipe's codec (scale=fine,
matching=greedy, grouping=reference, resolution=exact, decoding=argmax, ...), those that change
nothing of what is painted: into results/RECIPE/decoded, with what that gains on the recipe's own.
--test-dev writes what COCO's server scores; --test-dev-scores brings back what it answered, for the
report (its json, scores.txt or the ten lines that COCOeval.summarize prints).
--poses scores poses that are there already, COCO's results rows of any tool (`predict` writes such
in poses.json), and needs no network.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.folders import whole_folder
from pipelines.recipe.datasets import data_set
from pipelines.recipe.schema import Recipe

if TYPE_CHECKING:
    from pipelines.evaluation.measure import Reader
    from pipelines.evaluation.record import Identity
    from pipelines.prediction.trained import Trained

BIG = ("predictions_*.json", "matches_*.npz")
Attach = Callable[..., object]  # as `attach_folder`


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("evaluate", __doc__)
    arguments.add_argument("recipe", nargs="?")
    arguments.add_argument("--ceiling", action="store_true", help="score the truth's own fields")
    arguments.add_argument("--decode", nargs="+", metavar="KEY=VALUE", help="read it otherwise")
    arguments.add_argument("--test-dev", action="store_true", help="the file for COCO's server")
    arguments.add_argument("--detections", type=Path, help="person boxes of test-dev2017")
    arguments.add_argument("--images", type=Path, help="folder of test2017's images")
    arguments.add_argument("--image-info", type=Path, help="image_info_test-dev2017.json")
    arguments.add_argument("--test-dev-scores", type=Path, metavar="FILE", help="its answer")
    arguments.add_argument("--champion", metavar="SLOT", help="evaluate a slot's champion instead")
    arguments.add_argument("--dataset", help="on this data set")
    arguments.add_argument("--poses", type=Path, metavar="FILE", help="score these poses instead")
    arguments.add_argument("--split", default="val", help="of the data set, for --poses")
    return run_command(arguments, argv, run)


def run(asked: Namespace) -> None:
    """What was asked for; says where its results lie, or its numbers."""
    from pipelines.evaluation.ceiling import told
    from pipelines.evaluation.test_dev import keep_scores
    from pipelines.recipe.reader import load_recipe

    if asked.poses:
        print(score_poses_file(asked))
        return
    champion = bool(asked.champion)
    if champion == bool(asked.recipe) or champion != bool(asked.dataset):
        accepted = "RECIPE, --champion SLOT --dataset NAME, or --poses FILE --dataset NAME"
        raise refusal("evaluate", accepted=accepted)
    files = (asked.detections, asked.images, asked.image_info)
    if asked.test_dev and None in files:
        raise refusal("--test-dev", accepted="with --detections, --images and --image-info")
    if asked.decode and (champion or asked.test_dev or asked.ceiling):
        raise refusal("--decode", accepted="with RECIPE alone")
    if asked.test_dev_scores and (champion or asked.test_dev or asked.ceiling or asked.decode):
        raise refusal("--test-dev-scores", accepted="with RECIPE alone")
    if asked.ceiling:
        print("\n".join(told(asked.recipe)))
        return
    if asked.test_dev_scores:
        load_recipe(asked.recipe)  # refuses a name that is none
        print(f"kept: {keep_scores(asked.recipe, asked.test_dev_scores)}")
        return
    if champion:
        folder = evaluate_champion(asked.champion, asked.dataset)
    elif asked.decode:
        folder = evaluate_decoded(asked.recipe, asked.decode)
    else:
        folder = (
            evaluate_test_dev(asked.recipe, *files) if asked.test_dev else evaluate(asked.recipe)
        )
        if not asked.test_dev:
            attach_evaluation(asked.recipe, folder)
    print(f"evaluated: {folder}")


def score_poses_file(asked: Namespace) -> str:
    from pipelines.evaluation.poses_file import told_scores

    if asked.recipe or asked.champion or not asked.dataset:
        raise refusal(
            "--poses FILE", accepted="with --dataset NAME, and --split where it is not val"
        )
    return told_scores(asked.poses, asked.dataset, asked.split)


def attach_evaluation(name: str, folder: Path, attach: Attach | None = None) -> None:
    """Numbers, pictures and whose boxes to the training's run; what is big stays here."""
    from pipelines.evaluation.record import EvaluationRecord
    from pipelines.tracking.runs import attach_folder

    record = EvaluationRecord.read(folder)
    numbers, tags = record.boxes_numbers, record.boxes_tags
    attach = attach or attach_folder
    attach(record.run_id, record.fingerprint, name, folder, numbers, BIG, tags)


def evaluate(name: str, recipe: Recipe | None = None, read: Reader | None = None) -> Path:
    """The stage: results/<recipe>/trained -> results/<recipe>/evaluation and metrics.json.

    recipe: the one of that name, unless it is given; read: as `write_evaluation` takes it.
    """
    from pipelines.evaluation.measure import write_evaluation
    from pipelines.prediction.reading import read_poses
    from pipelines.recipe.reader import load_recipe

    trained, identity = load_on_its_data(name, recipe or load_recipe(name))
    folder = places.evaluated(name)
    record = write_evaluation(trained, folder, identity, read or read_poses)
    record.write_metrics(places.recipe_metrics(name))
    return folder


def load_on_its_data(name: str, recipe: Recipe) -> tuple[Trained, Identity]:
    """What was trained from the recipe on the data that are prepared now; ValueError if neither."""
    from pipelines.evaluation.record import Identity
    from pipelines.intake.prepared import data_hash
    from pipelines.prediction.trained import load_trained
    from pipelines.training.record import TrainingRecord, has_training

    trained = load_trained(places.best_weights(name), name, recipe)
    digest = data_hash(recipe.dataset)
    if trained.origin.data_hash != digest:
        fault = f"trained on data {trained.origin.data_hash:.12}, prepared is {digest:.12}"
        raise refusal(places.best_weights(name), fault=fault, do=f"run `make repro RECIPE={name}`")
    folder = places.trained(name)
    run_id = TrainingRecord.read(folder).run_id if has_training(folder) else None
    return trained, Identity(name, run_id)


def evaluate_decoded(
    name: str, given: Sequence[str], recipe: Recipe | None = None, read: Reader | None = None
) -> Path:
    """The same weights read by other options of the codec, `KEY=VALUE` each; no stage reads it."""
    from pipelines.evaluation.decoded import read_options, read_otherwise, spelled
    from pipelines.evaluation.measure import write_evaluation
    from pipelines.prediction.reading import read_poses
    from pipelines.recipe.reader import load_recipe
    from pipelines.report.decoded import write_gains

    trained, identity = load_on_its_data(name, recipe or load_recipe(name))
    options = read_options(given, trained.codec)
    folder = places.decoded(name, spelled(options))
    write_evaluation(read_otherwise(trained, options), folder, identity, read or read_poses)
    print("\n".join(write_gains(folder, places.evaluated(name))))
    return folder


def evaluate_champion(
    slot: str,
    dataset: str,
    checkpoint: Callable[[str], tuple[Path, Identity]] | None = None,
) -> Path:
    """The slot's champion on another data set's split, for a fair comparison there."""
    from pipelines.evaluation.measure import write_evaluation
    from pipelines.intake.prepared import data_hash
    from pipelines.prediction.trained import load_trained
    from pipelines.registry.versions import champion_checkpoint

    labelled = data_set(dataset)  # a wrong name is refused before the registry is asked
    path, identity = (checkpoint or champion_checkpoint)(slot)
    trained = load_trained(path, f"champion of {slot}", None)
    if trained.skeleton != labelled.SKELETON:
        theirs, ours = labelled.SKELETON.name, trained.skeleton.name
        fault = f"{dataset} has skeleton {theirs}, the champion of {slot} predicts {ours}"
        raise refusal("--dataset", fault=fault, accepted="a data set of the same skeleton")
    trained = replace(trained, recipe=replace(trained.recipe, dataset=dataset))
    digest = data_hash(dataset)
    folder = places.champion_evaluated(slot, dataset, digest)
    write_evaluation(trained, folder, identity)
    return folder


def evaluate_test_dev(
    name: str, detections: Path, images: Path, image_info: Path, recipe: Recipe | None = None
) -> Path:
    """The results file for COCO's server, from a detector's boxes; nothing here can score it."""
    from pipelines.evaluation.measure import write_json
    from pipelines.prediction.boxes import read_detections
    from pipelines.prediction.coco_results import official_name, read_image_info, results_rows
    from pipelines.prediction.reading import read_poses
    from pipelines.prediction.trained import load_trained
    from pipelines.recipe.reader import load_recipe

    recipe = recipe or load_recipe(name)
    files = read_image_info(image_info, images)
    boxes = read_detections(detections, files.keys())
    missing = sorted({int(i) for i in boxes.image_id if not files[int(i)].is_file()})
    if missing:
        first = files[missing[0]].name
        fault = f"lacks {len(missing)} of the images that have boxes, the first {first}"
        raise refusal(images, fault=fault, accepted="the folder of COCO's test2017 images")
    trained = load_trained(places.best_weights(name), name, recipe)
    poses = read_poses(trained, boxes, files, both=False)[-1]
    folder = places.test_dev(name)
    with whole_folder(folder) as part:
        write_json(part / official_name(name), results_rows(poses), indent=None)
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
