"""What a person reads of the slots: a line each, with the champion's numbers."""

from __future__ import annotations

import pytest

from pipelines.registry.crowning import best_registered
from pipelines.registry.rules import RULES, read_rules
from pipelines.registry.slots import slot_lines, tag_of, told_by
from pipelines.registry.versions import Version


@pytest.mark.parametrize(
    ("number", "tag"), [("AP@gt", "limber.AP.gt"), ("PCKh@0.5@gt", "limber.PCKh.0.5.gt")]
)
def test_a_number_has_a_tag_of_its_own(number: str, tag: str) -> None:
    assert tag_of(number) == tag


def test_a_line_says_who_and_why() -> None:
    champion = {"champion": "3", "recipe": "hrnet", "AP@det": 0.7444, "reason": "gains enough"}
    slots = {"pose": champion, "lite": {"champion": None, "reason": "nobody came"}}
    assert slot_lines(slots) == [
        "pose: champion version 3 (hrnet, AP@det 0.744): gains enough",
        "lite: no champion; nobody came",
    ]


@pytest.mark.parametrize("tag", ["abc", "", "inf", "-inf", "nan", "1.5", "-0.1"])
def test_a_number_that_somebody_wrote_by_hand_and_is_none_counts_for_nothing(tag: str) -> None:
    rule = read_rules(RULES)["pose-coco"]
    name = f"{rule.metric}@{rule.protocols[0]}"
    assert told_by({tag_of(name): tag}, name) is None
    assert told_by({tag_of(name): "0.75"}, name) == 0.75
    assert told_by({}, name) is None
    odd, true = (
        Version("pose-coco", n, None, "", {tag_of(name): v}) for n, v in (("2", tag), ("1", "0.75"))
    )
    assert best_registered([odd, true], rule) is true
    assert best_registered([odd], rule) is None
