"""Poses in a file of COCO's results, ours or another tool's, scored on a prepared split."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from data.ground.json_text import A_SCORE, finite, read_json, score_of, whole
from data.ground.refusal import refusal, shown
from data.ground.sample import Pose
from data.ground.skeleton import Skeleton
from data.menus import EVALUATORS
from pipelines.evaluation.scoring import score_poses
from pipelines.host import places
from pipelines.host.progress import told_number
from pipelines.intake.prepared import data_hash, image_files
from pipelines.recipe.datasets import data_set

PERSON = 1  # COCO's category, which results of any data set have
Names = Mapping[str, int | None]  # of image files -> id; None where several have it
RESULTS = "rows of COCO results: image_id or file_name, keypoints as x, y, score, score"


def score_file(path: Path, dataset: str, split: str = "val") -> dict[str, float]:
    """The numbers of the data set's evaluator; the people may be anyone's, found in any way.

    Raises ValueError for rows that are none of this split, and for a data set that is scored by
    person alone, from true boxes.
    """
    labelled = data_set(dataset)
    data_hash(dataset)  # refuses what is not prepared, or is not what was
    prepared, raw = places.prepared(dataset), places.raw(dataset)
    if not (prepared / split).is_dir():
        there = sorted(each.parent.name for each in prepared.glob("*/images.arrow"))
        raise refusal("--split", given=split, accepted=", ".join(there))
    judges = [name for name in labelled.EVALUATORS if not EVALUATORS[name].by_person]
    if not judges:
        fault = f"{' and '.join(labelled.EVALUATORS)} score each person from its own box"
        raise refusal(f"--dataset {dataset}", fault=fault, accepted="a data set of OKS")
    truth = labelled.truth(raw, split)
    names = _names(image_files(prepared, raw, split))
    person = labelled.person_category(raw, split)
    poses = read_results(path, labelled.SKELETON, truth.keys(), names, person)
    return dict(score_poses(judges[0], labelled.SKELETON, poses, truth).result())


def told_scores(path: Path, dataset: str, split: str = "val") -> str:
    """One line. No protocol: the file does not say where its people came from."""
    numbers = score_file(path, dataset, split)
    told = "  ".join(f"{name} {told_number(name, value)}" for name, value in numbers.items())
    return f"{dataset} {split}, poses of {path}: {told}"


def read_results(
    path: Path, skeleton: Skeleton, known: Collection[int], names: Names, person: int = PERSON
) -> dict[int, list[Pose]]:
    """By image id, as the file has them. known: ids of the split's images; names: of their files; a
    row that names one is of that image, whatever its number; person: the category of people.

    Raises ValueError that names the row.
    """
    rows = read_json(path)
    if not isinstance(rows, list):
        raise refusal(path, fault=f"given {type(rows).__name__}", accepted=f"a list of {RESULTS}")
    found: dict[int, list[Pose]] = {}
    for n, row in enumerate(rows):
        where = f"{path}: row {n}"
        if not isinstance(row, dict):
            raise refusal(where, given=row, accepted=RESULTS)
        if row.get("category_id", person) not in (person, PERSON):
            accepted = f"{person}, a person"
            raise refusal(f"{where}: category_id", given=row["category_id"], accepted=accepted)
        image_id = _image_of(where, row, known, names)
        found.setdefault(image_id, []).append(_pose(where, row, skeleton))
    return found


def _names(files: Mapping[int, Path]) -> Names:
    """Last name, and last two parts of the path -> image id; None where two images have it."""
    names: dict[str, int | None] = {}
    for image_id, file in files.items():
        for name in {file.name, "/".join(file.parts[-2:])}:
            names[name] = None if name in names else image_id
    return names


def _image_of(where: str, row: Mapping[str, Any], known: Collection[int], names: Names) -> int:
    name, number = row.get("file_name"), whole(row.get("image_id"))
    if isinstance(name, str):
        parts = PurePosixPath(name).parts
        for told in ("/".join(parts[-2:]), parts[-1] if parts else ""):
            if (image_id := names.get(told)) is not None:
                return image_id
    if number is not None and number in known:
        return number
    given = [f"image_id {shown(row.get('image_id'))}"]
    given += [f"file_name {shown(name)}"] if name else []
    fault = f"{' and '.join(given)}: none of the {len(known)} images that are scored"
    raise refusal(where, fault=fault, do="the file is of another data set or split")


def _pose(where: str, row: Mapping[str, Any], skeleton: Skeleton) -> Pose:
    values, names = row.get("keypoints"), row.get("keypoint_names")
    if isinstance(names, list) and tuple(names) != skeleton.keypoints:
        accepted = ", ".join(skeleton.keypoints)
        raise refusal(f"{where}: keypoint_names", given=names, accepted=accepted)
    _check_numbers(f"{where}: keypoints", values, 3 * len(skeleton.keypoints))
    score = score_of(row.get("score"))
    if score is None:
        raise refusal(f"{where}: score", given=row.get("score"), accepted=A_SCORE)
    columns = np.array(values, dtype=np.float64).reshape(-1, 3)
    seen = np.full(len(columns), 2, dtype=np.int64)
    points = np.ascontiguousarray(columns[:, :2])
    return Pose(points, seen, score=score, keypoint_scores=columns[:, 2])


def _check_numbers(where: str, values: object, count: int) -> None:
    given: Sequence[object] = values if isinstance(values, list) else ()
    accepted = f"{count} numbers: x, y, score of each keypoint"
    if len(given) != count:
        told = f"given {len(given)} numbers" if given else f"given {str(values)[:60]}"
        raise refusal(where, fault=told, accepted=accepted)
    wrong = next((each for each in given if finite(each) is None), None)
    if wrong is not None or None in given:
        raise refusal(where, given=wrong, accepted=f"{accepted}, all finite")
