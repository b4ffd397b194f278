"""MLflow runs: opened for a training, found again, added to later."""

from __future__ import annotations

import shutil
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.host import lineage, places
from pipelines.tracking.delivery import ARCHITECTURE, DATASET, RUN_KEY, TrackedRun, living_run
from pipelines.tracking.outbox import (
    BACK_OFF_SECONDS,
    POSITION_SUFFIX,
    NoPostman,
    Outbox,
    Postman,
    first_line,
)
from pipelines.tracking.run_log import Address, RunLog, finite_only, flatten, metric_name
from pipelines.tracking.sealed import read_position
from pipelines.tracking.server import (
    be_impatient,
    experiment_id,
    mlflow_client,
    told_address,
    tracking_settings,
    tracking_uri,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

OUTBOX_NAME = "outbox.jsonl"
ATTACHED = "attached"  # in a run folder: copies of what was attached to its run


def open_run(
    name: str,
    fingerprint: str,
    folder: Path,
    *,
    params: dict[str, object],
    tags: dict[str, str],
    run_id: str | None = None,
    uri: str | None = None,
    experiment: str | None = None,
    back_off: float = BACK_OFF_SECONDS,
    later: bool = False,
    address: Address | None = None,
) -> RunLog:
    """The run of this recipe and data (its `fingerprint`), new or gone on with.

    folder: where the outbox lies; a second open there continues it. params: the recipe, nested;
    tags: plain names (`data_hash`, `dataset`, `recipe_digest`, `world_size`...), kept as
    `limber.<name>`; commit, versions and host are added here. run_id: of the checkpoint that is
    resumed, wins over the search by fingerprint. uri: see `tracking_uri`. later: nothing is sent
    from here, `deliver_outbox` does it where the outbox is brought to. address: see `RunLog`. Does
    not wait for the server. Raises ValueError for a uri that MLflow cannot use.
    """
    outbox = Outbox(folder / OUTBOX_NAME)
    before, where = outbox.header, tracking_uri(uri)
    outbox.append(
        "open",
        name=name,
        fingerprint=fingerprint,
        params=flatten(params),
        tags=_all_tags(params, tags),
        run_id=run_id or (None if before else outbox.run_sent_to()),
        uri=None if later else told_address(where),
        experiment=experiment or tracking_settings().get("experiment") or "limber",
        id=before["id"] if before else uuid.uuid4().hex,
    )
    be_impatient()
    postman = NoPostman() if later else Postman(outbox, TrackedRun(outbox, where).connect, back_off)
    return RunLog(outbox, postman, address).start()


def deliver_outbox(path: Path) -> str | None:
    """Sends what an outbox that was brought here has still to tell: its run's id.

    None, and a line, where the tracker takes nothing now. Raises ValueError for no outbox.
    """
    outbox = Outbox(path)
    try:
        address, position = outbox.sent()
        if position == path.stat().st_size:
            return address.rpartition(" ")[2]
        be_impatient()
        postman = Postman(outbox, TrackedRun(outbox).connect)
        postman.deliver_all()
        return postman.run_id
    except ValueError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a tracker raises, the work is done
        later = f"later: python -m pipelines.tracking {path}"
        print(f"tracking: not told ({first_line(error)}); {later}", file=sys.stderr)
        return None
    finally:
        outbox.release()


def find_run(client: MlflowClient, run_id: str | None, fingerprint: str, name: str) -> str:
    """Id of a training's run on this server; a bare one is made where the server has none."""
    settings = tracking_settings()
    where = experiment_id(client, settings.get("experiment") or "limber", tracking_uri())
    runs = client.search_runs([where], f"tags.`{RUN_KEY}` = '{fingerprint}'", max_results=1)
    if run_id and living_run(client, run_id):
        return run_id
    if runs:
        return str(runs[0].info.run_id)
    run = client.create_run(where, run_name=name, tags={RUN_KEY: fingerprint})
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def outbox_of_run(run_id: str) -> Path | None:
    """The outbox here that was sent to that run."""
    for outbox in sorted(places.runs().glob(f"*/{OUTBOX_NAME}")):
        if run_of_outbox(outbox) == run_id:
            return outbox
    return None


def run_of_outbox(outbox: Path) -> str:
    """The run that it was sent to; "" where it never was, or nobody knows."""
    address, _ = read_position(outbox.with_suffix(POSITION_SUFFIX), outbox)
    return address.rpartition(" ")[2]


def attach_folder(
    run_id: str | None,
    fingerprint: str,
    name: str,
    folder: Path,
    numbers: dict[str, float],
    without: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
) -> bool:
    """A folder, some numbers and tags to a training's run, later than the training itself.

    without: patterns of names that stay here. By the training's outbox, where it is: then a server
    that is away gets it later; not by that of a later training of the same fingerprint, while the
    run's own was set aside. Says so and goes on where none answers; whether it was sent.
    """
    be_impatient()
    outbox = places.run(name, fingerprint) / OUTBOX_NAME
    with tempfile.TemporaryDirectory() as part:
        elsewhere = outbox_of_run(run_id) not in (None, outbox) if run_id else False
        lasting = outbox.is_file() and not elsewhere
        kept = (outbox.parent / ATTACHED if lasting else Path(part)) / folder.name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept, ignore=shutil.ignore_patterns(*without))
        try:
            if lasting:
                _attach_by_outbox(outbox, kept, numbers, tags or {})
            else:
                _attach_now(run_id, fingerprint, name, kept, numbers, tags or {})
        except ValueError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a tracker raises, the work is done
            later = f"; later: python -m pipelines.tracking {outbox}" if lasting else ""
            fault = f"is not attached to the run ({first_line(error)}){later}"
            print(f"tracking: {folder} {fault}", file=sys.stderr)
            return False
    return True


def _attach_by_outbox(
    path: Path, folder: Path, numbers: dict[str, float], tags: Mapping[str, str]
) -> None:
    outbox = Outbox(path)
    try:
        outbox.append("folder", path=outbox.path_told(folder), folder=folder.name)
        if numbers:
            outbox.append("numbers", metrics=finite_only(numbers))
        if tags:
            outbox.append("tags", tags=dict(tags))
        Postman(outbox, TrackedRun(outbox).connect).deliver_all()
    finally:
        outbox.release()


def _attach_now(
    run_id: str | None,
    fingerprint: str,
    name: str,
    folder: Path,
    numbers: dict[str, float],
    tags: Mapping[str, str],
) -> None:
    client = mlflow_client()
    run = find_run(client, run_id, fingerprint, name)
    client.log_artifacts(run, str(folder), folder.name)
    for metric, number in finite_only(numbers).items():
        client.log_metric(run, metric_name(metric), number)
    for key, value in tags.items():
        client.set_tag(run, key, value)


def _all_tags(params: dict[str, object], tags: dict[str, str]) -> dict[str, str]:
    told = {f"limber.{key}": str(value) for key, value in tags.items()}
    return {**_first_tags(params, tags), **told, **_own_tags()}


def _first_tags(params: dict[str, object], tags: dict[str, str]) -> dict[str, str]:
    """What a person reads first; the best epoch comes when the training ends."""
    built = params.get("architecture")
    kind = f"{built.get('name')} {built.get('variant')}" if isinstance(built, dict) else ""
    both = {ARCHITECTURE: kind, DATASET: tags.get("dataset", "")}
    return {key: value for key, value in both.items() if value}


def _own_tags() -> dict[str, str]:
    commit = lineage.git_commit()
    tags = {"mlflow.source.git.commit": commit.removesuffix("-dirty"), "limber.git_commit": commit}
    return {
        **{key: value for key, value in tags.items() if value},
        **{f"limber.{key}": value for key, value in lineage.host().items()},
        **{f"limber.version.{key}": value for key, value in lineage.versions().items()},
    }
