"""What an evaluation shows: poses over images, written beside painted fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from data.images import read_image
from pipelines.ceiling import true_batches
from pipelines.pictures import draw_poses, write_picture
from pipelines.predictor import ByImage
from pipelines.trained import Trained
from pipelines.training_pictures import draw_fields, sure_people

OVERLAYS = 12
FIELDS = 4  # images


def write_overlays(
    folder: Path, trained: Trained, poses: ByImage, files: Mapping[int, Path]
) -> None:
    """Predicted skeletons on some images, the same ones for every recipe of a data set."""
    folder.mkdir()
    ids, threshold = sorted(poses), trained.recipe.evaluation.keypoint_threshold
    chosen = ids[:: max(1, len(ids) // OVERLAYS)][:OVERLAYS]
    for image_id in chosen:
        shown = sure_people(poses[image_id], threshold)
        picture = draw_poses(read_image(files[image_id]), shown, trained.skeleton)
        write_picture(folder / f"{image_id:012d}.jpg", picture)


def write_fields(folder: Path, trained: Trained, image_ids: Sequence[int]) -> None:
    """Written beside painted fields of the first images that show people."""
    folder.mkdir()
    batches = zip(image_ids, true_batches(trained.recipe, trained.codec), strict=False)
    shown = ((i, batch) for i, batch in batches if (batch.visibility > 0).any())
    for image_id, batch in islice(shown, FIELDS):
        path = folder / f"{image_id:012d}.jpg"
        draw_fields(path, trained.network, trained.codec, batch, trained.device)
