"""The alias `champion` moved: to a version that won, back by hand, or back where it was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from data.ground.refusal import refusal
from pipelines.registry.ledger import CROWNED, Ledger
from pipelines.registry.rules import Rule
from pipelines.registry.slots import tag_of
from pipelines.registry.versions import CHAMPION, PREVIOUS, Registry, Version, told_version

STEPPED_DOWN, DECISION = "limber.stepped_down", "limber.decision"
PROMOTED, ROLLED_BACK, RESTORED = CROWNED


def crown(registry: Registry, slot: str, version: Version, champion: Version | None) -> None:
    if champion:
        registry.point(slot, PREVIOUS, champion.number)
        registry.tag(champion, stepped_down=f"gave way to version {version.number}")
    registry.untag(version, STEPPED_DOWN)
    registry.point(slot, CHAMPION, version.number)


def roll_back(registry: Registry, ledger: Ledger, slot: str, rules: Mapping[str, Rule]) -> None:
    """Swaps `champion` and `previous`. Raises ValueError where there is no previous one."""
    if slot not in rules:
        raise refusal("--rollback", given=slot, accepted=", ".join(rules))
    champion, previous = registry.aliased(slot, CHAMPION), registry.aliased(slot, PREVIOUS)
    if champion is None or previous is None:
        raise refusal(
            f"slot {slot}",
            fault="no previous champion to go back to",
            do="see `python -m pipelines.promote --list`",
        )
    if damage := registry.damage(previous):
        raise ValueError(damage)
    reason = f"rolled back by hand from version {champion.number} to {previous.number}"
    facts = told_version(previous) | {"instead_of": champion.number}
    ledger.append(slot, ROLLED_BACK, reason, **facts)
    crown(registry, slot, previous, champion)
    registry.tag(champion, stepped_down=reason, decision=ROLLED_BACK)
    registry.tag(previous, reason=reason, decision=PROMOTED)


def restore(registry: Registry, ledger: Ledger, slot: str, rule: Rule) -> None:
    """Gives a slot whose champion was removed on MLflow's page one of its versions again.

    Else the next candidate, however bad, would be taken for the first one. The version that was
    champion; where it is deleted, the best of those that are left and were not rolled back.
    """
    versions = [v for v in registry.versions(slot) if v.tags.get(DECISION) != ROLLED_BACK]
    if not versions or registry.aliased(slot, CHAMPION):
        return
    last = [v for v in versions if v.tags.get(DECISION) == PROMOTED and STEPPED_DOWN not in v.tags]
    chosen = last[0] if last else best_registered(versions, rule)
    if chosen is None:
        return
    why = "it was champion before" if last else "the best of those that are registered"
    reason = f"the slot had lost its champion; version {chosen.number} again, {why}"
    print(f"{slot}: {reason}")
    crown_again(registry, ledger, chosen, reason)


def crown_again(registry: Registry, ledger: Ledger, version: Version, reason: str) -> None:
    """Of a slot that has no champion, or not this one; written down first, as every decision is."""
    slot = version.slot
    ledger.append(slot, RESTORED, reason, **told_version(version))
    if registry.aliases(slot).get(PREVIOUS) == version.number:
        registry.point(slot, PREVIOUS, None)
    crown(registry, slot, version, None)
    registry.tag(version, decision=PROMOTED, reason=reason)


def best_registered(versions: Sequence[Version], rule: Rule) -> Version | None:
    """Of those that reach the floor, on the newest one's data and under its first protocol.

    versions: newest first; None where none of them reaches it.
    """
    for protocol in rule.protocols:
        name = tag_of(f"{rule.metric}@{protocol}")
        reached = [v for v in versions if float(v.tags.get(name, "-inf")) >= rule.floor]
        data = [v.tags.get("limber.data_hash") for v in reached]
        alike = [v for v, digest in zip(reached, data, strict=True) if digest == data[0]]
        if alike:
            return max(alike, key=lambda v: float(v.tags[name]))
    return None
