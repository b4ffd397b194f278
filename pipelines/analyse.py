"""What goes wrong in a recipe's predictions: errors by keypoint, AP by group, the worst images.

    python -m pipelines.analyse RECIPE

Reads results/RECIPE/evaluation and the raw truth; writes results/RECIPE/analysis, and attaches it
to the training's MLflow run where a server answers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data import DATASETS
from data.evaluators.matching.matches import OksMatches
from data.files.images import read_image
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from pipelines.evaluation.errors import analyse_errors, setting_of
from pipelines.evaluation.record import Evaluated, read_evaluated
from pipelines.evaluation.scoring import PROTOCOLS
from pipelines.host import places
from pipelines.host.folders import whole_folder
from pipelines.intake.prepared import data_hash, image_files
from pipelines.pictures.people import draw_poses, write_picture
from pipelines.prediction.coco_results import read_predictions
from pipelines.report.errors_page import draw_errors, draw_groups, errors_page
from pipelines.tracking import runs as tracking

WORST = 20
Poses = Mapping[int, Sequence[Pose]]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.analyse", description=__doc__)
    parser.add_argument("recipe")
    name = parser.parse_args(argv).recipe
    try:
        folder = write_analysis(name)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"analysed: {folder / 'analysis.md'}")
    return 0


def write_analysis(name: str) -> Path:
    """results/<recipe>/analysis, whole or not at all."""
    evaluated = read_evaluated(places.evaluated(name))
    truth = true_poses(name, evaluated)
    folder = places.evaluated(name).with_name("analysis")
    with whole_folder(folder) as part:
        found = {p: write_protocol(part, evaluated, p, truth) for p in protocols_of(evaluated)}
        (part / "analysis.json").write_text(json.dumps(found, indent=2) + "\n")
        (part / "analysis.md").write_text(errors_page(name, evaluated.about, found))
    about, errors = evaluated.about, {p: numbers["errors"] for p, numbers in found.items()}
    shares = {f"analysis/{kind}@{p}": v for p, of in errors.items() for kind, v in of.items()}
    tracking.attach_folder(about.get("run_id"), about["fingerprint"], name, folder, shares)
    return folder


def true_poses(name: str, evaluated: Evaluated) -> dict[int, list[Pose]]:
    """The split's truth. Raises ValueError where it is not what was evaluated on."""
    about = evaluated.about
    digest = data_hash(about["dataset"])
    if digest != about["data_hash"]:
        raise ValueError(
            f"{evaluated.folder}: evaluated on data {about['data_hash']:.12}, prepared is "
            f"{digest:.12}; run `dvc repro evaluate@{name}`"
        )
    evaluator = about["protocol"]["evaluator"]
    if evaluator != "oks":
        raise ValueError(
            f"{evaluated.folder}: scored by {evaluator}, accepted: oks (its kinds of error are "
            "told by OKS)"
        )
    truth: dict[int, list[Pose]] = DATASETS[about["dataset"]].truth(
        places.raw(about["dataset"]), about["split"]
    )
    return truth


def protocols_of(evaluated: Evaluated) -> list[str]:
    found = [p for p in PROTOCOLS if (evaluated.folder / f"predictions_{p}.json").is_file()]
    if not found:
        raise ValueError(f"{evaluated.folder}: no predictions_*.json; run `dvc repro` again")
    return found


def write_protocol(part: Path, evaluated: Evaluated, protocol: str, truth: Poses) -> dict[str, Any]:
    """Numbers of one protocol; their pictures into `part`."""
    about = evaluated.about
    skeleton: Skeleton = DATASETS[about["dataset"]].SKELETON
    threshold = float(about["protocol"]["keypoint_threshold"])
    predicted = read_predictions(evaluated.folder / f"predictions_{protocol}.json", threshold)
    matches = evaluated.matches(protocol)
    assert isinstance(matches, OksMatches), "scored by oks"
    numbers = analyse_errors(setting_of(truth, predicted, skeleton), matches, WORST)
    draw_errors(part / f"errors_{protocol}.png", numbers, protocol, skeleton)
    draw_groups(part / f"groups_{protocol}.png", numbers["groups"], protocol)
    files = image_files(places.prepared(about["dataset"]), places.raw(about["dataset"]),
                        about["split"])  # fmt: skip
    pictures = part / f"worst_{protocol}"
    pictures.mkdir()
    for row in numbers["worst"]:
        if path := files.get(row["image_id"]):
            image = read_image(str(path))
            sides = truth[row["image_id"]], predicted.get(row["image_id"], ())
            both = np.hstack([draw_poses(image, poses, skeleton) for poses in sides])
            write_picture(pictures / f"{row['image_id']:012d}.jpg", both)
            row["picture"] = f"worst_{protocol}/{row['image_id']:012d}.jpg"
    return numbers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
