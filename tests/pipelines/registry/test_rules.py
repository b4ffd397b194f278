"""The rule book of promotion: what a slot takes, and what is wrong with a book."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.registry.rules import (
    RULES,
    Bootstrap,
    Limits,
    Rule,
    read_export_loss,
    read_rules,
    slots_of,
    why_not,
)
from tests.worlds.results import COST

RULE = Rule("coco", "AP", ["det", "gt"], 0.3, 0.002, Bootstrap(200, 0.95, 1))
LITE = replace(RULE, limits=Limits(params_m=5.0, exact_g=2.0))


def test_a_slot_takes_what_fits() -> None:
    numbers = {"AP@gt": 0.5}
    assert why_not(LITE, "coco", COST, numbers) == ""
    assert "skeleton mpii" in why_not(LITE, "mpii", COST, numbers)
    assert "6.00 M" in why_not(LITE, "coco", replace(COST, params=6_000_000), numbers)
    assert "2.50 exact G" in why_not(LITE, "coco", replace(COST, exact_g=2.5), numbers)
    assert "no AP under det or gt" in why_not(LITE, "coco", COST, {"AP50@gt": 0.5})
    huge = replace(COST, params=9 * 10**9, exact_g=9e9)
    assert why_not(RULE, "coco", huge, numbers) == ""


def test_the_rule_book_of_this_repository() -> None:
    rules = read_rules(RULES, {})
    assert set(rules) == {"pose-coco", "pose-coco-lite", "pose-coco-bottom-up", "pose-mpii"}
    assert rules["pose-coco"].protocols == ["det", "gt"]
    limits = rules["pose-coco-lite"].limits
    assert limits is not None and limits.params_m == 5.0 and limits.exact_g == 2.0


@pytest.mark.parametrize(
    ("line", "wrong", "message"),
    [
        ("metric: AP\n", "metrik: AP\n", "metrik: unknown key; did you mean 'metric'"),
        (
            "metric: AP\n",
            "metric: AR\n",
            "metric: given 'AR', accepted: one of AP, PCKh@0.5, PCK@0.1",
        ),
        ("floor: 0.3", "floor: high", "floor: given 'high', accepted: a float"),
        ("[det, gt]", "[]", "protocols: given none, accepted: gt, det, image"),
        ("confidence: 0.95", "confidence: 95", "confidence: given 95, accepted: 0 to 1"),
        ("resamples: 1000", "resamples: 3", "given 3, accepted: 100 to 1,000,000"),
        ("least_gain: 0.002", "least_gain: -1.0", "least_gain: given -1.0"),
    ],
)
def test_a_wrong_rule_book_is_named(tmp_path: Path, line: str, wrong: str, message: str) -> None:
    text = RULES.read_text()
    assert line in text
    path = tmp_path / "promotion.yaml"
    path.write_text(text.replace(line, wrong))
    with pytest.raises(ValueError, match=rf"promotion\.yaml: slots\.pose-coco\.?.*{message}"):
        read_rules(path, {})


def test_an_own_data_set_has_slots_of_its_own_and_others_keep_theirs() -> None:
    rules = read_rules(RULES, {"workers": "coco", "hands": "hand6"})
    own = {slot: rule for slot, rule in rules.items() if rule.dataset == "workers"}
    assert set(own) == {"pose-workers", "pose-workers-bottom-up", "pose-workers-pck"}
    plain = rules["pose-coco"]
    assert own["pose-workers"] == replace(plain, dataset="workers"), "rules inherited"
    assert rules["pose-hands"].skeleton == "hand6"
    assert slots_of(rules, "workers") == own
    menu = slots_of(rules, "coco")
    assert set(menu) == {"pose-coco", "pose-coco-lite", "pose-coco-bottom-up", "pose-mpii"}
    assert menu == slots_of(rules, "stick_figures")


def test_a_slot_that_names_an_own_data_set_takes_the_place_of_the_inherited_ones(
    tmp_path: Path,
) -> None:
    path = tmp_path / "promotion.yaml"
    text = RULES.read_text().replace("  pose-mpii:", "  mine:\n    dataset: workers", 1)
    path.write_text(text)
    rules = read_rules(path, {"workers": "mpii"})
    assert list(slots_of(rules, "workers")) == ["mine"]
    path.write_text(text.replace("pose-{dataset}:", "pose:"))
    with pytest.raises(ValueError, match=r"promotion\.yaml: own\.pose: no \{dataset\} in the slot"):
        read_rules(path, {})


def test_what_an_export_may_lose_stands_in_the_rule_book(tmp_path: Path) -> None:
    path, text = tmp_path / "promotion.yaml", RULES.read_text()
    assert read_export_loss(RULES) == 0.01
    for line, loss in (("export_loss: 0.002", 0.002), ("", 0.01)):  # of before: none
        path.write_text(text.replace("export_loss: 0.01", line))
        assert read_export_loss(path) == loss
    path.write_text(text.replace("export_loss: 0.01", "export_loss: 2.0"))
    with pytest.raises(ValueError, match=r"promotion\.yaml: export_loss: given 2\.0, accepted: 0 "):
        read_export_loss(path)


def test_a_rule_without_a_data_set_keeps_its_digest() -> None:
    assert RULE.digest() == "d0cc4b69f791"
    assert replace(RULE, dataset="workers").digest() != RULE.digest()
