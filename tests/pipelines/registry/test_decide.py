"""The decision of promotion, by table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.evaluation.bootstrap import Interval
from pipelines.registry.decide import VersionScore, decide
from pipelines.registry.rules import Bootstrap, Rule

RULE = Rule("coco", "AP", ["det", "gt"], 0.3, 0.002, Bootstrap(200, 0.95, 1))


def scored(value: float, version: str = "2", data: str = "d", protocol: str = "gt") -> VersionScore:
    return VersionScore(version, "demo_hrnet", "coco", data * 64, protocol, value)


def interval(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 0.95, 1000, 1, 5000)


CHAMPION = scored(0.70, "1")
DECISIONS: list[tuple[VersionScore, VersionScore | None, Interval | None, bool, str]] = [
    (scored(0.5), None, None, True, "first version; AP@gt 0.500 reaches the floor 0.300"),
    (scored(0.3), None, None, True, "first version"),
    (scored(0.29), None, None, False, "AP@gt 0.290 is below the floor 0.300"),
    (scored(0.29), scored(0.1, "1"), interval(0.1, 0.3), False, "below the floor"),
    (scored(0.72), CHAMPION, interval(0.01, 0.03), True, "0.720 against 0.700 of version 1"),
    (scored(0.72), CHAMPION, interval(-0.001, 0.041), False, "may be chance: 95% interval -0.0010"),
    (scored(0.72), CHAMPION, interval(0.0, 0.04), False, "may be chance"),
    (scored(0.701), CHAMPION, interval(0.0005, 0.002), False, "less than the least gain 0.002"),
    (scored(0.69), CHAMPION, interval(-0.02, 0.0), False, "-0.0100, less than the least gain"),
    (scored(0.9, data="e"), CHAMPION, None, False, "evaluate --champion pose-coco --dataset coco"),
    (scored(0.9, protocol="det"), CHAMPION, None, False, "cannot be compared with the champion's"),
    (
        replace(scored(0.9, protocol="det"), boxes="some (aa)"),
        replace(scored(0.7, "1", protocol="det"), boxes="other (bb)"),
        None,
        False,
        "refused: AP@det starts from boxes of some (aa), that of champion version 1 from boxes of "
        "other (bb); first run `python -m pipelines.evaluate --champion pose-coco --dataset coco`",
    ),
]


@pytest.mark.parametrize(("candidate", "champion", "span", "promoted", "reason"), DECISIONS)
def test_decisions(
    candidate: VersionScore,
    champion: VersionScore | None,
    span: Interval | None,
    promoted: bool,
    reason: str,
) -> None:
    decision = decide(candidate, champion, RULE, span, "pose-coco")
    assert decision.promote is promoted
    assert reason in decision.reason
    assert decision.final is ("refused" not in decision.reason)
