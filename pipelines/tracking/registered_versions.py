"""Versions of registered models as folders here: what a network of theirs is read with."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.ground.refusal import masked, refusal
from pipelines.host import places
from pipelines.host.folders import whole_folder
from pipelines.tracking.database import database_file, refuse_damaged
from pipelines.tracking.models import download_version_files
from pipelines.tracking.outbox import first_line
from pipelines.tracking.server import mlflow_client, tracking_uri, use_server
from pipelines.tracking.version_digests import check_files

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION = "champion"
BROUGHT = (places.CARD, places.MODEL_WEIGHTS, places.MODEL_CODE)
NAMED = re.compile(r"(?:models:/)?(?P<slot>[^/@:]+)(?:@(?P<alias>[^/@:]+)|[:/](?P<number>\d+))?")


@dataclass(frozen=True)
class Brought:
    """A version's files in `folder`: card.json, model.safetensors, code; mark: of where they are
    from."""

    slot: str
    number: str
    folder: Path
    mark: str


def registered_names() -> list[str]:
    """Names of registered models; none where no database is, which is not made here.

    Raises ValueError where no server answers.
    """
    uri = tracking_uri()
    database = database_file(uri)
    if database is not None and not database.is_file():
        return []
    found = _asked(uri).search_registered_models()
    return sorted(str(each.name) for each in found)


def bring_version(given: str) -> Brought | None:
    """A version's files, kept by slot, number and origin: a second call brings nothing. None where
    `given` is the name of no registered model.

    given: SLOT (its champion), SLOT@ALIAS, SLOT:NUMBER, also as MLflow writes them (models:/SLOT/3,
    models:/SLOT@ALIAS). Raises ValueError for a version or alias that is not there, and where no
    server answers.
    """
    told = NAMED.fullmatch(given)
    if told is None or told["slot"] not in registered_names():
        return None
    uri, slot = tracking_uri(), told["slot"]
    version = _version(_asked(uri), slot, told["alias"] or CHAMPION, told["number"])
    number, origin = str(version.version), f"{uri} {version.source} {version.creation_timestamp}"
    mark = hashlib.sha256(origin.encode()).hexdigest()[:12]  # another server has a version 1 too
    folder = places.version_files(slot, number, mark)
    if not _is_whole(folder, dict(version.tags), f"version {number} of {slot}"):
        with whole_folder(folder) as part:
            for file in BROUGHT:
                _bring(uri, slot, number, file, part)
    return Brought(slot, number, folder, mark)


def _is_whole(folder: Path, tags: Mapping[str, str], name: str) -> bool:
    """Whether what was brought once is here, and still what was registered."""
    if not folder.is_dir():
        return False
    try:
        for file in BROUGHT:
            check_files(tags, name, folder / file, f"artifacts/{file}")
    except ValueError as error:
        print(masked(f"{folder}: brought again ({error})"), file=sys.stderr, flush=True)
        return False
    return True


def _bring(uri: str, slot: str, number: str, file: str, part: Path) -> None:
    got = download_version_files(uri, slot, number, f"artifacts/{file}", part / ".brought")
    shutil.move(got, part / file)
    shutil.rmtree(part / ".brought")


def _asked(uri: str) -> MlflowClient:
    """MLflow's client, after an answer. Raises ValueError where none comes."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    client = mlflow_client(uri)
    use_server(uri)
    try:
        client.search_registered_models(max_results=1)
    except Exception as error:
        refuse_damaged(uri, error)
        do = "start it, or name another by MLFLOW_TRACKING_URI or tracking.uri in params.yaml"
        fault = f"no MLflow server answers there ({first_line(error)})"
        raise refusal(uri, fault=fault, do=do) from error
    return client


def _version(client: MlflowClient, slot: str, alias: str, number: str | None) -> ModelVersion:
    from mlflow.exceptions import MlflowException

    aliases = client.get_registered_model(slot).aliases
    if number is None and alias not in aliases:
        known = ", ".join(f"{slot}@{each}" for each in aliases) or "none of its versions has one"
        raise refusal(f"{slot}@{alias}", fault="no such alias", accepted=f"{known}; {slot}:NUMBER")
    try:
        return client.get_model_version(slot, number or str(aliases[alias]))
    except MlflowException as error:
        kept = client.search_model_versions(f"name = '{slot}'")
        numbers = sorted(int(each.version) for each in kept)
        known = ", ".join(f"{slot}:{each}" for each in numbers[-10:]) or "none"
        raise refusal(f"{slot}:{number}", fault="no such version", accepted=known) from error
