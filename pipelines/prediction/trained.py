"""A trained recipe: its network, loaded from best.pt, and the poses that it reads from boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data import DATASETS
from data.ground.skeletons import Skeleton
from models.weights import load_whole
from pipelines.recipe.build import build_architecture, build_codec
from pipelines.recipe.reader import read_recipe
from pipelines.recipe.schema import Recipe


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
