"""The model registry: versions, their aliases, tags and files, by tracking's client alone."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.host import places
from pipelines.tracking.models import download_version_files
from pipelines.tracking.server import mlflow_client, tracking_uri

CHAMPION, CANDIDATE, PREVIOUS = "champion", "candidate", "previous"
IDENTITY = "limber.identity"
EVALUATION = "artifacts/evaluation"


@dataclass(frozen=True)
class Version:
    """One version of a registered model; `number` is MLflow's, `tags` its lineage."""

    slot: str
    number: str
    run_id: str | None
    source: str
    tags: dict[str, str]


class Registry:
    """Raises ValueError, here and only here, where no server answers."""

    def __init__(self, uri: str | None = None) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        self.uri = tracking_uri(uri)
        self.client = mlflow_client(self.uri)
        try:
            self.client.search_registered_models(max_results=1)
        except Exception as error:
            raise ValueError(
                f"{self.uri}: no MLflow server answers there ({error}); start it or change "
                "tracking.uri in params.yaml, then run `python -m pipelines.promote`"
            ) from error

    def aliases(self, slot: str) -> dict[str, str]:
        """Version number by alias; empty where nothing is registered."""
        found = self.client.search_registered_models(f"name = '{slot}'")
        if not found:
            return {}
        aliases = self.client.get_registered_model(slot).aliases
        return {alias: str(number) for alias, number in aliases.items()}

    def version(self, slot: str, number: str) -> Version:
        found = self.client.get_model_version(slot, number)
        return Version(slot, str(found.version), found.run_id, str(found.source), dict(found.tags))

    def behind(self, slot: str, alias: str) -> Version | None:
        number = self.aliases(slot).get(alias)
        return self.version(slot, number) if number else None

    def find(self, slot: str, identity: str) -> Version | None:
        """The version that was made from exactly this training's checkpoint."""
        for found in self.client.search_model_versions(f"name = '{slot}'"):
            if found.tags.get(IDENTITY) == identity:
                return self.version(slot, str(found.version))
        return None

    def model_of(self, identity: str) -> Version | None:
        """Any slot's version of that checkpoint: its files are stored once."""
        found = self.client.search_model_versions(f"tags.`{IDENTITY}` = '{identity}'")
        return self.version(found[0].name, str(found[0].version)) if found else None

    def of_run(self, run_id: str) -> Version | None:
        """The newest version that was made from this run."""
        found = self.client.search_model_versions(f"run_id = '{run_id}'")
        newest = max(found, key=lambda v: int(v.creation_timestamp), default=None)
        return self.version(newest.name, str(newest.version)) if newest else None

    def add(
        self, slot: str, source: str, model_id: str | None, run_id: str, tags: dict[str, str]
    ) -> Version:
        """A new version of `slot` with these tags, made from a logged model."""
        if not self.client.search_registered_models(f"name = '{slot}'"):
            self.client.create_registered_model(slot, description="see mlflow/README.md")
        made = self.client.create_model_version(
            slot, source, run_id=run_id, tags=tags, model_id=model_id
        )
        return self.version(slot, str(made.version))

    def point(self, slot: str, alias: str, number: str | None) -> None:
        """Moves an alias; None takes it away."""
        if number is None:
            self.client.delete_registered_model_alias(slot, alias)
        else:
            self.client.set_registered_model_alias(slot, alias, number)

    def tag(self, version: Version, **tags: str) -> None:
        for key, value in tags.items():
            self.client.set_model_version_tag(version.slot, version.number, f"limber.{key}", value)

    def files(self, version: Version, part: str, folder: Path) -> Path:
        """Some of a version's files, brought to `folder`."""
        return download_version_files(self.uri, version.slot, version.number, part, folder)

    def attach(self, version: Version, folder: Path, part: str) -> None:
        """More files to a version's model, below `part`."""
        self.client.log_model_artifacts(version.tags["limber.model_id"], str(folder), part)


def champion_checkpoint(slot: str) -> tuple[Path, dict[str, Any]]:
    """The champion's weights as a checkpoint like best.pt, and which version that is.

    Raises ValueError where the slot has no champion.
    """
    registry = Registry()
    champion = registry.behind(slot, CHAMPION)
    if champion is None:
        raise ValueError(f"slot {slot}: no champion yet; run `python -m pipelines.promote` first")
    path = places.home() / "runs" / "champions" / slot / f"version-{champion.number}.pt"
    if not path.is_file():
        _write_checkpoint(registry, champion, path)
    recipe = champion.tags.get("limber.recipe", "")
    return path, {"version": champion.number, "recipe": recipe, "run_id": champion.run_id}


def _write_checkpoint(registry: Registry, version: Version, path: Path) -> None:
    from safetensors.torch import load_file

    from pipelines.host.folders import save_tensors

    with tempfile.TemporaryDirectory() as folder:
        files = registry.files(version, "artifacts", Path(folder))
        card = json.loads((files / "card.json").read_text())
        state = {key: card[key] for key in ("recipe", "epoch", "fingerprint", "data_hash")}
        state["model"] = load_file(files / "model.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(path, state)
