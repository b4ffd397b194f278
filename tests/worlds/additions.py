"""One more of each thing that a checkout may be given: its file, its line, a recipe of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.worlds.checkouts import edit, write_params

LIKE = "demo_simple_baseline"  # the recipe that those of the additions are, but for one thing
DATA, MODELS = "data/menus.py", "models/menus.py"
SETS = "data/datasets/menu.py"


@dataclass(frozen=True)
class Addition:
    """files: place -> text; menu: its file, its name, the line, what the line needs imported.

    lines: place -> text there, what stands in its place; recipe: likewise in `LIKE` (none: nobody
    uses it), on `dataset`; settings: of params.yaml, for data sets.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    menu: tuple[str, str, str, str] | None = None
    lines: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    recipe: tuple[str, str] | None = None
    dataset: str = "stick_figures"
    settings: Mapping[str, Any] | None = None
    members: tuple[str, ...] = ()


def kind(above: str, name: str, body: str = "") -> str:
    """A file with a class of another file's, by another name."""
    module, parent = above.rsplit(".", 1)
    return f"from {module} import {parent}\n\n\nclass {name}({parent}):\n{body or '    N = 1'}\n"


SKELETON = """
keypoints: [head, left_hand, right_hand]
limbs: [[left_hand, head], [head, right_hand]]
mirrored: [[left_hand, right_hand]]
sigmas: [0.05, 0.06, 0.06]
upper_body: ["head", "left_hand", "right_hand"]
"""
ADDITIONS = {
    "skeleton": Addition(files={"data/skeletons/unused.yaml": SKELETON}),
    "data set": Addition(
        files={
            "data/datasets/tried.py": "from data.ground.skeleton import load_skeleton\n"
            + kind("data.datasets.coco.Coco", "Tried", '    SKELETON = load_skeleton("tried")'),
            "data/skeletons/tried.yaml": SKELETON,
        },
        menu=(SETS, "DATASETS", '"tried": Tried()', "from data.datasets.tried import Tried"),
        recipe=("dataset: stick_figures", "dataset: tried"),
        dataset="tried",
        settings={"source": None, "bad_row_limit": 0.0},
    ),
    "mixture": Addition(
        menu=(SETS, "DATASETS", '"tried_mix": Mixture({"mpii": Mpii(), "coco": Coco()})', ""),
        recipe=("dataset: stick_figures", "dataset: tried_mix"),
        dataset="tried_mix",
        settings={"weights": {"mpii": 1.0, "coco": 1.0}, "bad_row_limit": 0.0},
        members=("mpii", "coco", "coco"),
    ),
    "codec": Addition(
        files={"data/codecs/tried.py": kind("data.codecs.heatmap.HeatmapCodec", "TriedCodec")},
        menu=(DATA, "CODECS", '"tried": TriedCodec', "from data.codecs.tried import TriedCodec"),
        recipe=("name: heatmap\n", "name: tried\n"),
    ),
    "network": Addition(
        files={"models/tried.py": kind("models.simple_baseline.SimpleBaseline", "TriedNetwork")},
        menu=(
            MODELS,
            "ARCHITECTURES",
            '"tried": TriedNetwork',
            "from models.tried import TriedNetwork",
        ),
        recipe=("{name: simple_baseline,", "{name: tried,"),
    ),
    "variant": Addition(
        lines={
            "models/hrnet.py": (
                '    "w48": {"width": 48},\n',
                '    "w48": {"width": 48},\n    "w8": {"width": 8},\n',
            )
        },
        recipe=("{name: simple_baseline, variant: demo}", "{name: hrnet, variant: w8}"),
    ),
    "loss": Addition(
        files={
            "models/losses/tried.py": kind("models.losses.keypoint_mse.KeypointMSE", "TriedLoss")
        },
        menu=(MODELS, "LOSSES", '"tried": TriedLoss', "from models.losses.tried import TriedLoss"),
        recipe=("{name: keypoint_mse}", "{name: tried}"),
    ),
    "evaluator": Addition(  # that scores a data set which is there
        files={"data/evaluators/tried.py": kind("data.evaluators.oks.OksEvaluator", "TriedJudge")},
        menu=(
            DATA,
            "EVALUATORS",
            '"tried": TriedJudge',
            "from data.evaluators.tried import TriedJudge",
        ),
        lines={"data/datasets/coco.py": ('EVALUATORS = ("oks",', 'EVALUATORS = ("oks", "tried",')},
        recipe=("{evaluator: oks}", "{evaluator: tried}"),
    ),
    "evaluator of one more data set": Addition(
        lines={
            "data/datasets/crowdpose.py": ('("crowdpose",', '("crowdpose", "oks",'),
            "data/datasets/mpii.py": ('EVALUATORS = ("pckh",', 'EVALUATORS = ("pckh", "oks",'),
        }
    ),
    "recipe": Addition(recipe=("seed: 1", "seed: 7")),
    "comment": Addition(
        lines={
            "pipelines/training/loop.py": ("\n\nimport", "\n\n# a comment\nimport"),
            "data/skeletons/coco.yaml": ("keypoints: ", "# a comment\nkeypoints: "),
        }
    ),
}


def recipe_name(name: str) -> str:
    return f"tried_{name.replace(' ', '_')}"


def add(checkout: Path, name: str) -> None:
    """Files and lines alone: nothing that runs uses them."""
    addition = ADDITIONS[name]
    for place, text in addition.files.items():
        (checkout / place).write_text(text)
    for place, (old, new) in addition.lines.items():
        edit(checkout / place, old, new)
    if addition.menu:
        place, menu, line, needed = addition.menu
        text = (checkout / place).read_text()
        text, count = re.subn(rf"^{menu}: .* = {{\n", rf"\g<0>    {line},\n", text, flags=re.M)
        assert count == 1, menu
        first = re.search(r"^from (data|models)\.", text, flags=re.M)
        assert first
        (checkout / place).write_text(f"{text[: first.start()]}{needed}\n{text[first.start() :]}")


def use(checkout: Path, names: list[str]) -> None:
    """A recipe of each that can be used, among what runs."""
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    for name in names:
        addition = ADDITIONS[name]
        if addition.recipe:
            path = checkout / "recipes" / f"{recipe_name(name)}.yaml"
            path.write_text((checkout / "recipes" / f"{LIKE}.yaml").read_text())
            edit(path, *addition.recipe)
            params["run"]["recipes"][path.stem] = {"dataset": addition.dataset}
        if addition.settings:
            params["datasets"][addition.dataset] = dict(addition.settings)
            if addition.members:
                entry = {"members": list(addition.members)}
                params["run"]["mixtures"][addition.dataset] = entry
            else:
                params["run"]["datasets"].append(addition.dataset)
    write_params(checkout, params)
