"""From an evaluated recipe to a version of a slot, and whether it becomes champion."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal
from pipelines.evaluation.bootstrap import Interval, paired_interval
from pipelines.evaluation.folder import EvaluationFolder, champion_elsewhere, read_evaluation
from pipelines.evaluation.record import EvaluationRecord
from pipelines.host import lineage, places
from pipelines.host.folders import file_digest
from pipelines.prediction.trained import Trained, load_trained
from pipelines.registry.crowning import PROMOTED, STEPPED_DOWN, crown
from pipelines.registry.decide import Decision, VersionScore, decide
from pipelines.registry.ledger import Ledger
from pipelines.registry.rules import Rule
from pipelines.registry.slots import tag_of
from pipelines.registry.versions import (
    CANDIDATE,
    CHAMPION,
    EVALUATION,
    IDENTITY,
    Registry,
    Version,
    told_version,
)
from pipelines.serving.model_files import example_input, requirements, write_model_files
from pipelines.tracking.models import log_registered
from pipelines.tracking.runs import find_run
from pipelines.tracking.version_digests import FILES_TAG, digests_below, tag_of_model

ARTIFACTS = "artifacts/"  # where MLflow puts the files of a model

# a network, its evaluation's folder, its lineage, a folder to fill -> the files by name
WriteFiles = Callable[[Trained, Path, dict[str, str], Path], dict[str, str]]


@dataclass(frozen=True)
class Candidate:
    """An evaluated recipe: what is to be registered."""

    recipe: str
    trained: Trained
    evaluation: EvaluationFolder
    sha256: str  # of best.pt

    @property
    def identity(self) -> str:
        """The same training's same weights: registered once, however often promote runs."""
        return f"{self.evaluation.record.fingerprint}:{self.sha256}"


def read_candidate(name: str) -> Candidate:
    """Raises ValueError where evaluation and best.pt are not of one training."""
    best = places.best_weights(name)
    trained, evaluation = load_trained(best, name, None), read_evaluation(places.evaluated(name))
    if trained.origin.fingerprint != evaluation.record.fingerprint:
        raise refusal(
            evaluation.path,
            fault=f"an evaluation of another training than {best}",
            do=f"run `make repro RECIPE={name}`",
        )
    return Candidate(name, trained, evaluation, file_digest(best))


def register(
    registry: Registry,
    slot: str,
    candidate: Candidate,
    rule: Rule,
    write_files: WriteFiles = write_model_files,
) -> Version:
    """The candidate's version in this slot, new or found again; alias `candidate` points to it, and
    is given to no damaged one."""
    version = registry.find(slot, candidate.identity)
    if version and registry.aliases(slot).get(CANDIDATE) != version.number:
        version = whole_version(registry, slot, candidate)
    if version is None:
        source, model_id, run_id, digests = stored_model(registry, candidate, write_files)
        own = {"limber.model_id": model_id, FILES_TAG: digests}
        tags = version_tags(candidate, rule, run_id) | own
        version = registry.add(slot, source, model_id, run_id, tags)
        print(f"{candidate.recipe}: registered as version {version.number} of {slot}")
    if registry.aliases(slot).get(CANDIDATE) != version.number:
        registry.point(slot, CANDIDATE, version.number)
    return version


def whole_version(registry: Registry, slot: str, candidate: Candidate) -> Version | None:
    """The candidate's version in this slot, if its files are those that were registered; damaged
    ones are told, and not found again."""
    while version := registry.find(slot, candidate.identity):
        if not (damage := registry.damage(version)):
            return version
        print(f"{candidate.recipe}: {damage}", file=sys.stderr, flush=True)
        registry.retire(version, damage)
    return None


def stored_model(
    registry: Registry, candidate: Candidate, write_files: WriteFiles
) -> tuple[str, str, str, str]:
    """(address, model id, run id, digests of its files); a model that serves two slots is stored
    once, unless what is stored is damaged.

    Raises ValueError where the store gives back other files than it was given.
    """
    for twin in registry.stored(candidate.identity):
        if not registry.damage(twin):
            return twin.source, twin.tags["limber.model_id"], str(twin.run_id), twin.tags[FILES_TAG]
    trained, evaluation, name = candidate.trained, candidate.evaluation, candidate.recipe
    record = evaluation.record
    run_id = find_run(registry.client, record.run_id, record.fingerprint, name)
    with tempfile.TemporaryDirectory() as folder:
        origin = lineage_of(candidate, run_id)
        files = write_files(trained, evaluation.path, origin, Path(folder))
        needs = requirements(trained)
        model_id, source = log_registered(
            registry.uri, run_id, name, record.numbers, files, needs, example_input(trained)
        )
        given = {f"{ARTIFACTS}{file}": d for file, d in digests_below(Path(folder)).items()}
    return source, model_id, run_id, tag_of_model(registry.uri, source, given)


def lineage_of(candidate: Candidate, run_id: str) -> dict[str, str]:
    record, lock = candidate.evaluation.record, places.home() / "dvc.lock"
    facts = {
        "recipe": candidate.recipe,
        "recipe_digest": record.recipe_digest,
        "fingerprint": record.fingerprint,
        "dataset": record.dataset,
        "data_hash": record.data_hash,
        "run_id": run_id,
        "checkpoint_sha256": candidate.sha256,
        "git_commit": lineage.git_commit(),
        "dvc_lock_sha256": file_digest(lock) if lock.is_file() else "",
    }
    return {key: str(value) for key, value in facts.items() if value}


def version_tags(candidate: Candidate, rule: Rule, run_id: str) -> dict[str, str]:
    measured = candidate.evaluation.record.numbers
    names = [f"{rule.metric}@{protocol}" for protocol in rule.protocols]
    numbers = {tag_of(name): f"{measured[name]:.6f}" for name in names if name in measured}
    facts = {f"limber.{key}": value for key, value in lineage_of(candidate, run_id).items()}
    whose = candidate.evaluation.record.boxes_tags
    return facts | numbers | whose | {IDENTITY: candidate.identity}


def consider(
    registry: Registry,
    ledger: Ledger,
    slot: str,
    rule: Rule,
    version: Version,
    candidate: Candidate,
    write_files: WriteFiles = write_model_files,
) -> None:
    """Decides once: again only for another champion, rule or evaluation. A version whose files are
    damaged is registered anew before."""
    champion = registry.aliased(slot, CHAMPION)
    if champion and champion.number == version.number:
        return
    if STEPPED_DOWN in version.tags:
        why = f"was champion before ({version.tags[STEPPED_DOWN]}); not considered again"
        print(f"{candidate.recipe}: version {version.number} of {slot} {why}")
        return
    number = champion.number if champion else "none"
    question = f"{number} {rule.digest()} {candidate.evaluation.record.digest()}"
    if version.tags.get("limber.decided") == question:
        return
    version = whole_version(registry, slot, candidate) or register(
        registry, slot, candidate, rule, write_files
    )
    decision, facts = judge(registry, slot, rule, version, candidate.evaluation, champion)
    action = PROMOTED if decision.promote else ("rejected" if decision.final else "refused")
    print(f"{candidate.recipe}: version {version.number} of {slot} {action}: {decision.reason}")
    if decision.promote:
        crown(registry, ledger, version, PROMOTED, decision.reason, **facts)
    else:
        _write_down(ledger, slot, decision, action, told_version(version) | facts)
    kept = {"decided": question} if decision.final else {}
    registry.tag(version, decision=action, reason=decision.reason, **kept)


def _write_down(
    ledger: Ledger, slot: str, decision: Decision, action: str, facts: dict[str, Any]
) -> None:
    """Once, also where whoever wrote it was killed before the version's tags said so."""
    seen = [d for d in ledger.decisions if d["slot"] == slot]
    if decision.final:
        told = ledger.tells(slot, action, decision.reason, **facts)
    else:
        told = bool(seen) and seen[-1]["reason"] == decision.reason
    if not told:
        ledger.append(slot, action, decision.reason, **facts)


def judge(
    registry: Registry,
    slot: str,
    rule: Rule,
    version: Version,
    evaluation: EvaluationFolder,
    champion: Version | None,
) -> tuple[Decision, dict[str, Any]]:
    """The decision, and the facts of it that go to the ledger beside the version."""
    with tempfile.TemporaryDirectory() as folder:
        theirs = None
        if champion:
            theirs = champion_evaluation(registry, slot, champion, evaluation.record, Path(folder))
        ours = version_score(version, evaluation, rule, theirs)
        other = interval = None
        if champion and theirs:
            other = version_score(champion, theirs, rule, evaluation)
            interval = gain_interval(evaluation, theirs, ours, other, rule)
    facts = {
        "metric": f"{rule.metric}@{ours.protocol}",
        "value": ours.value,
        "data_hash": ours.data_hash,
        "champion": asdict(other) if other else None,
        "interval": asdict(interval) if interval else None,
        "rule": asdict(rule),
    }
    return decide(ours, other, rule, interval, slot), facts


def champion_evaluation(
    registry: Registry, slot: str, champion: Version, candidate: EvaluationRecord, folder: Path
) -> EvaluationFolder:
    """On the candidate's data and from the boxes that its `det` starts from, where there is such a
    one; else the one it was registered with."""
    own = read_evaluation(registry.files(champion, EVALUATION, folder))
    same_data = own.record.data_hash == candidate.data_hash
    if same_data and own.record.shares("det", candidate):
        return own
    other = champion_elsewhere(slot, champion.number, candidate.data_hash)
    if other is None or (same_data and not other.record.shares("det", candidate)):
        return own
    return other


def gain_interval(
    candidate: EvaluationFolder,
    champion: EvaluationFolder,
    ours: VersionScore,
    theirs: VersionScore,
    rule: Rule,
) -> Interval | None:
    mine, other = ((each.data_hash, each.protocol, each.boxes) for each in (ours, theirs))
    if mine != other:
        return None
    return paired_interval(
        candidate.matches(ours.protocol),
        champion.matches(theirs.protocol),
        **asdict(rule.bootstrap),
    )


def version_score(
    version: Version, evaluation: EvaluationFolder, rule: Rule, other: EvaluationFolder | None
) -> VersionScore:
    """Under the first of the rule's protocols that both sides have."""
    record, beside = evaluation.record, other.record if other else None
    protocol = record.shared_protocol(rule.metric, rule.protocols, beside)
    return VersionScore(
        version=version.number,
        recipe=version.tags.get("limber.recipe", ""),
        dataset=record.dataset,
        data_hash=record.data_hash,
        protocol=protocol,
        value=record.value(rule.metric, protocol),
        boxes="" if record.shares(protocol, beside or record) else told_boxes(record),
    )


def told_boxes(record: EvaluationRecord) -> str:
    """Whose boxes its `det` starts from, and which."""
    boxes = record.boxes_from
    return "an earlier file" if boxes is None else f"{boxes.name} ({boxes.boxes_sha256:.12})"
