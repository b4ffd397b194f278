"""A trained recipe: its network, loaded from best.pt, and the poses that it reads from boxes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data import DATASETS
from data.loader import BoxDataset, build_loader
from data.sample import Batch, WholeBatch
from data.skeletons import Skeleton
from models.weights import load_whole
from pipelines import places
from pipelines.check import build_architecture, build_codec
from pipelines.detections import Boxes
from pipelines.predictor import ByImage, poses_by_image, predict, predict_both
from pipelines.recipe import Recipe, read_recipe
from pipelines.whole_images import (
    image_sizes,
    people_by_image,
    same_size_batches,
    whole_batches,
)

BATCH = {"cuda": 128, "cpu": 32}
WHOLE_BATCH = {"cuda": 16, "cpu": 4}


@dataclass(frozen=True)
class Trained:
    """A trained network with all that reading its poses needs, and where it comes from."""

    recipe: Recipe
    network: nn.Module
    codec: Any
    skeleton: Skeleton
    device: torch.device
    checkpoint: Mapping[str, Any]  # of best.pt: epoch, fingerprint, data_hash

    @property
    def input_size(self) -> tuple[int, int]:
        return self.recipe.input_size[0], self.recipe.input_size[1]


def load_trained(path: Path, name: str, recipe: Recipe | None) -> Trained:
    """The network of a best.pt. With `recipe`, it must be what the file was trained from."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; run `dvc repro train@{name}` first")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path}: no checkpoint, or a damaged one ({error})") from error
    lacking = {"recipe", "model", "epoch", "fingerprint", "data_hash"} - set(checkpoint)
    if lacking:
        raise ValueError(f"{path}: no checkpoint of `train`: lacks {', '.join(sorted(lacking))}")
    stored = read_recipe(checkpoint["recipe"], f"{path}: recipe")
    if recipe is not None:
        check_same(path, name, stored, recipe)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build_architecture(stored)
    load_whole(network, checkpoint["model"], str(path))
    skeleton = DATASETS[stored.dataset].SKELETON
    return Trained(stored, network.to(device), build_codec(stored), skeleton, device, checkpoint)


def check_same(path: Path, name: str, stored: Recipe, recipe: Recipe) -> None:
    if stored.digest() == recipe.digest():
        return
    ours, theirs = recipe.as_dict(), stored.as_dict()
    differing = [k for k in ours if ours[k] != theirs[k] and k not in ("published", "cite")]
    raise ValueError(
        f"{path}: trained from another recipe: {', '.join(differing)} differ from "
        f"recipes/{name}.yaml; run `dvc repro train@{name}`"
    )


def read_poses(
    trained: Trained, boxes: Boxes | None, files: Mapping[int, Path], *, both: bool
) -> list[ByImage]:
    """Poses per image id: with flip test, and before it without, if `both`.

    From boxes, after OKS-NMS; without boxes (bottom-up) from whole images.
    """
    network = trained.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    codec, skeleton, size = trained.codec, trained.skeleton, trained.input_size
    boxes = boxes.of_images(files.keys()) if boxes else None
    batches = whole(trained, files) if boxes is None else crops(trained, boxes, files)
    given = (network, codec, skeleton, batches, trained.device)
    found = predict_both(*given) if both else (predict(*given, flip_test=True),)
    if boxes is None:
        return [people_by_image(predictions, list(files)) for predictions in found]
    settings = (size, codec.aligned, trained.recipe.evaluation, skeleton.sigmas)
    return [poses_by_image(predictions, boxes, *settings) for predictions in found]


def whole(trained: Trained, files: Mapping[int, Path]) -> Iterator[WholeBatch]:
    """All images whole, those of one size together."""
    recipe = trained.recipe
    known = image_sizes(places.prepared(recipe.dataset), recipe.evaluation.split)
    sizes = [known.get(image_id, (0, n)) for n, image_id in enumerate(files)]  # unknown: alone
    batches = same_size_batches(sizes, WHOLE_BATCH[trained.device.type])
    workers = min(8, threads()) if trained.device.type == "cuda" else 0
    loader = whole_batches(recipe, trained.codec, list(files.values()), batches, workers)
    return watched(loader, len(files))


def crops(trained: Trained, boxes: Boxes, files: Mapping[int, Path]) -> Iterator[Batch]:
    """One crop per box, in batches, in the boxes' order."""
    paths = [files[int(image_id)] for image_id in boxes.image_id]
    dataset = BoxDataset(paths, boxes.box_image, trained.input_size, trained.codec.aligned)
    workers = min(8, threads()) if trained.device.type == "cuda" else 0
    loader = build_loader(dataset, range(len(boxes)), BATCH[trained.device.type], workers)
    return watched(loader, len(boxes))


def threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def watched(batches: Iterable[Any], total: int, every: float = 10.0) -> Iterator[Any]:
    """The batches, with a line of progress every so many seconds."""
    started = last = time.monotonic()
    done = 0
    for batch in batches:
        yield batch
        done += len(batch.sample_id)
        now = time.monotonic()
        if now - last > every:
            last, rate = now, done / (now - started)
            left = (total - done) / rate
            print(f"  {done}/{total}, {rate:.0f}/s, {left:.0f} s left", file=sys.stderr)
