"""What a person wants to know of the slots of the registry: who is champion, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.host.progress import told_number
from pipelines.registry.rules import Rule
from pipelines.registry.versions import CANDIDATE, CHAMPION, PREVIOUS, Registry


def tag_of(number: str) -> str:
    """A number's tag: `AP@gt` is `limber.AP.gt`, `PCKh@0.5@gt` is `limber.PCKh.0.5.gt`."""
    return f"limber.{number.replace('@', '.')}"


def told_by(tags: Mapping[str, str], number: str) -> float | None:
    """A version's number, from 0 to 1; None where no tag tells it, or what stands there is none."""
    try:
        value = float(tags[tag_of(number)])
    except (KeyError, ValueError):
        return None
    return value if 0.0 <= value <= 1.0 else None


def slot_state(registry: Registry, slot: str, rule: Rule) -> dict[str, Any]:
    """What a person wants to know of a slot: champion, its recipe, its number, why."""
    aliases = registry.aliases(slot)
    champion = registry.aliased(slot, CHAMPION)
    if champion is None:
        return {"champion": None, "reason": "no version has reached the floor yet"}
    tags = champion.tags
    names = [f"{rule.metric}@{protocol}" for protocol in rule.protocols]
    numbers = {name: told for name in names if (told := told_by(tags, name)) is not None}
    return {
        "champion": champion.number,
        "previous": aliases.get(PREVIOUS),
        "candidate": aliases.get(CANDIDATE),
        "recipe": tags.get("limber.recipe", ""),
        **numbers,
        "dataset": tags.get("limber.dataset", ""),
        "reason": tags.get("limber.reason", ""),
    }


def slot_lines(slots: dict[str, dict[str, Any]]) -> list[str]:
    shown = []
    for slot, facts in slots.items():
        if facts["champion"] is None:
            shown.append(f"{slot}: no champion; {facts['reason']}")
            continue
        numbers = " ".join(f"{k} {told_number(k, v)}" for k, v in facts.items() if "@" in k)
        champion = f"champion version {facts['champion']} ({facts['recipe']}, {numbers})"
        shown.append(f"{slot}: {champion}: {facts['reason']}")
    return shown
