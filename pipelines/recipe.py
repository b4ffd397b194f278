"""Recipes: `recipes/NAME.yaml` in, a frozen typed `Recipe` out. The only reader of yaml."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from data.person_crops import PersonCropAugmentation
from data.transforms import Augmentation, Plug
from data.whole_image import WholeImageAugmentation
from pipelines.places import REPOSITORY
from pipelines.strict import LATER, nearest, plain, read

Kind = TypeVar("Kind")
Pixels = Literal["imagenet_rgb", "imagenet_bgr", "openpose_bgr"]
MOST_MEMBERS = 3  # of a mixture, as many as dvc.yaml names
Options = dict[str, Any]  # keyword arguments of a plug, checked against its own signature


@dataclass(frozen=True)
class Architecture:
    name: str
    variant: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Pretrained:
    """Weights to start from: a path, `s3://`, `https://` or `hf://owner/name/file`.

    `sha256` is the digest of the file, or its first 8 or more hex digits.
    """

    source: str
    sha256: str


@dataclass(frozen=True)
class FieldLoss:
    """The loss of one kind of field, and its weight per stage (one number serves all stages).

    stage_options: for single stages, over `options`: {"-1": {"top_k": 8}}. Stages count among
    those that paint the field, from 0 or, from the last, from -1.
    """

    name: str
    weight: float | list[float] = 1.0
    options: Options = field(default_factory=dict)
    stage_options: dict[str, Options] = field(default_factory=dict, metadata=LATER)

    def options_of(self, stage: int, stages: int) -> Options:
        """Options of one of `stages` stages, counted from 0."""
        own = (self.stage_options.get(str(n), {}) for n in (stage, stage - stages))
        return self.options | {key: value for each in own for key, value in each.items()}


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that learn at another rate or decay otherwise; each is in the first that fits.

    part: of the network, by name ("": all of it); weight_decay null: the optimizer's.
    """

    kinds: list[Literal["weight", "bias", "depthwise_weight", "norm_weight", "norm_bias"]]
    part: str = ""
    learning_rate_factor: float = 1.0
    weight_decay: float | None = None


@dataclass(frozen=True)
class Optimizer:
    name: Literal["adam", "adamw", "sgd"]
    learning_rate: float
    weight_decay: float = 0.0
    momentum: float = 0.9
    clip_norm: float | None = None
    groups: list[ParameterGroup] = field(default_factory=list, metadata=LATER)


@dataclass(frozen=True)
class Schedule:
    """`multi_step`: times `factor` at the start of each epoch in `milestones`; `cosine`: to
    `final_factor` of the learning rate at the last step; both after a linear warm-up."""

    name: Literal["multi_step", "cosine"]
    milestones: list[int] = field(default_factory=list)
    factor: float = 0.1
    final_factor: float = 0.0
    warmup_steps: int = 0


@dataclass(frozen=True)
class Training:
    epochs: int
    global_batch: int
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    ema_decay: float | None = None
    sync_batch_norm: bool = False
    small_split: Literal["repeat", "refuse"] = "repeat"
    skip_non_finite: int = 0
    validate_every: int = 1
    checkpoint_every_steps: int | None = None
    keep_best: int = 2
    steps_per_epoch: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """scales: of the input's short side or height, that whole images are read at together."""

    evaluator: str
    monitor: str = "AP@gt"
    flip_test: bool = True
    keypoint_threshold: float = 0.2
    nms_threshold: float = 0.9
    train_split: str = "train"
    split: str = "val"
    scales: list[float] = field(default_factory=lambda: [1.0], metadata=LATER)


@dataclass(frozen=True)
class Published:
    """A row of a paper: what this recipe is to reproduce, under which protocol, and from where.

    metrics hold fractions of 1, keyed like ours (`AP@det`; `AP@test-dev`: by COCO's server, from a
    detector's boxes); cost is as printed, with its count. protocol_doubtful: the paper says or
    implies this protocol, but its numbers look like another one's; the note says why.
    """

    source: str
    metrics: dict[str, float]
    params_m: float | None = None
    gflops: float | None = None
    gflops_count: Literal["exact_g", "exact_gi", "hr_g", "hr_gi"] | None = None
    note: str = ""
    protocol_doubtful: bool = False


@dataclass(frozen=True)
class Recipe:
    """Everything one training needs; `input_size` is (width, height).

    refine: a plug-in around the architecture, its name or {name, options}. pixels: how images are
    fed: ImageNet's mean and deviation on RGB, or on BGR (SimpleBaseline's code), or (BGR - 128) /
    256 (OpenPose's family).
    """

    dataset: str
    seed: int
    input_size: list[int]
    architecture: Architecture
    codec: Plug
    losses: dict[str, FieldLoss]
    augmentation: Augmentation | WholeImageAugmentation | PersonCropAugmentation
    optimizer: Optimizer
    schedule: Schedule
    training: Training
    evaluation: Evaluation
    refine: Plug | None = field(default=None, metadata=LATER)
    pixels: Pixels = field(default="imagenet_rgb", metadata=LATER)
    pretrained: Pretrained | None = None
    published: list[Published] = field(default_factory=list)
    cite: str = ""

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def digest(self) -> str:
        """sha256 over what decides the training; the papers' numbers and citations do not."""
        decides = plain(self, without=("published", "cite"))
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def recipe_path(name: str) -> Path:
    return REPOSITORY / "recipes" / f"{name}.yaml"


def recipe_names() -> list[str]:
    return sorted(path.stem for path in (REPOSITORY / "recipes").glob("*.yaml"))


def load_recipe(name: str) -> Recipe:
    """The recipe of that name, checked: types here, values against the menus in `check`.

    Raises ValueError that names file, place, what was given and what is accepted.
    """
    path = recipe_path(name)
    if not path.is_file():
        raise ValueError(f"no recipe {name!r} in recipes/{nearest(name, recipe_names())}")
    return read_recipe(read_yaml(path), str(path.relative_to(REPOSITORY)))


def read_recipe(content: object, where: str) -> Recipe:
    """A recipe from plain yaml or json data (a checkpoint's, say), strictly."""
    from pipelines.check import check_recipe

    recipe: Recipe = read(Recipe, content, where)
    check_recipe(recipe, where)
    return recipe


def load_params() -> dict[str, Any]:
    """`params.yaml`: which recipes run, where data and cluster are."""
    content = read_yaml(REPOSITORY / "params.yaml")
    if not isinstance(content, dict):
        raise ValueError("params.yaml: expected keys run, datasets, cluster, tracking")
    return content


def run_entry(recipe: Recipe) -> dict[str, Any]:
    """What `run:` of params.yaml holds of a recipe, for DVC."""
    return {"dataset": recipe.dataset}


def sources(recipe: Recipe) -> list[str]:
    """The data sets that are fetched for a recipe: its own, or the members of its mixture."""
    from data import DATASETS

    return list(getattr(DATASETS[recipe.dataset], "members", [recipe.dataset]))


def mixture_entry(recipe: Recipe) -> dict[str, Any]:
    """What `run.mixtures` of params.yaml holds for a recipe; members padded for dvc.yaml."""
    members = sources(recipe)
    if members == [recipe.dataset]:
        return {}
    return {recipe.dataset: {"members": [*members, *members[-1:] * (MOST_MEMBERS - len(members))]}}


def check_run(name: str, recipe: Recipe) -> None:
    """ValueError where `run:` of params.yaml says something else of a recipe than its file."""
    run = load_params().get("run", {})
    entry = run.get("recipes", {}).get(name)
    expected = run_entry(recipe)
    if entry is not None and entry != expected:
        raise ValueError(
            f"params.yaml: run.recipes.{name}: given {entry}, accepted: {expected} "
            f"(what recipes/{name}.yaml says; `make repro RECIPE={name}` writes it)"
        )
    mixtures = mixture_entry(recipe)
    missing = [d for d in sources(recipe) if d not in run.get("datasets", [])]
    if entry is not None and missing:
        raise ValueError(f"params.yaml: run.datasets: {missing[0]!r} is missing ({name})")
    for dataset, members in mixtures.items() if entry is not None else ():
        given = run.get("mixtures", {}).get(dataset)
        if given != members:
            raise ValueError(f"params.yaml: run.mixtures.{dataset}: given {given}, accepted: "
                             f"{members} ({name})")  # fmt: skip


def add_to_run(name: str, recipe: Recipe) -> None:
    """Writes the recipe's entry into `run:` of params.yaml, comments kept, if it is not there."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    path = REPOSITORY / "params.yaml"
    editor = YAML()
    editor.width = 200
    editor.representer.add_representer(
        type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = editor.load(path.read_text())
    run = content["run"]
    if run["recipes"].get(name) != run_entry(recipe):
        entry = CommentedMap(run_entry(recipe))
        entry.fa.set_flow_style()
        run["recipes"][name] = entry
        run["datasets"] += [d for d in sources(recipe) if d not in run["datasets"]]
        run.setdefault("mixtures", {}).update(mixture_entry(recipe))
        with path.open("w") as file:
            editor.dump(content, file)
        print(f"params.yaml: {name} added to what runs", flush=True)
    check_run(name, recipe)


def read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not readable as yaml: {error}") from error


def read_as(kind: type[Kind], content: object, where: str) -> Kind:
    """Plain yaml data as the dataclass `kind`, as strictly as a recipe."""
    made: Kind = read(kind, content, where)
    return made
