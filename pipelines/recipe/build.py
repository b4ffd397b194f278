"""From a recipe to what it names: codec, network, losses."""

from __future__ import annotations

from typing import Any

import torch

from data import CODECS, DATASETS
from models import ARCHITECTURES, LOSSES, REFINEMENTS
from pipelines.recipe.schema import Recipe


def build_codec(recipe: Recipe) -> Any:
    return CODECS[recipe.codec.name](**recipe.codec.options)


def build_architecture(recipe: Recipe) -> torch.nn.Module:
    """The recipe's network, freshly initialised; its channels follow from codec and skeleton.

    With `refine` it is the plug-in, with the architecture in it as `base`.
    """
    kind = ARCHITECTURES[recipe.architecture.name]
    options = {**kind.VARIANTS[recipe.architecture.variant], **recipe.architecture.options}
    network: torch.nn.Module = kind(
        build_codec(recipe).channels(DATASETS[recipe.dataset].SKELETON), **options
    )
    if recipe.refine is not None:
        network = REFINEMENTS[recipe.refine.name](network, **recipe.refine.options)
    network.pixels = recipe.pixels  # type: ignore[assignment]
    return network


def unrefined(recipe: Recipe, network: torch.nn.Module) -> torch.nn.Module:
    """The recipe's architecture itself, which pretrained weights are of."""
    base: torch.nn.Module = network if recipe.refine is None else network.base  # type: ignore[assignment]
    return base


def build_losses(recipe: Recipe, outputs: Any) -> dict[str, list[tuple[Any, float]]]:
    """Per field the loss and its weight of each stage that paints it, in the stages' order."""
    found = {}
    for name, loss in recipe.losses.items():
        stages = sum(name in stage for stage in outputs)
        weights = loss.weight if isinstance(loss.weight, list) else [loss.weight] * stages
        kinds = [LOSSES[loss.name](**loss.options_of(n, stages)) for n in range(stages)]
        found[name] = list(zip(kinds, weights, strict=True))
    return found
