"""The registry held against the ledger: what somebody deleted, moved or took back from a backup.

The ledger says which model is champion, by the digest of its weights: numbers of versions come
again where a registry was restored from an older backup. A champion whose version or files are gone
is registered again from results/, where its weights still lie; else the one before it is champion.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.registry.crowning import (
    DECISION,
    RESTORED,
    ROLLED_BACK,
    Register,
    best_whole,
    crown,
    finish,
    set_carried_out,
    version_of,
)
from pipelines.registry.ledger import Entry, Ledger
from pipelines.registry.rules import Rule
from pipelines.registry.versions import (
    CHAMPION,
    PREVIOUS,
    Registry,
    Version,
    told_version,
)


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
    if register:
        finish(registry, ledger, slot)
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
    chosen = (
        champion
        or register(told[0])
        or _before(registry, told[1:], versions, differences)
        or best_whole(registry, registry.versions(slot), rule)
    )
    if chosen is None:
        return Verified(slot, differences)
    again = f"version {chosen.number} is champion again"
    crown(registry, ledger, chosen, RESTORED, f"{again}: {'; '.join(differences)}")
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
    set_carried_out(registry, ledger.champions(slot)[0], champion)
    return Verified(slot, differences, "written down")


def _named(entry: Entry) -> str:
    return f"version {entry.get('version')} ({entry.get('recipe', '')}, {entry['time']})"


def _whole(
    registry: Registry, entry: Entry, versions: list[Version], differences: list[str], mend: bool
) -> Version | None:
    """The entry's version where it and its files are there; what is wrong goes to `differences`."""
    version = version_of(entry, versions)
    if version is None:
        differences.append(f"{_named(entry)} is not in the registry")
        return None
    if damage := registry.damage(version):
        differences.append(damage)
        if mend:
            registry.retire(version, damage)
        return None
    return version


def _before(
    registry: Registry, entries: list[Entry], versions: list[Version], differences: list[str]
) -> Version | None:
    """The champion before, the newest first, that is whole and was not rolled back."""
    for entry in entries:
        version = version_of(entry, versions)
        if version and version.tags.get(DECISION) != ROLLED_BACK:
            if not registry.damage(version):
                return version
            differences.append(f"{_named(entry)} is damaged as well")
    return None


def _damaged_previous(registry: Registry, slot: str, *, mend: bool) -> list[str]:
    """A `previous` that a rollback would refuse: the alias goes."""
    previous = registry.aliased(slot, PREVIOUS)
    damage = registry.damage(previous) if previous else ""
    if damage and mend:
        registry.point(slot, PREVIOUS, None)
    return [f"previous: {damage}"] if damage else []
