"""A trained recipe: its network, loaded from best.pt, and the poses that it reads from boxes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from data.ground.codec import Codec
from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton
from models.contracts import Network
from models.weights import load_whole
from pipelines.prediction.best_weights import BestWeights, Origin
from pipelines.recipe.build import build_architecture, build_codec
from pipelines.recipe.datasets import data_set
from pipelines.recipe.reader import read_recipe
from pipelines.recipe.schema import Recipe


@dataclass(frozen=True)
class Trained:
    """A trained network with all that reading its poses needs, and where it comes from."""

    recipe: Recipe
    network: Network
    codec: Codec
    skeleton: Skeleton
    device: torch.device
    origin: Origin

    @property
    def input_size(self) -> tuple[int, int]:
        return self.recipe.size


def load_trained(path: Path, name: str, recipe: Recipe | None) -> Trained:
    """The network of a best.pt. With `recipe`, it must be what the file was trained from."""
    best = BestWeights.read(path, f"run `make repro RECIPE={name}` first")
    stored = read_recipe(best.recipe, f"{path}: recipe")
    if recipe is not None:
        check_same(path, name, stored, recipe)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build_architecture(stored)
    load_whole(network, best.model, str(path))
    skeleton = data_set(stored.dataset).SKELETON
    return Trained(stored, network.to(device), build_codec(stored), skeleton, device, best.origin)


def check_same(path: Path, name: str, stored: Recipe, recipe: Recipe) -> None:
    if stored.digest() == recipe.digest():
        return
    ours, theirs = recipe.as_dict(), stored.as_dict()
    differing = [k for k in ours if ours[k] != theirs[k] and k not in ("published", "cite")]
    fault = f"trained from another recipe: {', '.join(differing)} differ from recipes/{name}.yaml"
    raise refusal(path, fault=fault, do=f"run `make repro RECIPE={name}`")
