"""The rule book of promotion (mlflow/promotion.yaml): what each slot asks of a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from data.ground.refusal import refusal
from data.ground.yaml_text import read_yaml
from pipelines.evaluation.record import NetworkCost
from pipelines.host import places
from pipelines.recipe.reader import read_as

RULES = places.REPOSITORY / "mlflow" / "promotion.yaml"


@dataclass(frozen=True)
class Bootstrap:
    resamples: int
    confidence: float
    seed: int


@dataclass(frozen=True)
class Limits:
    """Largest cost that a slot accepts: million parameters, exact 1e9 multiply-accumulates."""

    params_m: float | None = None
    exact_g: float | None = None


@dataclass(frozen=True)
class Rule:
    """What one slot asks of a model; see mlflow/promotion.yaml."""

    skeleton: str
    metric: Literal["AP", "PCKh@0.5"]  # the main number of the evaluator of that skeleton
    protocols: list[Literal["gt", "det", "image"]]
    floor: float
    least_gain: float
    bootstrap: Bootstrap
    limits: Limits | None = None

    def digest(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class RuleBook:
    slots: dict[str, Rule]


def read_rules(path: Path) -> dict[str, Rule]:
    """Slots by name. Raises ValueError naming file, place, what was given and what is accepted."""
    slots = read_as(RuleBook, read_yaml(path), path.name).slots
    for slot, rule in slots.items():
        where = f"{path.name}: slots.{slot}"
        if not rule.protocols:
            raise refusal(f"{where}.protocols", fault="given none", accepted="gt, det, image")
        if not 0 < rule.bootstrap.confidence < 1:
            raise refusal(
                f"{where}.bootstrap.confidence",
                given=rule.bootstrap.confidence,
                accepted="between 0 and 1",
            )
        if rule.bootstrap.resamples < 100:
            raise refusal(
                f"{where}.bootstrap.resamples",
                given=rule.bootstrap.resamples,
                accepted="100 or more",
            )
        if rule.least_gain < 0:
            raise refusal(f"{where}.least_gain", given=rule.least_gain, accepted="0 or more")
    return slots


def why_not(rule: Rule, skeleton: str, cost: NetworkCost, numbers: Mapping[str, float]) -> str:
    """Why a model has no place in a slot; "" where it fits."""
    if skeleton != rule.skeleton:
        return f"skeleton {skeleton}, the slot takes {rule.skeleton}"
    if not any(f"{rule.metric}@{protocol}" in numbers for protocol in rule.protocols):
        return f"no {rule.metric} under {' or '.join(rule.protocols)} in its evaluation"
    limits = rule.limits or Limits()
    params_m, exact_g = cost.params / 1e6, cost.exact_g
    if limits.params_m is not None and params_m > limits.params_m:
        return f"{params_m:.2f} M parameters, the slot takes up to {limits.params_m:g}"
    if limits.exact_g is not None and exact_g > limits.exact_g:
        return f"{exact_g:.2f} exact G, the slot takes up to {limits.exact_g:g}"
    return ""
