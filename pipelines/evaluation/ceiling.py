"""The most that a recipe can reach: what is read back from fields that the truth itself wrote.

decode(paint(encode(truth))) of the recipe's split, scored as its network would be. What is lost
there (cells, codec, views), no training brings back.
"""

from __future__ import annotations

import torch

from data.ground.codec import Codec
from data.ground.json_text import read_object
from data.menus import EVALUATORS
from pipelines.evaluation.scoring import name_protocol, score_poses
from pipelines.host import places
from pipelines.prediction.boxes import truth_boxes
from pipelines.prediction.feed import Feed
from pipelines.prediction.predictor import read_truth
from pipelines.prediction.split import split_feed, split_place
from pipelines.recipe.build import build_architecture, build_codec
from pipelines.recipe.datasets import data_set
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe


def ceiling(recipe: Recipe) -> dict[str, float]:
    """The evaluator's numbers, named after the protocol: {"AP@image": ...} or {"AP@gt": ...}."""
    codec, kind = build_codec(recipe), data_set(recipe.dataset)
    with torch.device("meta"):
        outputs = build_architecture(recipe).outputs
    feed, place = truth_feed(recipe, codec), split_place(recipe)
    predictions = read_truth(codec, outputs, kind.SKELETON, feed.labelled(place))
    truth = kind.truth(place.raw, place.split)
    judge = recipe.evaluation.evaluator
    evaluator = score_poses(judge, kind.SKELETON, feed.poses(predictions), truth)
    return name_protocol(evaluator.result(), feed.protocol)


def truth_feed(recipe: Recipe, codec: Codec) -> Feed:
    """The recipe's split, people in their true boxes."""
    place = split_place(recipe)
    return split_feed(recipe, codec, place, truth_boxes(place.prepared, place.split, codec.aligned))


def told(name: str) -> list[str]:
    """The ceiling's main numbers, beside what the recipe reached where it is evaluated."""
    recipe = load_recipe(name)
    path = places.recipe_metrics(name)
    reached = (
        read_object(path, cut=f"run `python -m pipelines.evaluate {name}`")
        if path.is_file()
        else {}
    )
    main = (EVALUATORS[recipe.evaluation.evaluator].main, "AR")
    lines = []
    for key, most in ceiling(recipe).items():
        if key.rpartition("@")[0] in main:
            share = f" ({reached[key] / most:.0%})" if key in reached else ""
            ours = f", reached {reached[key]:.3f}{share}" if key in reached else ""
            lines.append(f"{name}: {key} of decode(paint(encode(truth))): {most:.3f}{ours}")
    return lines
