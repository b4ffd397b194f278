"""`regions` of params.yaml: of which data sets photos are cut into pieces, of which split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from data.ground.refusal import refusal
from data.ground.yaml_text import read_yaml
from pipelines.host.places import REPOSITORY
from pipelines.recipe.datasets import data_set
from pipelines.recipe.params import PARAMS, load_params

AUTO, MANY = "auto", 20_000  # what `auto` says: photos from which on they are cut


def splits_in_pieces(
    dataset: str, photos: Callable[[str], int], path: Path = PARAMS
) -> Sequence[str]:
    """Splits that recipes of `run:` train on (without any, the first), where they are to be cut.

    photos: how many of a split training may read. Raises ValueError where `regions` is none of
    true, false, a list of data sets, or auto: many photos, of a data set that a recipe trains on.
    """
    said = load_params(path).get("regions", AUTO)
    trained = _trained(dataset, path)
    if said == AUTO:
        return [split for split in trained if photos(split) >= MANY]
    if isinstance(said, list) and all(isinstance(name, str) for name in said):
        for name in said:
            data_set(name, path)
        said = dataset in said
    if not isinstance(said, bool):
        accepted = "auto, true, false, or a list of data sets"
        raise refusal("params.yaml: regions", given=said, accepted=accepted)
    return (trained or data_set(dataset, path).SPLITS[:1]) if said else ()


def _trained(dataset: str, path: Path) -> list[str]:
    """By the recipes of `run:`; whether they are right is asked where they are trained."""
    run = load_params(path).get("run", {}).get("recipes", {})
    named = [name for name, entry in run.items() if entry == {"dataset": dataset}]
    files = (REPOSITORY / "recipes" / f"{name}.yaml" for name in named)
    asked = [(read_yaml(file) or {}).get("evaluation") for file in files if file.is_file()]
    return sorted({str((each or {}).get("train_split", "train")) for each in asked})
