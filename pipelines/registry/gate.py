"""From an evaluated recipe to a version of a slot, and whether it becomes champion."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.evaluation.bootstrap import Interval, paired_interval
from pipelines.evaluation.record import Evaluated, champion_elsewhere, read_evaluated
from pipelines.host import lineage, places
from pipelines.host.folders import file_digest
from pipelines.prediction.trained import Trained, load_trained
from pipelines.registry.decide import Decision, Scored, decide
from pipelines.registry.ledger import Ledger
from pipelines.registry.rules import Rule
from pipelines.registry.slots import tag_of
from pipelines.registry.versions import (
    CANDIDATE,
    CHAMPION,
    EVALUATION,
    IDENTITY,
    PREVIOUS,
    Registry,
    Version,
)
from pipelines.serving.model_files import requirements, write_model_files
from pipelines.tracking import runs as tracking
from pipelines.tracking.models import log_registered


@dataclass(frozen=True)
class Candidate:
    """An evaluated recipe: what is to be registered."""

    recipe: str
    trained: Trained
    evaluated: Evaluated
    sha256: str  # of best.pt

    @property
    def identity(self) -> str:
        """The same training's same weights: registered once, however often promote runs."""
        return f"{self.evaluated.about['fingerprint']}:{self.sha256}"


def read_candidate(name: str) -> Candidate:
    """Raises ValueError where evaluation and best.pt are not of one training."""
    best = places.trained(name) / "best.pt"
    trained, evaluated = load_trained(best, name, None), read_evaluated(places.evaluated(name))
    if trained.origin.fingerprint != evaluated.about["fingerprint"]:
        raise ValueError(
            f"{places.evaluated(name)}: an evaluation of another training than {best}; run "
            f"`dvc repro evaluate@{name}`"
        )
    return Candidate(name, trained, evaluated, file_digest(best))


def register(registry: Registry, slot: str, candidate: Candidate, rule: Rule) -> Version:
    """The candidate's version in this slot, new or found again; alias `candidate` points to it."""
    version = registry.find(slot, candidate.identity)
    if version is None:
        source, model_id, run_id = stored_model(registry, candidate)
        tags = version_tags(candidate, rule, run_id) | {"limber.model_id": model_id}
        version = registry.add(slot, source, model_id, run_id, tags)
        print(f"{candidate.recipe}: registered as version {version.number} of {slot}")
    if registry.aliases(slot).get(CANDIDATE) != version.number:
        registry.point(slot, CANDIDATE, version.number)
    return version


def stored_model(registry: Registry, candidate: Candidate) -> tuple[str, str, str]:
    """(address, model id, run id); a model that serves two slots is stored once."""
    if twin := registry.model_of(candidate.identity):
        return twin.source, twin.tags["limber.model_id"], str(twin.run_id)
    about = candidate.evaluated.about
    run_id = tracking.find_run(
        registry.client, about.get("run_id"), about["fingerprint"], candidate.recipe
    )
    with tempfile.TemporaryDirectory() as folder:
        origin = lineage_of(candidate, run_id)
        files = write_model_files(
            candidate.trained, candidate.evaluated.folder, origin, Path(folder)
        )
        numbers = {k: float(v) for k, v in candidate.evaluated.metrics.items() if "@" in k}
        model_id, source = log_registered(
            registry.uri, run_id, candidate.recipe, numbers, files, requirements(candidate.trained)
        )
    return source, model_id, run_id


def lineage_of(candidate: Candidate, run_id: str) -> dict[str, str]:
    about, lock = candidate.evaluated.about, places.home() / "dvc.lock"
    facts = {
        "recipe": candidate.recipe,
        "recipe_digest": about["recipe_digest"],
        "fingerprint": about["fingerprint"],
        "dataset": about["dataset"],
        "data_hash": about["data_hash"],
        "run_id": run_id,
        "checkpoint_sha256": candidate.sha256,
        "git_commit": lineage.git_commit(),
        "dvc_lock_sha256": file_digest(lock) if lock.is_file() else "",
    }
    return {key: str(value) for key, value in facts.items() if value}


def version_tags(candidate: Candidate, rule: Rule, run_id: str) -> dict[str, str]:
    numbers = {
        tag_of(f"{rule.metric}@{p}"): f"{candidate.evaluated.value(rule.metric, p):.6f}"
        for p in rule.protocols
        if f"{rule.metric}@{p}" in candidate.evaluated.metrics
    }
    facts = {f"limber.{key}": value for key, value in lineage_of(candidate, run_id).items()}
    return facts | numbers | {IDENTITY: candidate.identity}


def consider(
    registry: Registry, ledger: Ledger, slot: str, rule: Rule, version: Version,
    candidate: Candidate,
) -> None:  # fmt: skip
    """Decides once: again only for another champion, rule or evaluation."""
    champion = registry.behind(slot, CHAMPION)
    if champion and champion.number == version.number:
        return
    if "limber.stepped_down" in version.tags:
        print(f"{candidate.recipe}: version {version.number} of {slot} was champion before "
              f"({version.tags['limber.stepped_down']}); not considered again")  # fmt: skip
        return
    number = champion.number if champion else "none"
    question = f"{number} {rule.digest()} {candidate.evaluated.digest()}"
    if version.tags.get("limber.decided") == question:
        return
    decision, facts = judge(registry, slot, rule, version, candidate.evaluated, champion)
    action = "promoted" if decision.promote else ("rejected" if decision.final else "refused")
    print(f"{candidate.recipe}: version {version.number} of {slot} {action}: {decision.reason}")
    seen = [d for d in ledger.decisions if d["slot"] == slot]
    if decision.final or not seen or seen[-1]["reason"] != decision.reason:
        ledger.append(slot, action, decision.reason, **facts)
    if decision.promote:
        crown(registry, slot, version, champion)
    kept = {"decided": question} if decision.final else {}
    registry.tag(version, decision=action, reason=decision.reason, **kept)


def judge(
    registry: Registry, slot: str, rule: Rule, version: Version, evaluated: Evaluated,
    champion: Version | None,
) -> tuple[Decision, dict[str, Any]]:  # fmt: skip
    """The decision, and the facts that go to the ledger."""
    with tempfile.TemporaryDirectory() as folder:
        theirs = champion and champion_evaluation(
            registry, slot, champion, evaluated.about["data_hash"], Path(folder)
        )
        protocol = evaluated.protocol(rule.metric, rule.protocols, theirs or None)
        ours = scored_version(version, evaluated, rule, protocol)
        other = interval = None
        if champion and theirs:
            other = scored_version(
                champion, theirs, rule, theirs.protocol(rule.metric, rule.protocols, evaluated)
            )
            interval = gain_interval(evaluated, theirs, ours, other, rule)
    facts = {
        "version": version.number,
        "recipe": ours.recipe,
        "metric": f"{rule.metric}@{protocol}",
        "value": ours.value,
        "data_hash": ours.data_hash,
        "champion": asdict(other) if other else None,
        "interval": asdict(interval) if interval else None,
        "rule": asdict(rule),
    }
    return decide(ours, other, rule, interval, slot), facts


def champion_evaluation(
    registry: Registry, slot: str, champion: Version, data_hash: str, folder: Path
) -> Evaluated:
    """On the candidate's data, where there is such a one; else the one it was registered with."""
    own = read_evaluated(registry.files(champion, EVALUATION, folder))
    if own.about["data_hash"] == data_hash:
        return own
    return champion_elsewhere(slot, champion.number, data_hash) or own


def gain_interval(
    candidate: Evaluated, champion: Evaluated, ours: Scored, theirs: Scored, rule: Rule
) -> Interval | None:
    if (ours.data_hash, ours.protocol) != (theirs.data_hash, theirs.protocol):
        return None
    return paired_interval(
        candidate.matches(ours.protocol),
        champion.matches(theirs.protocol),
        **asdict(rule.bootstrap),
    )


def scored_version(version: Version, evaluated: Evaluated, rule: Rule, protocol: str) -> Scored:
    about = evaluated.about
    return Scored(
        version=version.number,
        recipe=version.tags.get("limber.recipe", ""),
        dataset=about["dataset"],
        data_hash=about["data_hash"],
        protocol=protocol,
        value=evaluated.value(rule.metric, protocol),
    )


def crown(registry: Registry, slot: str, version: Version, champion: Version | None) -> None:
    if champion:
        registry.point(slot, PREVIOUS, champion.number)
        registry.tag(champion, stepped_down=f"gave way to version {version.number}")
    registry.point(slot, CHAMPION, version.number)


def roll_back(registry: Registry, ledger: Ledger, slot: str, rules: dict[str, Rule]) -> None:
    """Swaps `champion` and `previous`. Raises ValueError where there is no previous one."""
    if slot not in rules:
        raise ValueError(f"--rollback: given {slot!r}, accepted: {', '.join(rules)}")
    champion, previous = registry.behind(slot, CHAMPION), registry.behind(slot, PREVIOUS)
    if champion is None or previous is None:
        raise ValueError(f"slot {slot}: no previous champion to go back to; see "
                         "`python -m pipelines.promote --list`")  # fmt: skip
    reason = f"rolled back by hand from version {champion.number} to {previous.number}"
    ledger.append(slot, "rolled back", reason, version=previous.number, instead_of=champion.number)
    registry.point(slot, CHAMPION, previous.number)
    registry.point(slot, PREVIOUS, champion.number)
    registry.tag(champion, stepped_down=reason, decision="rolled back")
    registry.tag(previous, reason=reason, decision="promoted")
