"""The rule book of promotion (mlflow/promotion.yaml): what each slot asks of a model."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from data.ground.refusal import masked, refusal
from data.ground.spans import Seed, Share, Span
from data.ground.yaml_text import read_yaml
from data.menus import EVALUATORS
from pipelines.evaluation.record import NetworkCost
from pipelines.host import places
from pipelines.recipe import addresses
from pipelines.recipe.datasets import data_set, own_entries
from pipelines.recipe.reader import read_as

Cost: TypeAlias = Annotated[float, Span(0, 1_000_000, open=True)]
OF_DATA = "{dataset}"  # in the name of a slot of own data sets
MAIN = tuple(dict.fromkeys(kind.main for kind in EVALUATORS.values()))
RULES = places.REPOSITORY / "mlflow" / "promotion.yaml"


@dataclass(frozen=True)
class Bootstrap:
    resamples: Annotated[int, Span(100, 1_000_000)]
    confidence: Share
    seed: Seed


@dataclass(frozen=True)
class Limits:
    """Largest cost that a slot accepts: million parameters, exact 1e9 multiply-accumulates."""

    params_m: Cost | None = None
    exact_g: Cost | None = None


@dataclass(frozen=True)
class Rule:
    """What one slot asks of a model; see mlflow/promotion.yaml."""

    skeleton: str
    metric: str  # the main number of an evaluator
    protocols: list[Literal["gt", "det", "image"]]
    floor: Share
    least_gain: Share
    bootstrap: Bootstrap
    limits: Limits | None = None
    dataset: str | None = None

    def digest(self) -> str:
        """Of what it asks; rules of before, without `dataset`, keep theirs."""
        asked = {key: value for key, value in asdict(self).items() if key != "dataset" or value}
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class OwnRule:
    """What a slot of any own data set asks: a rule without the skeleton and data set it is of."""

    metric: str
    protocols: list[Literal["gt", "det", "image"]]
    floor: Share
    least_gain: Share
    bootstrap: Bootstrap
    limits: Limits | None = None

    def of(self, dataset: str, skeleton: str) -> Rule:
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return Rule(skeleton=skeleton, dataset=dataset, **own)


@dataclass(frozen=True)
class Webhook:
    """Who is told of champions. url: http(s)://..., or $NAME of a variable that holds it; secret:
    name of the variable that holds what requests are signed by; slots: all, where not told."""

    url: str
    secret: str
    slots: list[str] | None = None


@dataclass(frozen=True)
class RuleBook:
    """export_loss: what a file in fewer bits (`export --precision`) may lose of its number."""

    slots: dict[str, Rule]
    own: dict[str, OwnRule] = field(default_factory=dict)
    webhooks: dict[str, Webhook] = field(default_factory=dict)
    export_loss: Share = 0.01


def read_book(content: object, where: str) -> RuleBook:
    """Plain yaml data, strictly; a webhook's name is that of a folder, and the book, which git
    has, holds no secret of it."""
    book = read_as(RuleBook, content, where)
    for name, webhook in book.webhooks.items():
        if not re.fullmatch(r"[\w-]+", name):
            accepted = "letters, digits, _ and -"
            raise refusal(f"{where}: webhooks", given=name, accepted=accepted)
        place = f"{where}: webhooks.{name}"
        if masked(webhook.url) != webhook.url:
            do = "keep it in a variable and write its name, as $CHAT_HOOK"
            raise refusal(f"{place}.url", fault=addresses.FAULT, do=do)
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", webhook.secret):  # not told: it may be one
            accepted = "the name of a variable that holds it, as LIMBER_WEBHOOK_SECRET"
            raise refusal(f"{place}.secret", fault="no name of a variable", accepted=accepted)
    return book


def read_export_loss(path: Path) -> float:
    """Raises ValueError as `read_rules` does."""
    return read_book(read_yaml(path), path.name).export_loss


def read_rules(path: Path, skeletons: Mapping[str, str] | None = None) -> dict[str, Rule]:
    """Slots by name, and those of own data sets: `skeletons` names each one's, by default those of
    params.yaml. Raises ValueError naming file, place, what was given and what is accepted."""
    book = read_book(read_yaml(path), path.name)
    if not book.slots:
        raise refusal(f"{path.name}: slots", fault="none", accepted="NAME: {skeleton: ...}")
    if skeletons is None:
        skeletons = {name: data_set(name).SKELETON.name for name in own_entries()}
    if nameless := next((slot for slot in book.own if OF_DATA not in slot), None):
        raise refusal(f"{path.name}: own.{nameless}", fault=f"no {OF_DATA} in the slot's name")
    named = {rule.dataset for rule in book.slots.values()}
    slots = book.slots | {
        slot.replace(OF_DATA, dataset): rule.of(dataset, skeleton)
        for dataset, skeleton in skeletons.items()
        for slot, rule in book.own.items()
        if dataset not in named
    }
    for slot, rule in slots.items():
        where = f"{path.name}: slots.{slot}"
        if not rule.protocols:
            raise refusal(f"{where}.protocols", fault="given none", accepted="gt, det, image")
        if rule.metric not in MAIN:
            raise refusal(
                f"{where}.metric", given=rule.metric, accepted=f"one of {', '.join(MAIN)}"
            )
        if not 0 < rule.bootstrap.confidence < 1:
            raise refusal(
                f"{where}.bootstrap.confidence",
                given=rule.bootstrap.confidence,
                accepted="between 0 and 1",
            )
    return slots


def slots_of(rules: Mapping[str, Rule], dataset: str) -> dict[str, Rule]:
    """Those that models evaluated on a data set may fill: its own where there are, else all that
    are of no data set."""
    own = dataset if any(rule.dataset == dataset for rule in rules.values()) else None
    return {slot: rule for slot, rule in rules.items() if rule.dataset == own}


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
