"""A finished training in the store, and back in the checkout that asked for it.

`runs/KEY/results/` is what the train stage leaves, with a manifest; `runs/KEY/finished.json`, which
comes last, says that all is there.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace

from pipelines.depot.checkpoints import bring_best
from pipelines.depot.key import run_key, run_prefix
from pipelines.depot.run_files import bring_others, bring_outbox
from pipelines.host import places
from pipelines.host.folders import whole_folder
from pipelines.host.processes import run_lock
from pipelines.host.progress import Clock
from pipelines.store.parcels import MANIFEST, bring, send
from pipelines.store.store import Store
from pipelines.tracking.runs import OUTBOX_NAME, deliver_outbox
from pipelines.training.finished import (
    FINISHED,
    Finished,
    finished_alike,
    finished_of,
    set_aside,
)
from pipelines.training.job import Job, TrainingSummary
from pipelines.training.record import TrainingRecord
from pipelines.training.results import write_results

RESULTS = "results"


def leave_results(
    store: Store, key: str, job: Job, summary: TrainingSummary, clock: Clock | None = None
) -> Finished:
    """On the driver's node, after training: results/RECIPE/trained is written and goes up.

    The best checkpoint is brought where this node was not rank 0's. Raises ValueError where that,
    or the store, fails.
    """
    bring_best(store, key, job.run_folder)
    folder = write_results(job, summary, clock or Clock())
    done = Finished(time.time(), job.code, summary)
    parcel = f"{run_prefix(key)}{RESULTS}"
    store.remove(f"{run_prefix(key)}{FINISHED}")
    store.remove(f"{parcel}/{MANIFEST}")  # of an attempt that died here
    send(store, parcel, {path.name: path for path in sorted(folder.iterdir())})
    store.write(f"{run_prefix(key)}{FINISHED}", json.dumps(asdict(done)).encode())
    done.write(job.run_folder)
    for name in store.names(f"{run_prefix(key)}failed-"):
        store.remove(name)
    return done


def stored_finish(store: Store, key: str) -> Finished | None:
    """How the training ended whose results are in the store; None where it is not finished."""
    content = store.read(f"{run_prefix(key)}{FINISHED}")
    return finished_of(content.decode()) if content else None


def bring_results(store: Store, job: Job) -> Finished | None:
    """In the checkout: results/RECIPE/trained, and of the run folder what later stages use.

    Where the ranks told no server, this checkout's tracker is told now. None where the training is
    not finished, or by other code. Raises ValueError where the store fails, or one trains here.
    """
    key = run_key(job)
    done = stored_finish(store, key)
    if done is None or done.code != job.code:
        return None
    if not finished_alike(job):
        set_aside(job.run_folder, job.code)
    told = bring_told(store, job)
    with run_lock(job.run_folder):
        run_id = done.summary.run_id or told
        done = replace(done, summary=replace(done.summary, run_id=run_id))
        with whole_folder(places.trained(job.name)) as part:
            bring(store, f"{run_prefix(key)}{RESULTS}", part)
            record = TrainingRecord.read(part)
            if record.run_id != run_id:
                replace(record, run_id=run_id).write(part)
        done.write(job.run_folder)
    return done


def bring_told(store: Store, job: Job) -> str | None:
    """In the checkout: what the training told so far, and its pictures; its run in the tracker.

    Of a training that failed as well. The tracker is told what the ranks could not tell. Raises
    ValueError where the store fails, or one trains here.
    """
    with run_lock(job.run_folder):
        bring_outbox(store, run_key(job), job.run_folder)
        bring_others(store, run_key(job), job.run_folder)
        outbox = job.run_folder / OUTBOX_NAME
        return deliver_outbox(outbox) if outbox.is_file() else None


def forget_run(store: Store, key: str) -> None:
    """Before a training that begins anew (`--again`): all that the store has of the old one."""
    prefix = run_prefix(key)
    names = store.names(prefix)
    manifests = [n for n in names if n.endswith(".json") and n != f"{prefix}{FINISHED}"]
    for name in dict.fromkeys([f"{prefix}{FINISHED}", *manifests, *names]):
        store.remove(name)
