"""Images asked for by name: their files, the people labelled on them, the boxes to read them from.

Only rows of these images are looked at: a picture of one costs what that one costs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.files.table import Table
from data.ground.refusal import refusal
from data.menus import EVALUATORS
from pipelines.intake.prepared import image_files, person_pose
from pipelines.prediction.boxes import PERSON, Boxes, read_detections, truth_boxes
from pipelines.prediction.coco_results import read_image_info
from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.poses import ByImage
from pipelines.prediction.reading import read_poses
from pipelines.prediction.split import split_place
from pipelines.prediction.trained import Trained
from pipelines.recipe.strict import hint

NAMED = 5  # ids that a refusal lists


@dataclass(frozen=True)
class Chosen:
    """files: image id -> file, in the order asked for; truth: labelled people by image id, None
    where nobody labelled (test-dev); detections: a detector's boxes, None: the true ones."""

    files: Mapping[int, Path]
    truth: ByImage | None
    detections: Boxes | None


def of_split(
    place: SplitPlace, ids: Sequence[int], detections: Path | None = None, person: int = PERSON
) -> Chosen:
    """Images of a prepared split. Raises ValueError for ids that are none of its.

    detections: a detector's file, whose rows of the category `person` are people.
    """
    known = image_files(place.prepared, place.raw, place.split)
    files = pick(known, ids, f"{len(known):,} images of {place.raw.name} {place.split}")
    return Chosen(files, labelled_people(place, ids), _boxes(detections, known, ids, person))


def of_folder(info: Path, folder: Path, ids: Sequence[int], detections: Path | None) -> Chosen:
    """Images of an official list (`image_info_test-dev2017.json`), which nobody labelled here."""
    known = read_image_info(info, folder)
    files = pick(known, ids, f"{len(known):,} images of {info.name}")
    for file in files.values():
        if not file.is_file():
            raise refusal(folder, fault=f"lacks {file.name}", accepted="the folder of the images")
    return Chosen(files, None, _boxes(detections, known, ids))


def pick(known: Mapping[int, Path], ids: Sequence[int], told: str) -> dict[int, Path]:
    """Files of the ids in their order; `told`: what is accepted, in words."""
    for image_id in ids:
        if image_id not in known:
            some = ", ".join(str(each) for each in sorted(known)[:NAMED])
            near = hint(image_id, map(str, known))
            raise refusal("--images", given=image_id, accepted=f"{told}: {some}, ...{near}")
    return {image_id: known[image_id] for image_id in ids}


def _boxes(
    path: Path | None, known: Collection[int], ids: Collection[int], person: int = PERSON
) -> Boxes | None:
    return read_detections(path, known, person).of_images(ids) if path else None


def labelled_people(place: SplitPlace, ids: Collection[int]) -> ByImage:
    """People with keypoints on these images, by image id, as the split's tables have them."""
    persons = Table(place.prepared / place.split / "persons.arrow")
    people: ByImage = {image_id: [] for image_id in ids}
    for row in np.flatnonzero(np.isin(persons["image_id"], list(ids))).tolist():
        people[int(persons["image_id"][row])].append(person_pose(persons, row))
    return people


def boxes_for(trained: Trained, chosen: Chosen, name: str) -> Boxes | None:
    """Of people on the chosen images; None for whole images.

    Raises ValueError where neither truth nor detector knows any, or the evaluator wants true ones.
    """
    if trained.codec.whole_image:
        return None
    evaluator = trained.recipe.evaluation.evaluator
    if chosen.detections is not None:
        if EVALUATORS[evaluator].by_person:
            fault = f"{evaluator}, which scores {name}, goes by true boxes"
            raise refusal("--detections", fault=fault, accepted="none for this recipe")
        return chosen.detections
    if chosen.truth is None:
        fault = f"{name} reads people in boxes, and no box is known of these images"
        raise refusal("--detections", fault=fault, accepted="a detector's boxes of them")
    place = split_place(trained.recipe)
    return truth_boxes(place.prepared, place.split, trained.codec.aligned).of_images(chosen.files)


def read_chosen(trained: Trained, chosen: Chosen, boxes: Boxes | None) -> ByImage:
    """Poses as the recipe's evaluation scores them, flip test included where it has one."""
    plain = not trained.recipe.evaluation.flip_test  # which comes first, where it is asked for
    return read_poses(trained, boxes, chosen.files, both=plain)[0]
