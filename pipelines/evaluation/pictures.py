"""What an evaluation shows: poses over images, written beside painted fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from data.files.images import read_image
from data.ground.codec import Codec
from data.ground.sample import Batch, Fields, WholeBatch
from models.contracts import Network
from pipelines.evaluation.ceiling import truth_feed
from pipelines.pictures.fields import fields_page
from pipelines.pictures.people import draw_poses, write_picture
from pipelines.prediction.pixels import normalise
from pipelines.prediction.poses import ByImage, sure_people
from pipelines.prediction.split import split_place
from pipelines.prediction.trained import Trained
from pipelines.recipe.schema import Pixels

OVERLAYS = 12
FIELDS = 4  # images
FIELDS_PICTURED = 2  # images with their fields


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
    feed = truth_feed(trained.recipe, trained.codec)
    batches = zip(image_ids, feed.labelled(split_place(trained.recipe)), strict=False)
    shown = ((i, batch) for i, batch in batches if (batch.visibility > 0).any())
    for image_id, batch in islice(shown, FIELDS):
        path = folder / f"{image_id:012d}.jpg"
        pixels = trained.recipe.pixels
        draw_fields(path, trained.network, trained.codec, batch, trained.device, pixels)


@torch.inference_mode()
def draw_fields(
    path: Path,
    network: Network,
    codec: Codec,
    batch: Batch | WholeBatch,
    device: torch.device,
    pixels: Pixels,
) -> None:
    """Pages of what the codec writes of a batch's first images beside what the network paints."""
    some = (each[:FIELDS_PICTURED] for each in batch if isinstance(each, torch.Tensor))
    few = type(batch)(*some).on(device)  # type: ignore[arg-type]
    size = few.images.shape[2], few.images.shape[1]
    written = codec.paint(codec.encode(few, network.outputs, size))
    was_training = network.training
    painted = network.eval()(normalise(few.images, pixels))
    network.train(was_training)
    pages = [
        fields_page(few.images[n].cpu().numpy(), _of(written, n), _of(painted, n))
        for n in range(len(few.images))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, np.hstack(pages))


def _of(stages: Sequence[Fields], n: int) -> list[dict[str, np.ndarray]]:
    """The fields of one image, as arrays."""
    return [{k: f[n].float().cpu().numpy() for k, f in stage.items()} for stage in stages]
