"""Checks of a recipe's values against the menus: what types alone cannot refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton
from data.menus import CODECS, EVALUATORS
from data.views.crop_views import HALF_BODY_MORE_THAN, has_halves
from data.views.photometric import check_photometric
from data.views.settings import Augmentation, check_crop_draws
from models.menus import ARCHITECTURES, LOSSES, REFINEMENTS
from pipelines.recipe.build import build_architecture, build_codec
from pipelines.recipe.datasets import data_set, data_set_names, own_entries
from pipelines.recipe.options import check_foreign_options, check_options
from pipelines.recipe.schema import FieldLoss, Recipe
from pipelines.recipe.strict import hint

MOST_PARAMETERS = 4_000_000_000  # of a network: 16 GB


def check_recipe(recipe: Recipe, where: str) -> None:
    """ValueError naming file, place, what was given and what is accepted; builds no weights."""
    _told_with_place(where, "dataset", data_set, recipe.dataset)
    _on_menu(where, "evaluation.evaluator", recipe.evaluation.evaluator, EVALUATORS)
    _on_menu(where, "codec.name", recipe.codec.name, CODECS)
    _check_evaluation(recipe, where)
    _check_numbers(recipe, where)
    _check_fields(recipe, where)
    for number, plug in enumerate(recipe.augmentation.photometric):
        check_foreign_options(f"{where}: augmentation.photometric[{number}].options", plug.options)
    _told_with_place(
        where, "augmentation.photometric", check_photometric, recipe.augmentation.photometric
    )


def _check_evaluation(recipe: Recipe, where: str) -> None:
    """The evaluator scores this data set, this codec's poses, and has the monitor."""
    _check_evaluator(recipe, where)
    whole = CODECS[recipe.codec.name].whole_image
    _check_monitor(recipe, whole, where)
    _check_scales(recipe.evaluation.scales, whole, where)
    if isinstance(recipe.augmentation, Augmentation) == whole:
        form = "one with a `view`: whole_image or person_crop" if whole else "one without `view`"
        raise ValueError(
            f"{where}: augmentation: given one of {'crops' if whole else 'whole images'}, accepted "
            f"with codec {recipe.codec.name!r}: {form}"
        )
    if whole:
        _check_no_boxes(recipe, where)


def _check_evaluator(recipe: Recipe, where: str) -> None:
    name, dataset = recipe.evaluation.evaluator, data_set(recipe.dataset)
    if name in dataset.EVALUATORS:
        _check_reference(recipe, where)
        return
    scored = [
        each.SKELETON.name for each in map(data_set, data_set_names()) if name in each.EVALUATORS
    ]
    raise ValueError(
        f"{where}: evaluation.evaluator: given {name!r}, which scores "
        f"{', '.join(dict.fromkeys(scored))}; accepted for {recipe.dataset} (skeleton "
        f"{dataset.SKELETON.name}): {', '.join(dataset.EVALUATORS)}"
    )


def _check_reference(recipe: Recipe, where: str) -> None:
    """Labels of no own data set carry a head's size: all of their people would be left out."""
    name, own = recipe.evaluation.evaluator, recipe.dataset in own_entries()
    skeleton = data_set(recipe.dataset).SKELETON
    if name == "keypoint_distance" and own and skeleton.reference == "head":
        fault = (
            f"{name} measures in sizes of heads (`reference: head` of skeleton {skeleton.name}), "
            f"which the labels of {recipe.dataset} do not carry"
        )
        accepted = "`reference: box`, or two keypoints"
        raise refusal(f"{where}: evaluation.evaluator", fault=fault, accepted=accepted)


def _check_monitor(recipe: Recipe, whole: bool, where: str) -> None:
    monitor, names = recipe.evaluation.monitor, EVALUATORS[recipe.evaluation.evaluator].names
    name, _, protocol = monitor.rpartition("@")
    if name not in names or not protocol:
        near = hint(name or protocol, names, "@gt")
        accepted = f"one of {', '.join(names)}, then @ and the protocol, as @gt{near}"
        raise refusal(f"{where}: evaluation.monitor", given=monitor, accepted=accepted)
    if name in EVALUATORS[recipe.evaluation.evaluator].falling:
        fault = f"{name} is an error, of which less is better"
        accepted = ", ".join(each for each in names if each != name)
        raise refusal(f"{where}: evaluation.monitor", fault=fault, accepted=accepted)
    if (protocol == "image") != whole:
        raise ValueError(
            f"{where}: evaluation.monitor: given {monitor!r}, accepted with codec "
            f"{recipe.codec.name!r}: {name}@{'image' if whole else 'gt'}"
        )


def _check_no_boxes(recipe: Recipe, where: str) -> None:
    """What draws or scores single people needs their boxes: no codec of whole images has them."""
    codec, evaluator = recipe.codec.name, recipe.evaluation.evaluator
    if data_set(recipe.dataset).members:
        fault = f"{codec!r} reads whole images, the mixture {recipe.dataset} draws single people"
        raise refusal(f"{where}: codec", fault=fault, accepted="a top-down codec")
    if EVALUATORS[evaluator].by_person:
        where = f"{where}: evaluation.evaluator"
        fault = f"{evaluator} scores each person from its own box, {codec!r} reads whole images"
        raise refusal(where, fault=fault, accepted="a top-down codec")


def _check_scales(scales: list[float], whole: bool, where: str) -> None:
    times = [scale / min(scales) for scale in scales] if scales and min(scales) > 0 else [0.5]
    even = all(abs(each - round(each)) < 1e-9 for each in times)
    if 1.0 not in scales or len(set(scales)) < len(scales) or not even or max(scales) > 4:
        accepted = "1.0, others up to 4, each a whole multiple of the smallest"
        raise refusal(f"{where}: evaluation.scales", given=scales, accepted=accepted)
    if not whole and scales != [1.0]:
        raise ValueError(f"{where}: evaluation.scales: given {scales}, accepted with crops: [1.0]")


def _check_numbers(recipe: Recipe, where: str) -> None:
    """What the spans of single numbers (`schema.py`) do not tell."""
    augmentation, milestones = recipe.augmentation, recipe.schedule.milestones
    if isinstance(augmentation, Augmentation):
        check_crop_draws(augmentation, f"{where}: augmentation")
        _check_half_body(augmentation, data_set(recipe.dataset).SKELETON, where)
    if milestones != sorted(set(milestones)):
        where = f"{where}: schedule.milestones"
        raise refusal(where, given=milestones, accepted="rising epochs")


def _check_half_body(augmentation: Augmentation, skeleton: Skeleton, where: str) -> None:
    given = augmentation.half_body_probability
    if given > 0 and not has_halves(skeleton):
        accepted = (
            f"0 with skeleton {skeleton.name}: halves are drawn of more than {HALF_BODY_MORE_THAN} "
            "keypoints, of which some are its `upper_body`, some not"
        )
        place = f"{where}: augmentation.half_body_probability"
        raise refusal(place, given=given, accepted=accepted)


def _check_fields(recipe: Recipe, where: str) -> None:
    """Codec, architecture and losses fit together, and the input size fits the strides."""
    _on_menu(where, "architecture.name", recipe.architecture.name, ARCHITECTURES)
    kind = ARCHITECTURES[recipe.architecture.name]
    _on_menu(where, "architecture.variant", recipe.architecture.variant, kind.VARIANTS)
    check_options(where, "codec.options", CODECS[recipe.codec.name], recipe.codec.options)
    check_options(where, "architecture.options", kind, recipe.architecture.options)
    _told_with_place(where, "codec.options", build_codec, recipe)
    if recipe.refine is not None:
        _on_menu(where, "refine", recipe.refine.name, REFINEMENTS)
        check_options(
            where, "refine.options", REFINEMENTS[recipe.refine.name], recipe.refine.options
        )
    with torch.device("meta"):
        plain = replace(recipe, refine=None)
        network = _told_with_place(where, "architecture.options", build_architecture, plain)
        if recipe.refine is not None:
            network = _told_with_place(where, "refine", build_architecture, recipe)
    if (size := sum(each.numel() for each in network.parameters())) > MOST_PARAMETERS:
        fault, accepted = f"{size:,} parameters", f"networks of up to {MOST_PARAMETERS:,}"
        raise refusal(f"{where}: architecture.options", fault=fault, accepted=accepted)
    _check_losses(recipe, where, network.outputs)
    divisor = network.stride_divisor
    size = recipe.input_size
    if len(size) != 2 or any(side <= 0 or side % divisor for side in size):
        accepted = f"[width, height], both multiples of {divisor} for {recipe.architecture.name}"
        raise refusal(f"{where}: input_size", given=size, accepted=accepted)


def _check_losses(recipe: Recipe, where: str, outputs: Any) -> None:
    painted = {name for stage in outputs for name in stage}
    if painted != set(recipe.losses):
        accepted = f"one for each field that the network paints: {sorted(painted)}"
        raise refusal(f"{where}: losses", given=sorted(recipe.losses), accepted=accepted)
    for name, loss in recipe.losses.items():
        _on_menu(where, f"losses.{name}.name", loss.name, LOSSES)
        check_options(where, f"losses.{name}.options", LOSSES[loss.name], loss.options)
        channels = [stage[name].channels for stage in outputs if name in stage]
        _check_stages(where, f"losses.{name}", loss, channels)


def _check_stages(where: str, path: str, loss: FieldLoss, channels: list[int]) -> None:
    """`channels` of each stage that paints the loss's field."""
    stages = len(channels)
    if not any(loss.weight if isinstance(loss.weight, list) else [loss.weight]):
        accepted = "more than 0, of one stage at least"
        raise refusal(f"{where}: {path}.weight", given=loss.weight, accepted=accepted)
    if isinstance(loss.weight, list) and len(loss.weight) != stages:
        fault, accepted = f"given {len(loss.weight)} numbers", f"one, or {stages}, one per stage"
        raise refusal(f"{where}: {path}.weight", fault=fault, accepted=accepted)
    numbers = [str(n) for n in range(-stages, stages)]
    for stage, options in loss.stage_options.items():
        if stage not in numbers:
            accepted = f"one of {', '.join(numbers)} (the field has {stages} stages)"
            raise refusal(f"{where}: {path}.stage_options", given=stage, accepted=accepted)
        check_options(where, f"{path}.stage_options.{stage}", LOSSES[loss.name], options)
    for n in range(stages):
        options = loss.options_of(n, stages)
        _told_with_place(
            where, f"{path}.options", lambda given: LOSSES[loss.name](**given), options
        )
        if (options.get("top_k") or 0) > channels[n]:
            accepted = f"up to {channels[n]}, the channels of stage {n}"
            raise refusal(f"{where}: {path}: top_k", given=options["top_k"], accepted=accepted)


def _on_menu(where: str, path: str, name: str, menu: Mapping[str, object]) -> None:
    if name not in menu:
        accepted = f"{', '.join(menu)}{hint(name, menu)}"
        raise refusal(f"{where}: {path}", given=name, accepted=accepted)


def _told_with_place(where: str, path: str, build: Any, argument: object) -> Any:
    """What `build` returns; its ValueError or TypeError is told with file and place."""
    try:
        return build(argument)
    except (ValueError, TypeError, ArithmeticError, LookupError, RuntimeError) as error:
        raise ValueError(f"{where}: {path}: {error}") from error
