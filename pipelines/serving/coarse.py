"""A float file of ONNX in fewer bits: layers stay in float, the worst first, until AP holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer

from data.ground.refusal import refusal
from pipelines.host.folders import file_digest
from pipelines.host.progress import told_names
from pipelines.prediction.onnx_card import KEY, Coarse, Precision
from pipelines.recipe.strict import as_plain_data
from pipelines.serving.file_accuracy import Scored
from pipelines.serving.half import half_double, halved
from pipelines.serving.int8 import METHODS, calibrate, int8_double, quantised
from pipelines.serving.layer_noise import Doubling, layer_noise
from pipelines.serving.layers import Layers, find_layers

Score = Callable[[Path], Scored]
READ = ("keypoints_input", "scores")  # outputs that are read of the painted ones
LOOKED_AT = 8  # samples that layers are compared on
NAMED = 5  # layers that are told to lose most
MOST_IN_FLOAT = 0.5  # of the layers: with more of them there is little left in fewer bits


@dataclass(frozen=True)
class Way:
    """A way of counting coarsely. calibration: None where none is needed; make: the graph with the
    layers of these names in float; double: of one layer."""

    told: str
    calibration: str | None
    make: Callable[[Collection[str]], Any]
    double: Doubling


@dataclass(frozen=True)
class Attempt:
    """A way with some layers in float, and what it scored."""

    way: Way
    in_float: Sequence[str]
    scored: Scored


def write_coarse(
    precision: Precision,
    source: Path,
    target: Path,
    samples: Sequence[np.ndarray],
    score: Score,
    most_loss: float,
) -> Coarse:
    """Writes `target` of the float file `source`, and into it what it is; tells what is tried.

    samples: as `training_samples`; score: of a file, on the evaluation's split; most_loss: of its
    number. Raises ValueError where more is lost with half of the layers in float.
    """
    model = load_model_with_shape_infer(source)
    fields = [each.name for each in model.graph.output if each.name not in READ]
    layers = find_layers(model, fields)
    before = score(source)
    low = ": too low to see a loss" if before.value <= most_loss else ""
    print(f"float32: {before.told}{low}")
    ways = _ways(precision, model, source, layers, samples)
    best = max((_tried(way, (), target, score) for way in ways), key=lambda each: each.scored.value)
    worst = layer_noise(model, layers, best.way.double, samples[:LOOKED_AT])
    _tell_worst(worst)
    held = _until_it_holds(best, list(worst), target, score, before.value - most_loss)
    if before.value - held.scored.value > most_loss:
        raise _loses(precision, before, held, most_loss, list(worst))
    about = _about(precision, source, before, held, samples, most_loss, worst)
    made = held.way.make(held.in_float)
    _write_about(made, about)
    onnx.save(made, target)
    return about


def _about(
    precision: Precision,
    source: Path,
    before: Scored,
    held: Attempt,
    samples: Sequence[np.ndarray],
    most_loss: float,
    worst: Mapping[str, float],
) -> Coarse:
    return Coarse(
        precision=precision,
        calibration=held.way.calibration,
        samples=len(samples) if held.way.calibration else None,
        metric=before.metric,
        before=before.value,
        after=held.scored.value,
        most_loss=most_loss,
        images=before.images,
        float_sha256=file_digest(source),
        in_float=list(held.in_float),
        worst={name: round(worst[name], 1) for name in list(worst)[:NAMED]},
    )


def _ways(
    precision: Precision,
    model: Any,
    source: Path,
    layers: Layers,
    samples: Sequence[np.ndarray],
) -> list[Way]:
    if precision == "fp16":
        return [Way("fp16", None, lambda names: halved(model, layers, names), half_double)]
    ways = []
    for method in METHODS:
        ranges = calibrate(source, method, samples)

        def make(in_float: Collection[str], ranges: Any = ranges) -> Any:
            return quantised(model, ranges, layers, in_float)

        ways.append(Way(f"int8, {method}", method, make, int8_double(make(()))))
    return ways


def _tried(way: Way, in_float: Sequence[str], target: Path, score: Score) -> Attempt:
    onnx.save(way.make(in_float), target)
    attempt = Attempt(way, in_float, score(target))
    kept = f", in float32 {told_names(in_float, NAMED)}" if in_float else ""
    print(f"{way.told}{kept}: {attempt.scored.told}")
    return attempt


def _until_it_holds(
    attempt: Attempt, worst: Sequence[str], target: Path, score: Score, least: float
) -> Attempt:
    """With the worst layer in float, the two worst, four...: the first that scores the least, else
    the best."""
    attempts, count = [attempt], 1
    while attempts[-1].scored.value < least and count <= MOST_IN_FLOAT * len(worst):
        attempts.append(_tried(attempt.way, worst[:count], target, score))
        count *= 2
    return max(attempts, key=lambda each: (each.scored.value >= least, each.scored.value))


def _loses(
    precision: Precision, before: Scored, held: Attempt, most_loss: float, worst: Sequence[str]
) -> ValueError:
    lost = before.value - held.scored.value
    fault = f"{before.metric} {held.scored.value:.3f}, in float32 {before.value:.3f}: loses " \
        f"{lost:.3f}, with {len(held.in_float)} of {len(worst)} layers in float32 (the worst: " \
        f"{told_names(worst, NAMED)})"  # fmt: skip
    accepted = f"a loss of {most_loss:g} (`export_loss` of mlflow/promotion.yaml)"
    do = "keep the float32 file, or take the loss by --most-loss"
    return refusal(precision, fault=fault, accepted=accepted, do=do)


def _tell_worst(worst: Mapping[str, float]) -> None:
    each = [f"{name} {worst[name]:.0f} dB" for name in list(worst)[:NAMED]]
    print(f"layers that lose most, each alone: {', '.join(each)}")


def _write_about(model: Any, about: Coarse) -> None:
    """Into the card that the `onnx.ModelProto` has of its float file."""
    for entry in model.metadata_props:
        if entry.key == KEY:
            entry.value = json.dumps(json.loads(entry.value) | {"coarse": as_plain_data(about)})
            return
    raise AssertionError("write_onnx gives each export a card")
