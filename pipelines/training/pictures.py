"""What a training shows: pages of samples as they are fed, of predictions as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.files.images import read_image
from data.ground.sample import Batch, Pose, WholeBatch
from data.ground.skeleton import Skeleton
from pipelines.pictures.people import (
    draw_poses,
    page_of_people,
    page_of_pictures,
    person_tile,
    write_picture,
)
from pipelines.prediction.poses import people_by_image, sure_people
from pipelines.prediction.readout import Predictions
from pipelines.training.validation import Validation

PICTURED = 15  # persons on a page: one large, the others around it
PAIRS, PAIR_COLUMNS, PAIR_SIDE = 12, 3, 400  # people as labelled and as predicted, on a page
TILE = (200, 400)  # width and height of one of the two
WHOLE_PICTURED = 6  # images on a page
SHADE = 0.35  # of what no loss counts


def draw_predictions(path: Path, found: Predictions, on: Validation, threshold: float) -> None:
    """A page of persons, or of images, spread over the split: left the truth, right what was said.

    On the rank that has the truth.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = _people_of_boxes if on.feed.boxes is not None else _people_of_images
    write_picture(path, draw(found, on, threshold))


def _people_of_boxes(found: Predictions, on: Validation, threshold: float) -> np.ndarray:
    assert on.feed.boxes is not None
    pairs = []
    chosen = np.linspace(0, len(found.sample_id) - 1, min(PAIRS, len(found.sample_id)))
    for n in np.unique(chosen.astype(int)):
        row = int(found.sample_id[n])
        image = read_image(str(on.feed.paths[row]))
        box = on.feed.boxes.box_image[row]
        seen = np.where(found.scores[n] > threshold, 2, 0)
        x, y, width, height = (float(v) for v in box)
        said = Pose(found.keypoints_image[n], seen, (x, y, width, height))
        true = true_person(on.truth[int(on.feed.boxes.image_id[row])], box)
        true = replace(true, box_image=said.box_image)  # the same cut
        tiles = [person_tile(image, pose, "", on.skeleton, TILE) for pose in (true, said)]
        pairs.append((np.hstack(tiles), f"truth, predicted: {found.scores[n].mean():.2f}"))
    return page_of_pictures(pairs, columns=PAIR_COLUMNS, side=PAIR_SIDE)


def true_person(people: Sequence[Pose], box: np.ndarray) -> Pose:
    """Whose box it is, of the people of its image."""
    apart = [np.abs(np.array(person.box_image) - box).sum() for person in people]
    return people[int(np.argmin(apart))]


def _people_of_images(found: Predictions, on: Validation, threshold: float) -> np.ndarray:
    poses = people_by_image(found, on.feed.ids)
    chosen = np.linspace(0, len(on.feed.paths) - 1, min(WHOLE_PICTURED, len(on.feed.paths)))
    drawn = []
    for row in np.unique(chosen.astype(int)):
        number = int(on.feed.ids[row])
        people = sure_people(poses[number], threshold)
        sides = on.truth.get(number, []), people
        image = read_image(str(on.feed.paths[row]))
        both = np.hstack([draw_poses(image, each, on.skeleton) for each in sides])
        drawn.append((both, f"truth: {len(sides[0])} people, predicted: {len(people)}"))
    return page_of_pictures(drawn)


def draw_batch(path: Path, batch: Batch | WholeBatch, skeleton: Skeleton) -> None:
    """A page of training samples as the network sees them, with the keypoints it is to find."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(batch, WholeBatch):
        write_picture(path, _whole_samples(batch, skeleton))
    else:
        write_picture(path, _crop_samples(batch, skeleton))


def _crop_samples(batch: Batch, skeleton: Skeleton) -> np.ndarray:
    people = []
    for n in range(min(PICTURED, len(batch.images))):
        image = batch.images[n].cpu().numpy()
        height, width = image.shape[:2]
        keypoints = batch.keypoints_input[n].cpu().double().numpy()
        view = (width * 0.1, height * 0.1, width * 0.8, height * 0.8)  # the page pads boxes by 1.25
        pose = Pose(keypoints, batch.visibility[n].cpu().numpy(), view)
        people.append((image, pose, f"sample {int(batch.sample_id[n])}"))
    return page_of_people(people, skeleton)


def _whole_samples(batch: WholeBatch, skeleton: Skeleton) -> np.ndarray:
    """What no loss counts is shaded."""
    drawn = []
    for n in range(min(WHOLE_PICTURED, len(batch.images))):
        keep = batch.keep[n].cpu().numpy().repeat(2, axis=0).repeat(2, axis=1)[..., None]
        image = batch.images[n].cpu().numpy()
        shaded = (image * np.where(keep, 1.0, SHADE)).astype(np.uint8)
        keypoints = batch.keypoints_input[n].cpu().double().numpy()
        visibility = batch.visibility[n].cpu().numpy()
        size = float(min(image.shape[:2])) / 4
        people = [
            Pose(k, v, (0, 0, size, size)) for k, v in zip(keypoints, visibility, strict=True)
        ]
        drawn.append((draw_poses(shaded, people, skeleton), f"sample {int(batch.sample_id[n])}"))
    return page_of_pictures(drawn)
