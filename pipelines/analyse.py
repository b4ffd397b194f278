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
from data.evaluators.matches import OksMatches
from data.images import read_image
from data.sample import Pose, box_around
from data.skeletons import Skeleton
from pipelines import places, tracking
from pipelines.analysis import analyse, setting_of
from pipelines.analysis_page import draw_errors, draw_groups, page
from pipelines.detections import image_files
from pipelines.evaluated import Evaluated, read_evaluated
from pipelines.folders import whole_folder
from pipelines.pictures import draw_poses, write_picture
from pipelines.prepared import data_hash
from pipelines.results import PROTOCOLS

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
        (part / "analysis.md").write_text(page(name, evaluated.about, found))
    about, errors = evaluated.about, {p: numbers["errors"] for p, numbers in found.items()}
    shares = {f"analysis/{kind}@{p}": v for p, of in errors.items() for kind, v in of.items()}
    tracking.attach(about.get("run_id"), about["fingerprint"], name, folder, shares)
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
    numbers = analyse(setting_of(truth, predicted, skeleton), matches, WORST)
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


def read_predictions(path: Path, threshold: float) -> dict[int, list[Pose]]:
    """COCO results rows as poses; keypoints of a score up to `threshold` are not drawn."""
    found: dict[int, list[Pose]] = {}
    for row in json.loads(path.read_text()):
        columns = np.array(row["keypoints"], dtype=np.float64).reshape(-1, 3)
        points, scores = np.ascontiguousarray(columns[:, :2]), columns[:, 2]
        shown = np.where(scores > threshold, 2, 0)
        pose = Pose(points, shown, box_around(points), score=row["score"], keypoint_scores=scores)
        found.setdefault(row["image_id"], []).append(pose)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
