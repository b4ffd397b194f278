"""What a version, a run or a folder of results was made from, out of all that tells of it.

MLflow, where it answers, the ledger of promotions, results/ and runs/ here: each fact of the first
that has it, with the others' silence said. Nothing is made or changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.registry.ledger import Ledger
from pipelines.registry.versions import MADE_FROM, Registry, Version
from pipelines.report.run_folders import RunFolder, own_folder, run_folders
from pipelines.tracking.database import database_file
from pipelines.tracking.registered_versions import NAMED
from pipelines.tracking.runs import outbox_of_run
from pipelines.tracking.server import tracking_uri
from pipelines.tracking.told import attempts, run_tags
from pipelines.training.record import TrainingRecord, has_training

RUN = re.compile(r"[0-9a-f]{32}")
ALIASES = ("champion", "previous", "candidate")
ACCEPTED = "SLOT@champion, SLOT:NUMBER, a run's id, a recipe's name, or a folder of results"
PREFIX = "limber."
IDENTITY = "limber.identity"


@dataclass
class Origin:
    """facts: by the names of a version's tags, without `limber.`; record, best: what results tell
    of this very training, and its best.pt there; folder: its own in runs/; missing: who could not
    be asked, or knows nothing."""

    name: str
    slot: str = ""
    version: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    record: TrainingRecord | None = None
    best: Path | None = None
    folder: RunFolder | None = None
    missing: list[str] = field(default_factory=list)

    def learn(self, facts: Mapping[str, Any]) -> None:
        """What is known already stays."""
        told = {key: str(value) for key, value in facts.items() if value not in (None, "")}
        self.facts = {**told, **self.facts}

    @property
    def recipe(self) -> str:
        return self.facts.get("recipe", "")

    @property
    def run_folder(self) -> Path | None:
        return self.folder.path if self.folder else None


def origin_of(given: str) -> Origin:
    """Raises ValueError for what is none, or of which nothing at all is known."""
    origin = Origin(given)
    if RUN.fullmatch(given):
        origin.learn({"run_id": given} | _of_outbox(given))
    elif folder := _results(given):
        _learn_record(origin, folder)
    else:
        _learn_version(origin, given)
    _learn_run(origin)
    _find_folder(origin)
    if origin.record is None and has_training(places.trained(origin.recipe or "-")):
        _learn_results(origin, places.trained(origin.recipe))
    if "recipe" not in origin.facts:
        reasons = "; ".join(origin.missing)
        raise refusal(given, fault=f"nothing is known of it ({reasons})", accepted=ACCEPTED)
    if others := _find_folder(origin):
        told = f" ({', '.join(others)}: of another training, or nothing tells of which)"
        origin.missing.append(f"runs/: its folder with checkpoints is not here{told}")
    elif origin.folder is None:
        origin.missing.append("runs/: its folder with checkpoints is not here")
    return origin


def _find_folder(origin: Origin) -> list[str]:
    """Names of those of its recipe, data and weights where none is known to be its own."""
    facts, record = origin.facts, origin.record
    fingerprint = facts.get("fingerprint")
    if origin.folder or not (origin.recipe and fingerprint):
        return []
    folders = run_folders(origin.recipe, fingerprint)
    runs = [facts.get("run_id"), record.run_id if record else None]
    digests = {facts.get("checkpoint_sha256", "")} | _digests(record, origin.best)
    origin.folder = own_folder(folders, [each for each in runs if each], digests)
    return [] if origin.folder else [each.path.name for each in folders]


def _digests(record: TrainingRecord | None, best: Path | None) -> set[str]:
    """sha256 of the checkpoint that was the best, and of the best.pt that was made of it."""
    told = {record.checkpoint_sha256 or ""} if record else set()
    return (told | ({file_digest(best)} if best and best.is_file() else set())) - {""}


def _results(given: str) -> Path | None:
    folders = (Path(given), Path(given) / "trained", places.trained(given))
    return next((folder for folder in folders if has_training(folder)), None)


def _learn_record(origin: Origin, folder: Path) -> None:
    origin.record = record = TrainingRecord.read(folder)
    origin.best = folder / places.BEST_WEIGHTS
    names = ("recipe", "recipe_digest", "fingerprint", "data_hash", "run_id")
    origin.learn({name: getattr(record, name) for name in names})


def _learn_results(origin: Origin, folder: Path) -> None:
    """Of the recipe's results here, where they are of this training as far as anything tells."""
    record, where = TrainingRecord.read(folder), f"results/{origin.recipe}/trained"
    known = origin.facts.get("fingerprint")
    alike = origin.facts.get("data_hash") in (None, record.data_hash)
    mine = _is_own(origin, record, folder / places.BEST_WEIGHTS)
    if mine or (mine is None and not known and alike):
        _learn_record(origin, folder)
        if not mine:
            origin.missing.append(f"whether {where} is this very training: nobody tells its own")
    elif mine is None and known:
        origin.missing.append(f"{where}: nothing tells that it is of this very training")
    else:
        origin.missing.append(f"{where}: of another training")


def _is_own(origin: Origin, record: TrainingRecord, best: Path) -> bool | None:
    """Whether the record is of this very training, not of a later one of the same recipe, data and
    weights: by the run, where both are known, else by digests. None where nothing tells."""
    facts, folder = origin.facts, origin.folder
    if facts.get("fingerprint", "") not in ("", record.fingerprint):
        return False
    own, digests = facts.get("checkpoint_sha256"), _digests(record, best)
    runs = {facts.get("run_id")} | (folder.runs if folder else set())
    if record.run_id and record.run_id in runs:
        return True
    if record.run_id and folder and folder.runs:
        return False  # weights of the same bits, trained again
    if own:
        return own in digests
    if folder and not folder.digests.isdisjoint(digests):
        return True
    return False if record.run_id and facts.get("run_id") else None


def _learn_version(origin: Origin, given: str) -> None:
    told = NAMED.fullmatch(given)
    if told is None:
        raise refusal("lineage", given=given, accepted=ACCEPTED)
    origin.slot, alias, number = told["slot"], told["alias"] or "champion", told["number"] or ""
    ledger = Ledger(places.promotion(), places.promotion_journal())
    try:
        version = _registered(origin.slot, alias, number)
        origin.version = version.number if version else number
        if version is None:
            origin.missing.append(f"MLflow: no {given}")
        else:
            origin.learn(plain_tags(version.tags))
            origin.learn({"run_id": version.run_id})
    except ValueError as error:
        origin.missing.append(f"MLflow: {error}")
        state = ledger.slots.get(origin.slot, {})
        origin.version = number or str(state.get(alias) or "")
    of_slot = [each for each in ledger.decisions if each["slot"] == origin.slot]
    origin.decisions = [each for each in of_slot if _concerns(each, origin.version)]
    if not origin.decisions:
        origin.missing.append(f"{places.promotion()}: no decision on it")
    for each in reversed(origin.decisions):
        if str(each.get("version")) == origin.version:
            origin.learn(_of_decision(each))


def _concerns(decision: Mapping[str, Any], version: str) -> bool:
    champion = decision.get("champion") or {}
    named = (decision.get("version"), decision.get("instead_of"), champion.get("version"))
    return version in map(str, named)


def _of_decision(decision: Mapping[str, Any]) -> dict[str, Any]:
    fingerprint, _, digest = str(decision.get("identity") or "").partition(":")
    told = {key: decision.get(key) for key in ("recipe", "data_hash", *MADE_FROM)}
    return told | {"fingerprint": fingerprint, "checkpoint_sha256": digest}


def _registered(slot: str, alias: str, number: str) -> Version | None:
    """None where there is no such one. Raises ValueError where no MLflow can be asked."""
    file = database_file(tracking_uri())
    if file is not None and not file.is_file():
        raise refusal(file, fault="no database is here")
    registry = Registry()
    numbers = {each.number: each for each in registry.versions(slot)}
    return numbers.get(number or registry.aliases(slot).get(alias, ""))


def plain_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """{"limber.recipe": "x"} -> {"recipe": "x"}, other tags left out; of an identity its parts."""
    fingerprint, _, digest = tags.get(IDENTITY, "").partition(":")
    own = {k.removeprefix(PREFIX): v for k, v in tags.items() if k.startswith(PREFIX)}
    return own | {"fingerprint": fingerprint, "checkpoint_sha256": digest}


def _learn_run(origin: Origin) -> None:
    """Tags of the run: the data set, the commit, versions and machines that it was trained on."""
    run_id = origin.facts.get("run_id")
    if not run_id:
        origin.missing.append("MLflow: which run it is")
        return
    try:
        tags = run_tags(run_id)
    except ValueError as error:
        if not any(each.startswith("MLflow: ") for each in origin.missing):
            origin.missing.append(f"MLflow: {error}")
        return
    told = plain_tags(tags)
    told["fingerprint"] = told.pop("run_key", "").partition(" ")[0]
    origin.learn({key: value for key, value in told.items() if key != "checkpoint_sha256"})


def _of_outbox(run_id: str) -> dict[str, str]:
    """Facts of a run whose training told it here, where no MLflow need answer."""
    outbox = outbox_of_run(run_id)
    for header in reversed(attempts(outbox) if outbox else []):
        return plain_tags(header["tags"]) | {"fingerprint": header["fingerprint"]}
    return {}
