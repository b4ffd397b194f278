"""An own data set's labels written in another format, its images linked beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from data.datasets.formats.menu import WRITERS
from data.datasets.sources.own_rows import AREA_OF_BOX
from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton
from pipelines.host.folders import whole_folder
from pipelines.recipe.strict import hint
from pipelines.survey.overview import in_order
from pipelines.survey.seen import see_image

FOLDERS = ("yolo_pose",)  # formats that are a folder of files with all splits; others: a json each
IMAGES = "images"


def export_labels(
    labels: Mapping[str, Labels],
    folders: Mapping[str, Path],
    skeleton: Skeleton,
    kind: str,
    target: Path,
) -> None:
    """labels and folders of images by split. Keypoints go by the skeleton: its names and order,
    its limbs and pairs. `target` is made, images are links in TARGET/images/SPLIT.

    Raises ValueError where it is there already, and for what the format cannot say.
    """
    if kind not in WRITERS:
        accepted = f"{', '.join(WRITERS)}{hint(kind, WRITERS)}"
        raise refusal("--format", given=kind, accepted=accepted)
    if target.exists():
        raise refusal(target, fault="is there already", do="name a new folder")
    told = {split: _told(each, folders[split], split, skeleton) for split, each in labels.items()}
    with whole_folder(target) as folder:
        if kind in FOLDERS:
            first, *_ = told.values()
            every = tuple(image for each in told.values() for image in each.images)
            WRITERS[kind](replace(first, images=every), folder)
        for split, each in told.items():
            if kind not in FOLDERS:
                WRITERS[kind](each, folder / f"{split}.json")
            for image in each.images:
                link = folder / IMAGES / split / image.file
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to((folders[split] / image.file).resolve())


def _told(labels: Labels, folder: Path, split: str, skeleton: Skeleton) -> Labels:
    """With all that the labels leave open: split, sizes, limbs and pairs, areas as scores here
    take them, so that another evaluation of the files comes to the same numbers."""
    ordered = in_order(labels, skeleton, split)
    images = tuple(
        replace(_sized(each, folder), split=split, people=tuple(map(_with_area, each.people)))
        for each in ordered.images
    )
    return replace(ordered, images=images, limbs=skeleton.limbs, mirrored=skeleton.mirrored)


def _with_area(person: LabelledPerson) -> LabelledPerson:
    if person.area is not None or person.box_image is None:
        return person
    return replace(person, area=AREA_OF_BOX * person.box_image[2] * person.box_image[3])


def _sized(image: LabelledImage, folder: Path) -> LabelledImage:
    if image.width and image.height:
        return image
    seen = see_image(folder, image.file)
    if seen.fault:
        raise refusal(folder / image.file, fault=seen.fault, do="its size is needed")
    return replace(image, width=seen.size[0], height=seen.size[1])
