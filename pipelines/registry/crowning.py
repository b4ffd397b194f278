"""The alias `champion` moved: to a version that won, back by hand, or back where it was lost.

A decision is written down first and carried out then, its digest as a tag of the version at last:
whoever is killed in between, `finish` carries out the rest of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.ground.refusal import refusal
from pipelines.registry.ledger import CROWNED, Entry, Ledger, entry_digest
from pipelines.registry.rules import Rule
from pipelines.registry.slots import told_by
from pipelines.registry.versions import (
    CHAMPION,
    IDENTITY,
    PREVIOUS,
    Registry,
    Version,
    told_version,
)

STEPPED_DOWN, DECISION = "limber.stepped_down", "limber.decision"
CARRIED_OUT = "limber.carried_out"  # of a version: digest of the entry that made it champion
PROMOTED, ROLLED_BACK, RESTORED = CROWNED
Register = Callable[[Entry], Version | None]  # a version that the ledger tells of, made anew


def crown(
    registry: Registry, ledger: Ledger, version: Version, action: str, reason: str, **facts: Any
) -> None:
    """Makes a version champion. Raises ValueError, before anything is written, where its files are
    not those that were registered."""
    if damage := registry.damage(version):
        raise ValueError(damage)
    ledger.append(version.slot, action, reason, **told_version(version), **facts)
    carry_out(registry, ledger.champions(version.slot)[0], version)


def carry_out(registry: Registry, entry: Entry, version: Version) -> None:
    """What an entry decided of its version; of what is done already nothing changes."""
    slot = version.slot
    if entry["action"] == RESTORED:
        if registry.aliases(slot).get(PREVIOUS) == version.number:
            registry.point(slot, PREVIOUS, None)
    else:
        champion = registry.aliased(slot, CHAMPION)
        if champion and champion.number != version.number:
            _step_down(registry, champion, version, entry)
    registry.untag(version, STEPPED_DOWN)
    registry.point(slot, CHAMPION, version.number)
    registry.tag(version, decision=PROMOTED, reason=entry["reason"])
    set_carried_out(registry, entry, version)


def _step_down(registry: Registry, champion: Version, winner: Version, entry: Entry) -> None:
    """A damaged one is not kept as `previous`: it could not come back."""
    if not registry.damage(champion):
        registry.point(champion.slot, PREVIOUS, champion.number)
    elif PREVIOUS in registry.aliases(champion.slot):
        registry.point(champion.slot, PREVIOUS, None)
    if entry["action"] == ROLLED_BACK:
        registry.tag(champion, stepped_down=entry["reason"], decision=ROLLED_BACK)
    else:
        registry.tag(champion, stepped_down=f"gave way to version {winner.number}")


def set_carried_out(registry: Registry, entry: Entry, version: Version) -> None:
    registry.tag(version, carried_out=entry_digest(entry))


def finish(registry: Registry, ledger: Ledger, slot: str) -> None:
    """Carries out the newest decision of a slot where whoever wrote it was killed before it was;
    nothing, where its version or files are gone: `--verify` mends that."""
    told = ledger.champions(slot)
    version = version_of(told[0], registry.versions(slot)) if told else None
    if version is None or _is_carried_out(told[0], version):
        return
    if damage := registry.damage(version):
        print(f"{slot}: {damage}", file=sys.stderr, flush=True)
        return
    carry_out(registry, told[0], version)
    late = f"decided on {told[0]['time']} and carried out now"
    print(f"{slot}: version {version.number} {told[0]['action']}, {late}: {told[0]['reason']}")


def _is_carried_out(entry: Entry, version: Version) -> bool:
    """Decisions of before there was the tag show by their reason alone."""
    told = version.tags.get(CARRIED_OUT)
    if told is None:
        return version.tags.get("limber.reason") == entry["reason"]
    return told == entry_digest(entry)


def version_of(entry: Entry, versions: Sequence[Version]) -> Version | None:
    """The version that an entry tells of; entries of before told no identity."""
    identity, number = entry.get("identity"), str(entry.get("version"))
    if identity:
        mine = [v for v in versions if v.tags.get(IDENTITY) == identity]
        return next((v for v in mine if v.number == number), mine[0] if mine else None)
    return next((v for v in versions if v.number == number), None)


def roll_back(registry: Registry, ledger: Ledger, slot: str, rules: Mapping[str, Rule]) -> None:
    """Swaps `champion` and `previous`. Raises ValueError where there is no previous one."""
    if slot not in rules:
        raise refusal("--rollback", given=slot, accepted=", ".join(rules))
    finish(registry, ledger, slot)
    champion, previous = registry.aliased(slot, CHAMPION), registry.aliased(slot, PREVIOUS)
    if champion is None or previous is None:
        raise refusal(
            f"slot {slot}",
            fault="no previous champion to go back to",
            do="see `python -m pipelines.promote --list`",
        )
    reason = f"rolled back by hand from version {champion.number} to {previous.number}"
    crown(registry, ledger, previous, ROLLED_BACK, reason, instead_of=champion.number)


def restore(registry: Registry, ledger: Ledger, slot: str, rule: Rule, register: Register) -> None:
    """Gives a slot whose champion was removed on MLflow's page one of its versions again.

    Else the next candidate, however bad, would be taken for the first one. The version that was
    champion, registered anew where its files are damaged; where neither can be had, the best of
    those that are left, whole and were not rolled back.
    """
    versions = [v for v in registry.versions(slot) if v.tags.get(DECISION) != ROLLED_BACK]
    if not versions or registry.aliased(slot, CHAMPION):
        return
    was = [v for v in versions if v.tags.get(DECISION) == PROMOTED and STEPPED_DOWN not in v.tags]
    chosen, why = None, "it was champion before"
    if was:
        damage = registry.damage(was[0])
        chosen = register({"slot": slot, **told_version(was[0])}) if damage else was[0]
        why = f"{why}; {damage}" if damage else why
    if chosen is None:
        chosen = best_whole(registry, versions, rule)
        why = "the best of those that are registered"
    if chosen is None:
        return
    reason = f"the slot had lost its champion; version {chosen.number} again, {why}"
    print(f"{slot}: {reason}")
    crown(registry, ledger, chosen, RESTORED, reason)


def best_whole(registry: Registry, versions: Sequence[Version], rule: Rule) -> Version | None:
    """Of those that reach the floor, were not rolled back and are whole."""
    left = [v for v in versions if v.tags.get(DECISION) != ROLLED_BACK]
    while chosen := best_registered(left, rule):
        if not registry.damage(chosen):
            return chosen
        left = [v for v in left if v.number != chosen.number]
    return None


def best_registered(versions: Sequence[Version], rule: Rule) -> Version | None:
    """Of those that reach the floor, on the newest one's data and under its first protocol.

    versions: newest first; None where none of them reaches it.
    """
    for protocol in rule.protocols:
        told = [(told_by(v.tags, f"{rule.metric}@{protocol}"), v) for v in versions]
        reached = [(number, v) for number, v in told if number is not None and number >= rule.floor]
        data = [v.tags.get("limber.data_hash") for _, v in reached]
        alike = [pair for pair, digest in zip(reached, data, strict=True) if digest == data[0]]
        if alike:
            return max(alike, key=lambda pair: pair[0])[1]
    return None
