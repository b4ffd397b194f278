"""What a person reads of the slots: a line each, with the champion's numbers."""

from __future__ import annotations

import pytest

from pipelines.registry.slots import slot_lines, tag_of


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
