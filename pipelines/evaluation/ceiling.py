"""The most that a recipe can reach: what is read back from fields that the truth itself wrote.

decode(paint(encode(truth))) of the recipe's split, scored as its network would be. What is lost
there (cells, codec, views), no training brings back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from data import DATASETS, EVALUATORS
from data.feeds.image_people import ImagePeople
from data.feeds.resized_images import ResizedDataset
from data.feeds.whole_images import WholeItem, collate_whole
from data.ground.sample import Batch, Outputs, WholeBatch
from data.views.geometry import invert, move
from pipelines.evaluation.scoring import name_protocol, score_poses
from pipelines.host import places
from pipelines.intake.prepared import image_files
from pipelines.prediction.boxes import truth_boxes
from pipelines.prediction.feeds import samples_of
from pipelines.prediction.poses import ByImage, people_by_image, poses_by_image
from pipelines.prediction.predictor import Predictions, in_image, join
from pipelines.recipe.build import build_architecture, build_codec
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe

BATCH = 32


def ceiling(recipe: Recipe) -> dict[str, float]:
    """The evaluator's numbers, named after the protocol: {"AP@image": ...} or {"AP@gt": ...}."""
    codec, module = build_codec(recipe), DATASETS[recipe.dataset]
    with torch.device("meta"):
        outputs: Outputs = build_architecture(recipe).outputs  # type: ignore[assignment]
    whole = bool(codec.whole_image)
    poses = _people(recipe, codec, outputs) if whole else _persons(recipe, codec, outputs)
    truth = module.truth(places.raw(recipe.dataset), recipe.evaluation.split)
    evaluator = score_poses(recipe.evaluation.evaluator, module.SKELETON, poses, truth)
    return name_protocol(evaluator.result(), "image" if whole else "gt")


def told(name: str) -> list[str]:
    """The ceiling's main numbers, beside what the recipe reached where it is evaluated."""
    recipe, path = load_recipe(name), places.evaluated(name).parent / "metrics.json"
    reached = json.loads(path.read_text()) if path.is_file() else {}
    lines = []
    for key, most in ceiling(recipe).items():
        if key.rpartition("@")[0] in (EVALUATORS[recipe.evaluation.evaluator].main, "AR"):
            ours = (
                f", reached {reached[key]:.3f} ({reached[key] / most:.0%})"
                if key in reached
                else ""
            )
            lines.append(f"{name}: {key} of decode(paint(encode(truth))): {most:.3f}{ours}")
    return lines


def _people(recipe: Recipe, codec: Any, outputs: Outputs) -> ByImage:
    """Of whole images, each at its own size."""
    batches = true_batches(recipe, codec)
    ids = list(_files(recipe))
    return people_by_image(_read_back(codec, outputs, batches, recipe), ids)


def true_batches(recipe: Recipe, codec: Any) -> Iterator[WholeBatch]:
    """Each image of the split as it is tested, with its labelled people."""
    split = recipe.evaluation.split
    people = ImagePeople(places.prepared(recipe.dataset), places.raw(recipe.dataset), split)
    size = min(recipe.input_size)
    dataset = ResizedDataset(list(_files(recipe).values()), codec.resize, size)
    for row in range(len(dataset)):
        yield collate_whole([with_people(dataset[row], *people.poses(row))])


def with_people(item: WholeItem, keypoints_image: np.ndarray, seen: np.ndarray) -> WholeItem:
    """An item with people of its image: [N, K, 2] in image pixels, visibility [N, K]."""
    moved = move(invert(item.to_image), keypoints_image).astype(np.float32)
    return item._replace(keypoints_input=moved, visibility=seen)


def _persons(recipe: Recipe, codec: Any, outputs: Outputs) -> ByImage:
    """Of crops, from the true boxes."""
    prepared, split = places.prepared(recipe.dataset), recipe.evaluation.split
    raw = places.raw(recipe.dataset)
    samples = samples_of(recipe, codec, prepared, raw, split, augmented=False)
    rows = range(len(samples))
    chunks = [rows[n : n + BATCH] for n in range(0, len(samples), BATCH)]
    batches = (samples.collate([samples.dataset[n] for n in chunk]) for chunk in chunks)
    found = _read_back(codec, outputs, batches, recipe)
    boxes, sigmas = truth_boxes(prepared, split, codec.aligned), DATASETS[recipe.dataset].SKELETON
    size = recipe.input_size[0], recipe.input_size[1]
    return poses_by_image(found, boxes, size, codec.aligned, recipe.evaluation, sigmas.sigmas)


def _read_back(
    codec: Any,
    outputs: Outputs,
    batches: Iterator[Any] | Sequence[Batch] | Sequence[WholeBatch],
    recipe: Recipe,
) -> Predictions:
    parts = []
    for batch in batches:
        size = batch.images.shape[2], batch.images.shape[1]
        painted = codec.paint(codec.encode(batch, outputs, size))
        parts.append(in_image(codec.decode(painted, size), batch))
    return join(parts, len(DATASETS[recipe.dataset].SKELETON.keypoints))


def _files(recipe: Recipe) -> dict[int, Any]:
    place = places.prepared(recipe.dataset), places.raw(recipe.dataset)
    return dict(image_files(*place, recipe.evaluation.split))
