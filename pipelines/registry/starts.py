"""Weights to fine-tune, as `--from` of a command names them: a version, a recipe, a file."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from data.ground.json_text import read_object
from data.ground.refusal import refusal
from data.menus import CODECS
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.host.places import told_path
from pipelines.prediction.best_weights import BestWeights
from pipelines.recipe.reader import load_recipe, read_recipe, recipe_names
from pipelines.recipe.schema import Recipe
from pipelines.registry.versions import Registry
from pipelines.survey.template import Start

VERSION = re.compile(r"models:/(?P<slot>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+))")
ACCEPTED = "models:/SLOT@ALIAS, models:/SLOT/NUMBER, a recipe's name, or a file like best.pt"


def start_of(given: str, network: str | None = None) -> Start:
    """What the weights are, and the recipe whose network they are of.

    A recipe gives its trained weights, else those that it starts from itself. network: a recipe,
    for a file that tells none. Raises ValueError where there is nothing of that name, and for
    weights of a network that finds everyone in the whole image.
    """
    if given.startswith("models:/"):
        start = _of_version(given)
    elif given in recipe_names():
        start = _of_recipe(given)
    else:
        start = _of_file(Path(given), network)
    if CODECS[start.recipe.codec.name].whole_image:
        fault = f"its {start.recipe.codec.name} finds everyone in the whole image"
        raise refusal(given, fault=fault, accepted="weights of a top-down network")
    return start


def _of_version(given: str) -> Start:
    """Under the version's number, which never moves as an alias does."""
    told = VERSION.fullmatch(given)
    if told is None:
        raise refusal("--from", given=given, accepted=ACCEPTED)
    registry, slot, alias = Registry(), told["slot"], told["alias"]
    number = registry.aliases(slot).get(alias) if alias else told["number"]
    if number is None:
        do = "`python -m pipelines.promote` registers versions"
        raise refusal(given, fault="there is no such version", do=do)
    with tempfile.TemporaryDirectory() as folder:
        files = registry.files(registry.version(slot, number), "artifacts", Path(folder))
        recipe = read_recipe(read_object(files / places.CARD).get("recipe"), given)
        digest = file_digest(files / places.MODEL_WEIGHTS)
    return Start(f"models:/{slot}/{number}", digest, recipe, f"as `{given}` was when it was added")


def _of_recipe(name: str) -> Start:
    path, recipe = places.best_weights(name), load_recipe(name)
    if path.is_file():
        return _read(path, f"{name}, as trained here")
    if recipe.pretrained is None:
        do = f"train it (`make repro RECIPE={name}`) or name another"
        raise refusal(f"--from {name}", fault="not trained here, and from scratch itself", do=do)
    start = recipe.pretrained
    return Start(start.source, start.sha256, recipe, f"what {name} starts from")


def _of_file(path: Path, network: str | None) -> Start:
    if not path.is_file():
        raise refusal("--from", given=str(path), accepted=ACCEPTED)
    if network is None:
        return _read(path, path.name)
    told = f"{path.name}, the network of {network}"
    return Start(told_path(path), file_digest(path), load_recipe(network), told)


def _read(path: Path, told: str) -> Start:
    do = "name the recipe of its network: --network RECIPE"
    try:
        content = BestWeights.read(path)
    except ValueError as error:
        raise ValueError(f"{error}; {do}") from error
    recipe: Recipe = read_recipe(content.recipe, str(path))
    return Start(told_path(path), file_digest(path), recipe, told)
