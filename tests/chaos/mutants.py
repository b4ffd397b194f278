"""Recipes, params, rules of promotion, sidecars with a value changed: read as the product does."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from data.codecs.heatmap import HeatmapCodec
from data.ground.yaml_text import plain_yaml, read_yaml
from pipelines.host.places import REPOSITORY
from pipelines.prediction.sidecar import read_sidecar
from pipelines.prepare import bad_row_limit, turns_photos
from pipelines.recipe.detectors import detector_of
from pipelines.recipe.params import check_run, dataset_settings, load_params
from pipelines.recipe.profile import read_cluster
from pipelines.recipe.reader import load_recipe, read_recipe
from pipelines.recipe.storage import read_s3, read_storage
from pipelines.registry.rules import RULES, read_rules
from tests.chaos.fault import Fault, Outcome
from tests.chaos.limits import limited
from tests.chaos.mutators import Place, broken_bytes, broken_tree
from tests.worlds.sidecars import HRNET, MOVENET_THUNDER, RTMPOSE

HOLDS = "a sentence that names file and key, or what is harmless; within 10 s and 2 GiB"
DEMOS = ("demo_hrnet", "demo_higher_hrnet", "demo_openpose", "demo_pose_renet", "demo_ca_hrnet")
FREE = ("published", "cite", "options")  # where text of any kind may stand
ALIASES = "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))
BOMB = f"a: &a [x]\n{ALIASES}"  # a value of 9^8 words


def written(draw: random.Random, path: Path, tree: Any) -> tuple[Place, bool]:
    """A yaml file of the tree, broken in a value or in its bytes; where, and whether it must be
    refused."""
    kind = draw.random()
    if kind < 0.75:
        broken, place, never = broken_tree(draw, tree)
        path.write_text(yaml.safe_dump(broken, sort_keys=False), encoding="utf-8")
        return place, never
    text = yaml.safe_dump(tree, sort_keys=False)
    if kind < 0.8:
        broken = draw.choice(("[" * 5000, BOMB + text, "x: " + "x" * 2**21))
        path.write_text(broken)
        return (("a",) if broken.startswith(BOMB) else ()), True
    path.write_bytes(broken_bytes(draw, text.encode()))
    return (), False


def never_accepted(read: Callable[[], object], never: bool, place: Place) -> None:
    read()
    assert not never, f"accepted, with nonsense at {place}"


def broken_recipe(draw: random.Random, folder: Path) -> Outcome:
    name, path = draw.choice(DEMOS), folder / "recipe.yaml"
    place, never = written(draw, path, read_yaml(REPOSITORY / "recipes" / f"{name}.yaml"))
    never = never and not any(key in FREE for key in place[:-1])

    def read() -> None:
        recipe = read_recipe(read_yaml(path), path.name)
        assert len(recipe.digest()) == 64

    return limited(lambda: never_accepted(read, never, place), (path.name,))


def broken_params(draw: random.Random, folder: Path) -> Outcome:
    path = folder / "params.yaml"
    place, never = written(draw, path, read_yaml(REPOSITORY / "params.yaml"))
    never = never and place[:1] in (("cluster",), ("s3",), ("storage",), ())

    def read() -> None:
        params = load_params(path)
        for gpus in range(3):
            read_cluster(params, gpus)
        read_storage(params)
        read_s3(params)
        for name in ("stick_figures", "coco", "coco_mpii"):
            settings = dataset_settings(name, path)
            bad_row_limit(name, settings)
            turns_photos(name, settings)
            detector_of(name, path)
        check_run("demo_hrnet", load_recipe("demo_hrnet"), path)

    return limited(lambda: never_accepted(read, never, place), ("params.yaml",))


def broken_sidecar(draw: random.Random, folder: Path) -> Outcome:
    """What is said of somebody else's pose network."""
    path = folder / "network.yaml"
    tree = plain_yaml(draw.choice((RTMPOSE, HRNET, MOVENET_THUNDER)))
    place, never = written(draw, path, tree)

    def read() -> None:
        about, skeleton = read_sidecar(path)
        assert (np.array(about.pixels.std, np.float32) > 0).all()
        assert HeatmapCodec(blur_kernel=about.output.blur_kernel).channels(skeleton)

    return limited(lambda: never_accepted(read, never, place), (path.name,))


def broken_rules(draw: random.Random, folder: Path) -> Outcome:
    path = folder / "promotion.yaml"
    place, never = written(draw, path, read_yaml(RULES))
    return limited(
        lambda: never_accepted(lambda: read_rules(path, {"mine": "coco"}), never, place),
        ("promotion.yaml",),
    )


CHANGED = "with a value or bytes changed"
FAULTS = [
    Fault("mutant-recipe", f"a recipe {CHANGED}", HOLDS, broken_recipe, 1500, 40),
    Fault("mutant-params", f"params.yaml {CHANGED}", HOLDS, broken_params, 1000, 30),
    Fault("mutant-sidecar", f"a sidecar {CHANGED}", HOLDS, broken_sidecar, 800, 40),
    Fault("mutant-rules", f"rules of promotion {CHANGED}", HOLDS, broken_rules, 800, 40),
]
