"""A registered version's files as the network that they are of: nothing else is asked.

A version is of any checkout: its data set may be none of this one's, and its skeleton may be of
another shape here. So recipe, skeleton and weights are those that it carries; the network is built
by the code at hand, which reads many images at once, on any device, with or without the flip test
(its own graph has one of these ways), and is held by tests to answer as the served model does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from data.ground.json_text import read_json
from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton, skeleton_of_file
from data.menus import CODECS
from models.contracts import Network
from models.menus import ARCHITECTURES, REFINEMENTS
from models.weights import load_whole
from pipelines.host import places
from pipelines.host.imports import SKELETONS
from pipelines.prediction.best_weights import BestWeights
from pipelines.prediction.devices import chosen_device
from pipelines.prediction.trained import Trained
from pipelines.recipe.build import architecture_options, build_codec
from pipelines.recipe.reader import read_as
from pipelines.recipe.schema import Recipe


def read_weights(folder: Path) -> BestWeights:
    """The weights, and what the card says of them. Raises ValueError for a card that is none."""
    card = read_card(folder)
    names = ("recipe", "epoch", "fingerprint", "data_hash")
    return BestWeights(
        model=load_file(folder / places.MODEL_WEIGHTS), **{name: card[name] for name in names}
    )


def load_version(folder: Path, name: str, device: str | None = None) -> Trained:
    """The network of a version's files. Raises ValueError where this code knows its parts not."""
    best = read_weights(folder)
    recipe = read_as(Recipe, best.recipe, f"{name}: recipe")
    skeleton = version_skeleton(folder)
    network = build_network(recipe, skeleton, name)
    load_whole(network, best.model, name)
    where = chosen_device(device)
    codec = build_codec(recipe)
    return Trained(recipe, network.to(where), codec, skeleton, where, best.origin)


def version_skeleton(folder: Path) -> Skeleton:
    """As it travelled with the version's code."""
    card = read_card(folder)
    file = f"{card['skeleton']['name']}.yaml"
    return skeleton_of_file(folder / places.MODEL_CODE / card["code"]["package"] / SKELETONS / file)


def read_card(folder: Path) -> dict[str, Any]:
    path = folder / places.CARD
    card = read_json(path)
    needed = ("recipe", "epoch", "fingerprint", "data_hash", "skeleton", "code")
    lacking = [key for key in needed if not isinstance(card, dict) or key not in card]
    lacking += [
        f"{key}.{name}"
        for key, name in (("skeleton", "name"), ("code", "package"))
        if key not in lacking and not _has_text(card[key], name)
    ]
    if lacking:
        do = "`python -m pipelines.promote` registers such versions"
        raise refusal(path, fault=f"no card of a registered pose: lacks {lacking}", do=do)
    return dict(card)


def _has_text(content: object, key: str) -> bool:
    return isinstance(content, dict) and isinstance(content.get(key), str)


def build_network(recipe: Recipe, skeleton: Skeleton, name: str) -> Network:
    """As `build_architecture`, for a skeleton at hand in place of the data set's."""
    menus: tuple[tuple[str, str, Any], ...] = (
        ("codec", recipe.codec.name, CODECS),
        ("architecture", recipe.architecture.name, ARCHITECTURES),
        *((("refine", recipe.refine.name, REFINEMENTS),) if recipe.refine else ()),
    )
    for what, plug, menu in menus:
        if plug not in menu:
            do = "use the Limber that registered it, or a later one"
            raise refusal(f"{name}: {what}", given=plug, accepted=", ".join(menu), do=do)
    kind, codec = ARCHITECTURES[recipe.architecture.name], build_codec(recipe)
    network: Network = kind(codec.channels(skeleton), **architecture_options(recipe))
    if recipe.refine is None:
        return network
    around = REFINEMENTS[recipe.refine.name]
    return around(network, aligned=codec.aligned, **recipe.refine.options)
