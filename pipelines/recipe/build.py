"""From a recipe to what it names: codec, network, losses."""

from __future__ import annotations

from data.ground.codec import Codec
from data.ground.sample import Outputs
from data.menus import CODECS
from models.contracts import Loss, Network, Refinement
from models.menus import ARCHITECTURES, LOSSES, REFINEMENTS
from pipelines.recipe.datasets import data_set
from pipelines.recipe.schema import Options, Recipe


def build_codec(recipe: Recipe) -> Codec:
    return CODECS[recipe.codec.name](**recipe.codec.options)


def architecture_options(recipe: Recipe) -> Options:
    """What the architecture is built with: its variant's options, and the recipe's over them."""
    kind = ARCHITECTURES[recipe.architecture.name]
    return {**kind.VARIANTS[recipe.architecture.variant], **recipe.architecture.options}


def build_architecture(recipe: Recipe) -> Network:
    """The recipe's network, freshly initialised; its channels follow from codec and skeleton.

    With `refine` it is the plug-in, with the architecture in it as `base`.
    """
    kind = ARCHITECTURES[recipe.architecture.name]
    codec = build_codec(recipe)
    channels = codec.channels(data_set(recipe.dataset).SKELETON)
    network: Network = kind(channels, **architecture_options(recipe))
    if recipe.refine is None:
        return network
    around = REFINEMENTS[recipe.refine.name]
    return around(network, aligned=codec.aligned, **recipe.refine.options)


def unrefined(network: Network) -> Network:
    """The architecture itself, which pretrained weights are of, without what refines it."""
    return network.base if isinstance(network, Refinement) else network


def build_losses(recipe: Recipe, outputs: Outputs) -> dict[str, list[tuple[Loss, float]]]:
    """Per field the loss and its weight of each stage that paints it, in the stages' order."""
    losses = {}
    for name, loss in recipe.losses.items():
        stages = sum(name in stage for stage in outputs)
        weights = loss.weight if isinstance(loss.weight, list) else [loss.weight] * stages
        kinds = [LOSSES[loss.name](**loss.options_of(n, stages)) for n in range(stages)]
        losses[name] = list(zip(kinds, weights, strict=True))
    return losses
