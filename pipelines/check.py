"""Checks of a recipe's values against the menus: what types alone cannot refuse."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from data import CODECS, DATASETS, EVALUATORS
from data.transforms import check_photometric
from models import ARCHITECTURES, LOSSES

if TYPE_CHECKING:
    from pipelines.recipe import Recipe


def check_recipe(recipe: Recipe, where: str) -> None:
    """ValueError naming file, place, what was given and what is accepted; builds no weights."""
    _on_menu(where, "dataset", recipe.dataset, DATASETS)
    _on_menu(where, "evaluation.evaluator", recipe.evaluation.evaluator, EVALUATORS)
    _check_numbers(recipe, where)
    _check_fields(recipe, where)
    _plain(where, "augmentation.photometric", check_photometric, recipe.augmentation.photometric)


def build_codec(recipe: Recipe) -> Any:
    return CODECS[recipe.codec.name](**recipe.codec.options)


def build_architecture(recipe: Recipe) -> torch.nn.Module:
    """The recipe's network, freshly initialised; its channels follow from codec and skeleton."""
    kind = ARCHITECTURES[recipe.architecture.name]
    options = {**kind.VARIANTS[recipe.architecture.variant], **recipe.architecture.options}
    network: torch.nn.Module = kind(
        build_codec(recipe).channels(DATASETS[recipe.dataset].SKELETON), **options
    )
    return network


def _check_numbers(recipe: Recipe, where: str) -> None:
    training, augmentation = recipe.training, recipe.augmentation
    positive = {
        "training.epochs": training.epochs,
        "training.global_batch": training.global_batch,
        "training.validate_every": training.validate_every,
        "training.keep_best": training.keep_best,
        "optimizer.learning_rate": recipe.optimizer.learning_rate,
    }
    for optional in ("checkpoint_every_steps", "steps_per_epoch"):
        if (value := getattr(training, optional)) is not None:
            positive[f"training.{optional}"] = value
    for path, value in positive.items():
        if value <= 0:
            raise ValueError(f"{where}: {path}: given {value}, accepted: more than 0")
    fractions = {
        f"augmentation.{name}": getattr(augmentation, name)
        for name in ("rotation_probability", "flip_probability", "half_body_probability")
    } | {"evaluation.nms_threshold": recipe.evaluation.nms_threshold}
    if training.ema_decay is not None:
        fractions["training.ema_decay"] = training.ema_decay
    for path, value in fractions.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{where}: {path}: given {value}, accepted: 0 to 1")
    if not 0 <= augmentation.scale < 1:
        raise ValueError(f"{where}: augmentation.scale: given {augmentation.scale}, accepted: "
                         "0 up to, not including, 1")  # fmt: skip
    if recipe.schedule.milestones != sorted(set(recipe.schedule.milestones)):
        raise ValueError(f"{where}: schedule.milestones: given {recipe.schedule.milestones}, "
                         "accepted: rising epochs")  # fmt: skip
    if training.skip_non_finite < 0 or recipe.schedule.warmup_steps < 0:
        raise ValueError(f"{where}: skip_non_finite and warmup_steps: accepted: 0 or more")


def _check_fields(recipe: Recipe, where: str) -> None:
    """Codec, architecture and losses fit together, and the input size fits the strides."""
    _on_menu(where, "codec.name", recipe.codec.name, CODECS)
    _on_menu(where, "architecture.name", recipe.architecture.name, ARCHITECTURES)
    kind = ARCHITECTURES[recipe.architecture.name]
    _on_menu(where, "architecture.variant", recipe.architecture.variant, kind.VARIANTS)
    _accepts(where, "codec.options", CODECS[recipe.codec.name], recipe.codec.options)
    _accepts(where, "architecture.options", kind, recipe.architecture.options)
    _plain(where, "codec.options", build_codec, recipe)
    with torch.device("meta"):
        network = _plain(where, "architecture.options", build_architecture, recipe)
    painted = {name for stage in network.outputs for name in stage}
    if painted != set(recipe.losses):
        raise ValueError(f"{where}: losses: given {sorted(recipe.losses)}, accepted: one for each "
                         f"field that the network paints: {sorted(painted)}")  # fmt: skip
    for name, loss in recipe.losses.items():
        _on_menu(where, f"losses.{name}.name", loss.name, LOSSES)
        _accepts(where, f"losses.{name}.options", LOSSES[loss.name], loss.options)
        stages = sum(name in stage for stage in network.outputs)
        if isinstance(loss.weight, list) and len(loss.weight) != stages:
            raise ValueError(f"{where}: losses.{name}.weight: given {len(loss.weight)} numbers, "
                             f"accepted: one, or {stages}, one per stage")  # fmt: skip
    divisor = kind.stride_divisor
    size = recipe.input_size
    if len(size) != 2 or any(side <= 0 or side % divisor for side in size):
        raise ValueError(f"{where}: input_size: given {size}, accepted: [width, height], both "
                         f"multiples of {divisor} for {recipe.architecture.name}")  # fmt: skip


def _on_menu(where: str, path: str, name: str, menu: Mapping[str, object]) -> None:
    if name not in menu:
        close = difflib.get_close_matches(name, menu, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{where}: {path}: given {name!r}, accepted: {', '.join(menu)}{hint}")


def _accepts(where: str, path: str, kind: Any, options: Mapping[str, object]) -> None:
    accepted = [p for p in inspect.signature(kind).parameters if p not in ("self", "channels")]
    for key in options:
        if key not in accepted:
            close = difflib.get_close_matches(key, accepted, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{where}: {path}.{key}: unknown key, accepted: "
                             f"{', '.join(accepted) or 'none'}{hint}")  # fmt: skip


def _plain(where: str, path: str, build: Any, argument: object) -> Any:
    """What `build` returns; its ValueError or TypeError is told with file and place."""
    try:
        return build(argument)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {path}: {error}") from error
