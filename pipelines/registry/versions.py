"""The model registry: versions, their aliases, tags and files, by tracking's client alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.evaluation.record import Identity
from pipelines.host import places
from pipelines.prediction.version_files import read_weights
from pipelines.tracking.database import refuse_damaged
from pipelines.tracking.descriptions import (
    DECISION,
    describe_model,
    first_tags,
    picture_links,
    version_text,
)
from pipelines.tracking.models import download_version_files, has_model
from pipelines.tracking.registered_versions import bring_version
from pipelines.tracking.server import mlflow_client, tracking_uri, use_server
from pipelines.tracking.version_digests import FILES_TAG, no_digests

CHAMPION, CANDIDATE, PREVIOUS = "champion", "candidate", "previous"
IDENTITY = "limber.identity"
MADE_FROM = ("run_id", "git_commit", "recipe_digest", "dataset", "dvc_lock_sha256")
EVALUATION = "artifacts/evaluation"


@dataclass(frozen=True)
class Version:
    """One version of a registered model; `number` is MLflow's, `tags` its lineage."""

    slot: str
    number: str
    run_id: str | None
    source: str
    tags: dict[str, str]


def told_version(version: Version) -> dict[str, str]:
    """What the ledger says of a version: its number may come again, its identity never; and what
    it was made from, for where no MLflow tells it any more."""
    recipe, identity = (version.tags.get(key, "") for key in ("limber.recipe", IDENTITY))
    made = {key: version.tags.get(f"limber.{key}", "") for key in MADE_FROM}
    made["run_id"] = version.run_id or made["run_id"]
    known = {key: value for key, value in made.items() if value}
    return {"version": version.number, "recipe": recipe, "identity": identity, **known}


class Registry:
    """Raises ValueError, here and only here, where no server answers."""

    def __init__(self, uri: str | None = None) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        self.uri = tracking_uri(uri)
        self.client = mlflow_client(self.uri)
        use_server(self.uri)
        try:
            self.client.search_registered_models(max_results=1)
        except Exception as error:
            refuse_damaged(self.uri, error)
            raise refusal(
                self.uri,
                fault=f"no MLflow server answers there ({error})",
                do="start it or change tracking.uri in params.yaml, then run "
                "`python -m pipelines.promote`",
            ) from error

    def aliases(self, slot: str) -> dict[str, str]:
        """Version number by alias; empty where nothing is registered."""
        if not self.client.search_registered_models(f"name = '{slot}'"):
            return {}
        aliases = self.client.get_registered_model(slot).aliases
        return {alias: str(number) for alias, number in aliases.items()}

    def version(self, slot: str, number: str) -> Version:
        kept = self.client.get_model_version(slot, number)
        return Version(slot, str(kept.version), kept.run_id, str(kept.source), dict(kept.tags))

    def aliased(self, slot: str, alias: str) -> Version | None:
        number = self.aliases(slot).get(alias)
        return self.version(slot, number) if number else None

    def versions(self, slot: str) -> list[Version]:
        """All of a slot, newest first."""
        kept = self.client.search_model_versions(f"name = '{slot}'")
        numbers = sorted((int(each.version) for each in kept), reverse=True)
        return [self.version(slot, str(number)) for number in numbers]

    def find(self, slot: str, identity: str) -> Version | None:
        """The version that was made from exactly this training's checkpoint."""
        for each in self.client.search_model_versions(f"name = '{slot}'"):
            if each.tags.get(IDENTITY) == identity:
                return self.version(slot, str(each.version))
        return None

    def stored(self, identity: str) -> Iterator[Version]:
        """Any slot's versions of that checkpoint whose model and run are not deleted."""
        for each in self.client.search_model_versions(f"tags.`{IDENTITY}` = '{identity}'"):
            if has_model(self.client, each.tags.get("limber.model_id", ""), each.run_id):
                yield self.version(each.name, str(each.version))

    def of_run(self, run_id: str) -> Version | None:
        """The newest version that was made from this run."""
        versions = self.client.search_model_versions(f"run_id = '{run_id}'")
        newest = max(versions, key=lambda v: int(v.creation_timestamp), default=None)
        return self.version(newest.name, str(newest.version)) if newest else None

    def add(
        self, slot: str, source: str, model_id: str | None, run_id: str, tags: dict[str, str]
    ) -> Version:
        """A new version of `slot` with these tags, made from a logged model."""
        if not self.client.search_registered_models(f"name = '{slot}'"):
            self.client.create_registered_model(slot)
            describe_model(self.client, slot)
        text = version_text(tags, picture_links(self.client, run_id))
        made = self.client.create_model_version(
            slot,
            source,
            run_id=run_id,
            tags=first_tags(tags) | tags,
            model_id=model_id,
            description=text,
        )
        return self.version(slot, str(made.version))

    def point(self, slot: str, alias: str, number: str | None) -> None:
        """Moves an alias; None takes it away."""
        if number is None:
            self.client.delete_registered_model_alias(slot, alias)
        else:
            self.client.set_registered_model_alias(slot, alias, number)
        if alias == CHAMPION and number:
            describe_model(self.client, slot, self.version(slot, number).run_id)

    def tag(self, version: Version, **tags: str) -> None:
        for key, value in tags.items():
            self.client.set_model_version_tag(version.slot, version.number, f"limber.{key}", value)
            if key == DECISION:
                self.client.set_model_version_tag(version.slot, version.number, key, value)

    def untag(self, version: Version, key: str) -> None:
        """Takes a tag off, if it is there."""
        if key in version.tags:
            self.client.delete_model_version_tag(version.slot, version.number, key)

    def files(self, version: Version, part: str, folder: Path) -> Path:
        """Some of a version's files, brought to `folder`. Raises ValueError where they are gone, or
        not those that were registered."""
        return download_version_files(self.uri, version.slot, version.number, part, folder)

    def damage(self, version: Version) -> str:
        """Why a version must not be crowned: its files are not those that were registered, or no
        tag tells which were; "" where all is well."""
        if FILES_TAG not in version.tags:
            return str(no_digests(f"version {version.number} of {version.slot} at {self.uri}"))
        with tempfile.TemporaryDirectory() as folder:
            try:
                self.files(version, "", Path(folder))
            except ValueError as error:
                return str(error)
        return ""

    def retire(self, version: Version, damage: str) -> None:
        """A damaged version is not found again as one of its weights."""
        self.untag(version, IDENTITY)
        self.tag(version, damaged=damage[:500])

    def attach(self, version: Version, folder: Path, part: str) -> None:
        """More files to a version's model, below `part`."""
        self.client.log_model_artifacts(version.tags["limber.model_id"], str(folder), part)


def champion_checkpoint(slot: str) -> tuple[Path, Identity]:
    """The champion's weights as a file like best.pt, and which version that is.

    Written anew from files that are those that the version was registered with: what was brought of
    them once is brought again where it differs. Raises ValueError where the slot has no champion,
    and where its files are not those any more.
    """
    registry = Registry()
    champion = registry.aliased(slot, CHAMPION)
    if champion is None:
        promote = "run `python -m pipelines.promote` first"
        raise refusal(f"slot {slot}", fault="no champion yet", do=promote)
    brought = bring_version(f"{slot}:{champion.number}")
    assert brought is not None, slot
    path = places.champion_weights(slot, champion.number, brought.mark)
    path.parent.mkdir(parents=True, exist_ok=True)
    read_weights(brought.folder).write(path)
    recipe = champion.tags.get("limber.recipe", "")
    return path, Identity(recipe, champion.run_id, slot, champion.number)
