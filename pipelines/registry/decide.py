"""The decision of promotion: pure, by the rule book."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.evaluation.bootstrap import Interval
from pipelines.registry.rules import Rule


@dataclass(frozen=True)
class VersionScore:
    """A version as the decision sees it: its metric under one protocol, on one data set.

    boxes: whose a `det` starts from, where the other side's starts from others; else "".
    """

    version: str
    recipe: str
    dataset: str
    data_hash: str
    protocol: str
    value: float
    boxes: str = ""


@dataclass(frozen=True)
class Decision:
    """`final`: nothing but another champion, rule or evaluation would change it."""

    promote: bool
    reason: str
    final: bool = True


def decide(
    candidate: VersionScore,
    champion: VersionScore | None,
    rule: Rule,
    interval: Interval | None,
    slot: str,
) -> Decision:
    """Whether the candidate becomes champion, and the reason in words.

    interval: of AP(candidate) - AP(champion), only asked for where both were evaluated alike.
    """
    name = f"{rule.metric}@{candidate.protocol}"
    if candidate.value < rule.floor:
        return Decision(False, f"{name} {candidate.value:.3f} is below the floor {rule.floor:.3f}")
    if champion is None:
        reason = f"first version; {name} {candidate.value:.3f} reaches the floor {rule.floor:.3f}"
        return Decision(True, reason)
    if champion.data_hash != candidate.data_hash:
        return Decision(False, _other_data(candidate, champion, slot), final=False)
    if champion.protocol != candidate.protocol:
        theirs = f"{rule.metric}@{champion.protocol}"
        reason = f"refused: {name} cannot be compared with the champion's {theirs}"
        return Decision(False, reason, final=False)
    if champion.boxes != candidate.boxes:
        return Decision(False, _other_boxes(name, candidate, champion, slot), final=False)
    gain = candidate.value - champion.value
    numbers = (
        f"{name} {candidate.value:.3f} against {champion.value:.3f} of version "
        f"{champion.version} ({champion.recipe}): {gain:+.4f}"
    )
    if gain < rule.least_gain:
        return Decision(False, f"{numbers}, less than the least gain {rule.least_gain:g}")
    assert interval is not None, "same data and protocol: there is an interval"
    span = f"{interval.confidence:.0%} interval {interval.low:+.4f} to {interval.high:+.4f}"
    if interval.low <= 0:
        return Decision(False, f"{numbers}, may be chance: {span}")
    return Decision(True, f"{numbers}, {span}")


def _other_data(candidate: VersionScore, champion: VersionScore, slot: str) -> str:
    return (
        f"refused: evaluated on data {candidate.data_hash:.12}, champion version "
        f"{champion.version} on {champion.data_hash:.12}; {_evaluate_anew(candidate, slot)}"
    )


def _other_boxes(name: str, candidate: VersionScore, champion: VersionScore, slot: str) -> str:
    return (
        f"refused: {name} starts from boxes of {candidate.boxes}, that of champion version "
        f"{champion.version} from boxes of {champion.boxes}; {_evaluate_anew(candidate, slot)}"
    )


def _evaluate_anew(candidate: VersionScore, slot: str) -> str:
    return (
        f"first run `python -m pipelines.evaluate --champion {slot} --dataset "
        f"{candidate.dataset}`, then `python -m pipelines.promote`"
    )
