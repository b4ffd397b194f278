"""Recipes: `recipes/NAME.yaml` in, a frozen typed `Recipe` out. The only reader of yaml."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from data.transforms import Augmentation, Plug
from pipelines.places import REPOSITORY

Kind = TypeVar("Kind")
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
    """The loss of one kind of field, and its weight per stage (one number serves all stages)."""

    name: str
    weight: float | list[float] = 1.0
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Optimizer:
    name: Literal["adam", "adamw", "sgd"]
    learning_rate: float
    weight_decay: float = 0.0
    momentum: float = 0.9
    clip_norm: float | None = None


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
    evaluator: str
    monitor: str = "AP@gt"
    flip_test: bool = True
    keypoint_threshold: float = 0.2
    nms_threshold: float = 0.9
    train_split: str = "train"
    split: str = "val"


@dataclass(frozen=True)
class Published:
    """A row of a paper: what this recipe is to reproduce, under which protocol, and from where.

    metrics hold fractions of 1, keyed like ours (`AP@det`); cost is as printed, with its count.
    """

    source: str
    metrics: dict[str, float]
    params_m: float | None = None
    gflops: float | None = None
    gflops_count: Literal["exact_g", "exact_gi", "hr_g", "hr_gi"] | None = None
    note: str = ""


@dataclass(frozen=True)
class Recipe:
    """Everything one training needs; `input_size` is (width, height)."""

    dataset: str
    seed: int
    input_size: list[int]
    architecture: Architecture
    codec: Plug
    losses: dict[str, FieldLoss]
    augmentation: Augmentation
    optimizer: Optimizer
    schedule: Schedule
    training: Training
    evaluation: Evaluation
    pretrained: Pretrained | None = None
    published: list[Published] = field(default_factory=list)
    cite: str = ""

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def digest(self) -> str:
        """sha256 over what decides the training; the papers' numbers and citations do not."""
        decides = {k: v for k, v in self.as_dict().items() if k not in ("published", "cite")}
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
        raise ValueError(f"no recipe {name!r} in recipes/{_nearest(name, recipe_names())}")
    return read_recipe(read_yaml(path), str(path.relative_to(REPOSITORY)))


def read_recipe(content: object, where: str) -> Recipe:
    """A recipe from plain yaml or json data (a checkpoint's, say), strictly."""
    from pipelines.check import check_recipe

    recipe: Recipe = _read(Recipe, content, where, "")
    check_recipe(recipe, where)
    return recipe


def load_params() -> dict[str, Any]:
    """`params.yaml`: which recipes run, where data and cluster are."""
    content = read_yaml(REPOSITORY / "params.yaml")
    if not isinstance(content, dict):
        raise ValueError("params.yaml: expected keys run, datasets, cluster, tracking")
    return content


def check_run(name: str, recipe: Recipe) -> None:
    """ValueError where `run:` of params.yaml says something else of a recipe than its file."""
    run = load_params().get("run", {})
    entry = run.get("recipes", {}).get(name)
    expected = {"dataset": recipe.dataset, "architecture": recipe.architecture.name}
    if entry is not None and entry != expected:
        raise ValueError(
            f"params.yaml: run.recipes.{name}: given {entry}, accepted: {expected} "
            f"(what recipes/{name}.yaml says)"
        )
    if entry is not None and recipe.dataset not in run.get("datasets", []):
        raise ValueError(f"params.yaml: run.datasets: {recipe.dataset!r} is missing ({name})")


def add_to_run(name: str, recipe: Recipe) -> None:
    """Writes the recipe into `run:` of params.yaml, comments kept, if it is not there yet."""
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
    if name not in run["recipes"]:
        entry = CommentedMap(dataset=recipe.dataset, architecture=recipe.architecture.name)
        entry.fa.set_flow_style()
        run["recipes"][name] = entry
        if recipe.dataset not in run["datasets"]:
            run["datasets"].append(recipe.dataset)
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
    made: Kind = _read(kind, content, where, "")
    return made


def _nearest(given: object, accepted: list[str]) -> str:
    close = difflib.get_close_matches(str(given), accepted, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; accepted: {', '.join(accepted)}"


def _read(kind: Any, value: Any, where: str, path: str) -> Any:
    """`value` as `kind` (dataclass, Literal, list, dict, union, scalar), or ValueError."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where, path)
    if origin in (types.UnionType, typing.Union):
        return _read_union(arguments, value, where, path)
    if origin is Literal:
        if value not in arguments or isinstance(value, bool):
            raise _wrong(where, path, value, f"one of {', '.join(map(str, arguments))}")
        return value
    if origin is list:
        if not isinstance(value, list):
            raise _wrong(where, path, value, "a list")
        return [_read(arguments[0], v, where, f"{path}[{i}]") for i, v in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(k, str) for k in value):
            raise _wrong(where, path, value, "a mapping with names as keys")
        return {k: _read(arguments[1], v, where, f"{path}.{k}") for k, v in value.items()}
    return _read_scalar(kind, value, where, path)


def _read_union(kinds: tuple[Any, ...], value: Any, where: str, path: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    kinds = tuple(k for k in kinds if k is not type(None))
    if len(kinds) > 1:
        kinds = tuple(k for k in kinds if (typing.get_origin(k) is list) == isinstance(value, list))
    return _read(kinds[0], value, where, path)


def _read_scalar(kind: type, value: Any, where: str, path: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        hint = f"a {kind.__name__}"
        if kind is float and isinstance(value, str):
            hint += " (yaml reads 5e-4 as text: write 5.0e-4)"
        raise _wrong(where, path, value, hint)
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(where, path, value, "a finite number")
    return value


def _read_dataclass(kind: Any, value: Any, where: str, path: str) -> Any:
    if not isinstance(value, dict):
        raise _wrong(where, path, value, f"a mapping ({kind.__name__.lower()})")
    hints = typing.get_type_hints(kind)
    dot = f"{path}." if path else ""
    for key in value:
        if key not in hints:
            near = _nearest(key, list(hints))
            raise ValueError(f"{where}: {dot}{key}: unknown key{near}")
    missing = [
        f.name
        for f in dataclasses.fields(kind)
        if f.name not in value
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ValueError(f"{where}: {dot}{missing[0]}: missing; it has no default")
    return kind(**{key: _read(hints[key], v, where, f"{dot}{key}") for key, v in value.items()})


def _wrong(where: str, path: str, value: object, accepted: str) -> ValueError:
    return ValueError(f"{where}: {path or 'the file'}: given {value!r}, accepted: {accepted}")
