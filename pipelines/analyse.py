"""Tells what goes wrong in a recipe's predictions: by keypoint, by group, the worst images.

    python -m pipelines.analyse RECIPE

Reads results/RECIPE/evaluation and the raw truth; writes results/RECIPE/analysis, and attaches it
to the training's MLflow run where a server answers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.evaluators.matching.matches import OksMatches
from data.ground.refusal import refusal
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from pipelines.evaluation.errors import analyse_errors, setting_of
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.folders import whole_folder
from pipelines.recipe.datasets import data_set

if TYPE_CHECKING:
    from pipelines.evaluation.folder import EvaluationFolder

WORST = 20
Poses = Mapping[int, Sequence[Pose]]
Attach = Callable[[str | None, str, str, Path, dict[str, float]], object]  # as `attach_folder`


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("analyse", __doc__)
    arguments.add_argument("recipe", help="evaluated by OKS")
    return run_command(arguments, argv, lambda asked: analyse(asked.recipe))


def analyse(name: str, attach: Attach | None = None) -> None:
    print(f"analysed: {write_analysis(name, attach) / 'analysis.md'}")


def write_analysis(name: str, attach: Attach | None = None) -> Path:
    """results/<recipe>/analysis, whole or not at all."""
    from pipelines.evaluation.folder import read_evaluation
    from pipelines.report.errors_page import errors_page
    from pipelines.tracking.runs import attach_folder

    evaluation = read_evaluation(places.evaluated(name))
    truth = true_poses(name, evaluation)
    folder, record = places.analysed(name), evaluation.record
    with whole_folder(folder) as part:
        protocols = protocols_of(evaluation)
        numbers = {p: write_protocol(part, evaluation, p, truth) for p in protocols}
        (part / "analysis.json").write_text(json.dumps(numbers, indent=2) + "\n")
        (part / "analysis.md").write_text(errors_page(name, record, numbers))
    errors = {protocol: each["errors"] for protocol, each in numbers.items()}
    shares = {f"analysis/{kind}@{p}": v for p, of in errors.items() for kind, v in of.items()}
    (attach or attach_folder)(record.run_id, record.fingerprint, name, folder, shares)
    return folder


def true_poses(name: str, evaluation: EvaluationFolder) -> dict[int, list[Pose]]:
    """The split's truth. Raises ValueError where it is not what was evaluated on."""
    from pipelines.intake.prepared import data_hash

    record = evaluation.record
    digest = data_hash(record.dataset)
    if digest != record.data_hash:
        raise refusal(
            evaluation.path,
            fault=f"evaluated on data {record.data_hash:.12}, prepared is {digest:.12}",
            do=f"run `make repro RECIPE={name}`",
        )
    evaluator = record.protocol.evaluator
    if evaluator != "oks":
        accepted = "oks (its kinds of error are told by OKS)"
        raise refusal(evaluation.path, fault=f"scored by {evaluator}", accepted=accepted)
    raw = places.raw(record.dataset)
    truth: dict[int, list[Pose]] = data_set(record.dataset).truth(raw, record.split)
    return truth


def protocols_of(evaluation: EvaluationFolder) -> list[str]:
    from pipelines.evaluation.scoring import PROTOCOLS

    files = {p: evaluation.path / f"predictions_{p}.json" for p in PROTOCOLS}
    protocols = [protocol for protocol, file in files.items() if file.is_file()]
    if not protocols:
        do = "run `make repro` again"
        raise refusal(evaluation.path, fault="no predictions_*.json", do=do)
    return protocols


def write_protocol(
    part: Path, evaluation: EvaluationFolder, protocol: str, truth: Poses
) -> dict[str, Any]:
    """Numbers of one protocol; their pictures into `part`."""
    from data.files.images import read_image
    from pipelines.intake.prepared import image_files
    from pipelines.pictures.people import draw_poses, write_picture
    from pipelines.prediction.coco_results import read_predictions
    from pipelines.report.errors_page import draw_errors, draw_groups

    record = evaluation.record
    skeleton: Skeleton = data_set(record.dataset).SKELETON
    threshold = record.protocol.keypoint_threshold
    path = evaluation.path / f"predictions_{protocol}.json"
    predicted = read_predictions(path, threshold, len(skeleton.keypoints))
    matches = evaluation.matches(protocol)
    assert isinstance(matches, OksMatches), "scored by oks"
    numbers = analyse_errors(setting_of(truth, predicted, skeleton), matches, WORST)
    draw_errors(part / f"errors_{protocol}.png", numbers, protocol, skeleton)
    draw_groups(part / f"groups_{protocol}.png", numbers["groups"], protocol)
    raw = places.raw(record.dataset)
    files = image_files(places.prepared(record.dataset), raw, record.split)
    pictures = part / f"worst_{protocol}"
    pictures.mkdir()
    for row in numbers["worst"]:
        if file := files.get(row["image_id"]):
            image = read_image(str(file))
            sides = truth[row["image_id"]], predicted.get(row["image_id"], ())
            both = np.hstack([draw_poses(image, poses, skeleton) for poses in sides])
            write_picture(pictures / f"{row['image_id']:012d}.jpg", both)
            row["picture"] = f"worst_{protocol}/{row['image_id']:012d}.jpg"
    return numbers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
