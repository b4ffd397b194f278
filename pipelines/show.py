"""Shows what trained recipes say of images: poses side by side, heatmaps of keypoints.

    python -m pipelines.show RECIPE [RECIPE ...] --images ID,ID
    python -m pipelines.show RECIPE --images ID --keypoints nose,left_wrist [--scale 128]
    python -m pipelines.show RECIPE --images ID --test-dev --image-info F --images-folder DIR

Images of the split that the recipes are evaluated on, people in their true boxes, or in a
detector's with --detections; or, with --test-dev, of an official list. A scale is the height in
cells of a heatmap at the recipe's input size. Writes reports/shown, a picture or two per image.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton
from data.ground.spans import Span
from pipelines.host import places
from pipelines.host.command import Arguments, listed_numbers, run_command, whole_number
from pipelines.host.writable import writable
from pipelines.recipe.strict import hint

if TYPE_CHECKING:
    from pipelines.evaluation.chosen import Chosen
    from pipelines.evaluation.shown import Shown
    from pipelines.prediction.trained import Trained

IDS = Span(0, 2**63 - 1)
LONGEST = 200  # letters of a folder's name


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("show", __doc__)
    arguments.add_argument("recipes", nargs="+", metavar="RECIPE", help="trained ones")
    arguments.add_argument("--images", required=True, metavar="ID,ID", help="ids of images")
    arguments.add_argument("--keypoints", metavar="NAME,NAME", help="heatmaps of these as well")
    arguments.add_argument(
        "--scale", type=whole_number(Span(1, 65_536)), help="heatmaps of that height alone"
    )
    arguments.add_argument("--detections", type=Path, help="people in a detector's boxes")
    arguments.add_argument("--test-dev", action="store_true", help="images of an official list")
    arguments.add_argument("--image-info", type=Path, help="image_info_test-dev2017.json")
    arguments.add_argument("--images-folder", type=Path, help="folder of its images")
    arguments.add_argument("--out", type=Path, metavar="DIR", help="instead of reports/shown/...")
    return run_command(arguments, argv, show)


def show(asked: Namespace) -> None:
    from data.menus import DATASETS
    from pipelines.evaluation.chosen import boxes_for, of_folder, of_split
    from pipelines.evaluation.shown import Shown, stages_of
    from pipelines.prediction.boxes import PERSON
    from pipelines.prediction.split import split_place

    listed = (asked.image_info, asked.images_folder)
    if asked.test_dev == (None in listed) or (not asked.test_dev and listed != (None, None)):
        accepted = "all of --test-dev, --image-info and --images-folder, or none"
        raise refusal("show", accepted=accepted)
    if asked.scale is not None and not asked.keypoints:
        raise refusal("--scale", accepted="with --keypoints, whose heatmaps it chooses")
    ids = listed_numbers("--images", asked.images, "ids of images, as 785,1000", IDS)
    trained = load_all(asked.recipes)
    first = next(iter(trained.values()))
    keypoints = keypoint_names(asked.keypoints, first.skeleton)
    if keypoints:
        for name, each in trained.items():
            stages_of(each, name, asked.scale)
    if asked.test_dev:
        chosen = of_folder(asked.image_info, asked.images_folder, ids, asked.detections)
    else:
        place, person = split_place(first.recipe), PERSON
        if asked.detections is not None:
            data_set = DATASETS[first.recipe.dataset]
            person = data_set.person_category(place.raw, place.split)
        chosen = of_split(place, ids, asked.detections, person)
    shown = [Shown(name, each, boxes_for(each, chosen, name)) for name, each in trained.items()]
    folder = asked.out or places.shown() / "__".join(trained)[:LONGEST]
    for path in write_pages(folder, shown, chosen, keypoints, asked.scale):
        print(path, flush=True)


def write_pages(
    folder: Path,
    shown: Sequence[Shown],
    chosen: Chosen,
    keypoints: Sequence[str],
    scale: int | None,
) -> list[Path]:
    """ID_poses.jpg and, with keypoints, ID_heatmaps.jpg of every chosen image."""
    from data.files.images import read_image
    from pipelines.evaluation.chosen import read_chosen
    from pipelines.evaluation.shown import heatmaps_page, poses_page
    from pipelines.pictures.people import write_picture

    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    found = {each.name: read_chosen(each.trained, chosen, each.boxes) for each in shown}
    thresholds = {e.name: e.trained.recipe.evaluation.keypoint_threshold for e in shown}
    paths = []
    for image_id, file in chosen.files.items():
        truth = None if chosen.truth is None else chosen.truth[image_id]
        poses = {name: people.get(image_id, []) for name, people in found.items()}
        skeleton = shown[0].trained.skeleton
        pages = {"poses": poses_page(read_image(file), truth, poses, skeleton, thresholds)}
        if keypoints:
            pages["heatmaps"] = heatmaps_page(shown, chosen, image_id, keypoints, scale)
        for what, page in pages.items():
            paths.append(folder / f"{image_id:012d}_{what}.jpg")
            write_picture(paths[-1], page)
    return paths


def keypoint_names(text: str | None, skeleton: Skeleton) -> list[str]:
    """`nose,left_wrist` -> names of the skeleton. Raises ValueError with the nearest."""
    names = [word.strip() for word in text.split(",")] if text else []
    for name in names:
        if name not in skeleton.keypoints:
            near = hint(name, skeleton.keypoints)
            accepted = f"{', '.join(skeleton.keypoints)}{near}"
            raise refusal("--keypoints", given=name, accepted=accepted)
    return names


def load_all(names: Sequence[str]) -> dict[str, Trained]:
    """The trained networks, by recipe. Raises ValueError where they show no common images."""
    trained = {name: load_one(name) for name in names}
    (first, one), *others = trained.items()
    for name, other in others:
        mine, theirs = (
            f"{each.recipe.dataset} {each.recipe.evaluation.split}" for each in (one, other)
        )
        if mine != theirs:
            fault = f"{first} is evaluated on {mine}, {name} on {theirs}"
            raise refusal("show", fault=fault, accepted="recipes of the same data set and split")
    return trained


def load_one(name: str) -> Trained:
    from pipelines.prediction.trained import load_trained
    from pipelines.recipe.reader import load_recipe, recipe_names

    recipe, path = load_recipe(name), places.best_weights(name)
    if not path.is_file():
        there = [each for each in recipe_names() if places.best_weights(each).is_file()]
        accepted = f"{', '.join(there) or 'none yet'}{hint(name, there)}"
        do = f"`make repro RECIPE={name}` trains it, `python -m pipelines.import_weights` fills it"
        raise refusal(name, fault="not trained", accepted=accepted, do=do)
    return load_trained(path, name, recipe)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
