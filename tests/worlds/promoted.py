"""Recipes offered to the registry of the test's home, and what its ledger says."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from pipelines import promote
from pipelines.host import places
from pipelines.registry.rules import RULES, read_rules
from pipelines.serving.model_files import write_model_files

SLOT = "pose-coco"


def write_no_graph(_: object, path: Path) -> None:
    """The graph's export is another test's business."""
    path.write_bytes(b"graph")


def offer(*recipes: str, slots: tuple[str, ...] = ()) -> None:
    """As the stage does; slots: those alone."""
    rules = read_rules(RULES)
    rules = {name: rules[name] for name in slots or rules}
    promote.promote(recipes, rules, partial(write_model_files, write_graph=write_no_graph))


def ledger() -> dict[str, Any]:
    return dict(json.loads(places.promotion().read_text()))


def actions(slot: str = SLOT) -> list[str]:
    return [d["action"] for d in ledger()["decisions"] if d["slot"] == slot]
