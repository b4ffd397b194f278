"""An own data set's labels written in another format, its images linked beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from data.datasets.formats.menu import WRITERS
from data.datasets.formats.values import whole_ids
from data.ground.refusal import refusal
from data.ground.sample import AREA_OF_BOX
from data.ground.skeleton import Skeleton
from pipelines.host.folders import whole_folder
from pipelines.recipe.strict import hint
from pipelines.survey.overview import in_order
from pipelines.survey.seen import see_image
from pipelines.survey.turning import turned

AS_SEEN = ("yolo_pose",)  # formats whose places are of photos as EXIF turns them
BEHIND = {  # what has no place in a format
    "yolo_pose": ("crowds", "polygons", "areas"),
}
FOLDERS = ("yolo_pose",)  # formats that are a folder of files with all splits; others: a json each
IMAGES = "images"


def export_labels(
    labels: Mapping[str, Labels],
    folders: Mapping[str, Path],
    skeleton: Skeleton,
    kind: str,
    target: Path,
    stored: bool,
) -> None:
    """labels and folders of images by split. Keypoints go by the skeleton: its names and order,
    its limbs and pairs. `target` is made, images are links in TARGET/images/SPLIT. stored: whether
    labels are of photos as they are stored; for formats that see them turned, they are turned.

    Raises ValueError where it is there already, and for what the format cannot say.
    """
    if kind not in WRITERS:
        accepted = f"{', '.join(WRITERS)}{hint(kind, WRITERS)}"
        raise refusal("--format", given=kind, accepted=accepted)
    if target.exists():
        raise refusal(target, fault="is there already", do="name a new folder")
    told = {
        split: _told(each, folders[split], split, skeleton, stored, kind)
        for split, each in labels.items()
    }
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


def _told(
    labels: Labels, folder: Path, split: str, skeleton: Skeleton, stored: bool, kind: str
) -> Labels:
    """With all that the labels leave open: split, sizes, limbs and pairs, areas as scores here
    take them, so that another evaluation of the files comes to the same numbers."""
    ordered = in_order(labels, skeleton, split)
    filled = (
        replace(i, people=tuple(map(_with_area, i.people)), split=split) for i in ordered.images
    )
    images = tuple(_placed(image, folder, stored, kind in AS_SEEN) for image in filled)
    return replace(ordered, images=images, limbs=skeleton.limbs, mirrored=skeleton.mirrored)


def _with_area(person: LabelledPerson) -> LabelledPerson:
    if person.area is not None or person.box_image is None:
        return person
    return replace(person, area=AREA_OF_BOX * person.box_image[2] * person.box_image[3])


def _placed(image: LabelledImage, folder: Path, stored: bool, as_seen: bool) -> LabelledImage:
    """With its size; turned where places are as stored and are wanted as seen."""
    if image.width and image.height and not (stored and as_seen):
        return image
    seen = see_image(folder, image.file)
    if seen.fault:
        raise refusal(folder / image.file, fault=seen.fault, do="it is needed")
    size = seen.size if stored or not seen.turned else seen.size[::-1]
    if not (image.width and image.height):
        image = replace(image, width=size[0], height=size[1])
    labelled_turned = seen.turned and (image.width, image.height) == seen.size[::-1] != seen.size
    return turned(image, seen.orientation) if stored and as_seen and not labelled_turned else image


def behind_lines(labels: Mapping[str, Labels], kind: str) -> list[str]:
    """What an export in that format leaves behind, counted, and whose ids are new."""
    images = [image for each in labels.values() for image in each.images]
    people = [person for image in images for person in image.people]
    counts = {
        "crowds": sum(person.is_crowd for person in people),
        "polygons": sum(person.segmentation is not None for person in people),
        "areas": sum(person.area is not None for person in people),
    }
    told = [f"{n} {what}" for what, n in counts.items() if n and what in BEHIND.get(kind, ())]
    notes = [note for each in labels.values() for note in each.notes]
    rows = f"{len(notes)} rows that cannot be used" if notes else ""
    lines = [f"left behind: {', '.join(filter(None, [*told, rows]))}"] if told or rows else []
    if kind not in FOLDERS and any(
        whole_ids([image.id for image in each.images]) is None for each in labels.values()
    ):
        lines.append("ids of images are numbered anew: not all are whole numbers")
    return lines
