"""The registry held against the ledger: what somebody deleted, moved or took back from a backup.

The ledger says which model is champion, by the digest of its weights: numbers of versions come
again where a registry was restored from an older backup. A champion whose version or files are gone
is registered again from results/, where its weights still lie; else the one before it is champion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.registry.crowning import (
    DECISION,
    RESTORED,
    ROLLED_BACK,
    best_registered,
    crown_again,
)
from pipelines.registry.ledger import Entry, Ledger
from pipelines.registry.rules import Rule
from pipelines.registry.versions import (
    CHAMPION,
    IDENTITY,
    PREVIOUS,
    Registry,
    Version,
    told_version,
)

DAMAGED = "damaged"  # tag of a version whose files are not what was registered
Register = Callable[[Entry], Version | None]  # a version that the ledger tells of, made anew


@dataclass(frozen=True)
class Verified:
    """What of a slot is not as the ledger says, in words; mended: None where nothing was to do."""

    slot: str
    differences: list[str]
    mended: str | None = None

    @property
    def is_well(self) -> bool:
        return not self.differences or self.mended is not None

    def line(self) -> str:
        if not self.differences:
            return f"{self.slot}: as the ledger says"
        return f"{self.slot}: {'; '.join(self.differences)}: {self.mended or 'not mended'}"


def verify_slot(
    registry: Registry,
    ledger: Ledger,
    slot: str,
    rule: Rule,
    register: Register | None,
) -> Verified:
    """register: makes a version anew from what lies in results/; None: nothing is changed."""
    told, versions = ledger.champions(slot), registry.versions(slot)
    if not told:
        return _untold(registry, ledger, slot, mend=register is not None)
    differences: list[str] = []
    champion = _whole(registry, told[0], versions, differences, register is not None)
    aliases = registry.aliases(slot)
    if champion and aliases.get(CHAMPION) == champion.number:
        wrong = _damaged_previous(registry, slot, mend=register is not None)
        return Verified(slot, wrong, "`previous` points to nothing now" if register else None)
    if champion:
        pointed = aliases.get(CHAMPION)
        place = f"points to version {pointed}" if pointed else "is gone"
        differences.append(f"the alias champion {place}, not to {_named(told[0])}")
    if register is None:
        return Verified(slot, differences)
    chosen = champion or register(told[0]) or _before(registry, told[1:], versions, differences)
    chosen = chosen or _best_whole(registry, registry.versions(slot), rule)
    if chosen is None:
        return Verified(slot, differences)
    again = f"version {chosen.number} is champion again"
    crown_again(registry, ledger, chosen, f"{again}: {'; '.join(differences)}")
    return Verified(slot, differences, again)


def _untold(registry: Registry, ledger: Ledger, slot: str, *, mend: bool) -> Verified:
    """Of a slot that the ledger knows nothing of: a champion there is taken into it."""
    champion = registry.aliased(slot, CHAMPION)
    if champion is None:
        return Verified(slot, [])
    differences = [f"the ledger tells of no champion, the registry of version {champion.number}"]
    if damage := registry.damage(champion):
        return Verified(slot, [*differences, damage])
    if not mend:
        return Verified(slot, differences)
    reason = f"version {champion.number} was champion when the ledger began"
    ledger.append(slot, RESTORED, reason, **told_version(champion))
    return Verified(slot, differences, "written down")


def _named(entry: Entry) -> str:
    return f"version {entry.get('version')} ({entry.get('recipe', '')}, {entry['time']})"


def _of_entry(entry: Entry, versions: list[Version]) -> Version | None:
    """The version that an entry tells of; entries of before told no identity."""
    identity, number = entry.get("identity"), str(entry.get("version"))
    if identity:
        mine = [v for v in versions if v.tags.get(IDENTITY) == identity]
        return next((v for v in mine if v.number == number), mine[0] if mine else None)
    return next((v for v in versions if v.number == number), None)


def _whole(
    registry: Registry, entry: Entry, versions: list[Version], differences: list[str], mend: bool
) -> Version | None:
    """The entry's version where it and its files are there; what is wrong goes to `differences`."""
    version = _of_entry(entry, versions)
    if version is None:
        differences.append(f"{_named(entry)} is not in the registry")
        return None
    if damage := registry.damage(version):
        differences.append(damage)
        if mend:  # it is not found again as a version of these weights
            registry.untag(version, IDENTITY)
            registry.tag(version, **{DAMAGED: damage[:500]})
        return None
    return version


def _before(
    registry: Registry, entries: list[Entry], versions: list[Version], differences: list[str]
) -> Version | None:
    """The champion before, the newest first, that is whole and was not rolled back."""
    for entry in entries:
        version = _of_entry(entry, versions)
        if version and version.tags.get(DECISION) != ROLLED_BACK:
            if not registry.damage(version):
                return version
            differences.append(f"{_named(entry)} is damaged as well")
    return None


def _best_whole(registry: Registry, versions: list[Version], rule: Rule) -> Version | None:
    left = [v for v in versions if v.tags.get(DECISION) != ROLLED_BACK]
    while chosen := best_registered(left, rule):
        if not registry.damage(chosen):
            return chosen
        left = [v for v in left if v.number != chosen.number]
    return None


def _damaged_previous(registry: Registry, slot: str, *, mend: bool) -> list[str]:
    """A `previous` that a rollback would refuse: the alias goes."""
    previous = registry.aliased(slot, PREVIOUS)
    damage = registry.damage(previous) if previous else ""
    if damage and mend:
        registry.point(slot, PREVIOUS, None)
    return [f"previous: {damage}"] if damage else []
