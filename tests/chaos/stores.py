"""An S3 server that fails, breaks off and damages; two machines on one prefix of a store."""

from __future__ import annotations

import logging
import os
import random
import time
from functools import cache
from pathlib import Path

from pipelines.depot.checkpoints import checkpoint_name, stored_manifests
from pipelines.depot.mirror import Mirror, Pace
from pipelines.store.folder_store import FolderStore
from pipelines.store.opening import open_store
from pipelines.store.store import Store
from pipelines.training.checkpoint import (
    Manifest,
    checkpoint_folder,
    read_manifests,
    why_unusable,
)
from tests.chaos.fault import Fault, Outcome, struck
from tests.worlds.fault_proxy import FaultProxy, fault_proxy
from tests.worlds.s3_servers import BUCKET, moto_server, plain_client, variables
from tests.worlds.uploading import save
from tests.worlds.waiting import wait_for

KEY = "small-0123456789ab"
PACE = Pace(look_s=0.02, quiet_s=0.0, back_off_s=0.05, longest_s=0.2, patience_s=120.0)
FAILS = ("InternalError", "SlowDown", "reset")
SHARE = 0.2  # of requests that fail
TIMES = 20  # requests that fail after an upload was given up, before S3 is back
CHECKPOINTS = 6


@cache
def moto() -> str:
    """Address of the one server of this process; it ends with it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    return next(_SERVER)


_SERVER = moto_server()


def begun(store: Store, folder: Path) -> Mirror:
    folder.mkdir(exist_ok=True)
    mirror = Mirror(store, KEY, folder, PACE)
    mirror.begin()
    mirror.start()
    return mirror


def s3_fails(draw: random.Random, folder: Path) -> Outcome:
    """Checkpoints go up while requests fail, some or all for a while, and come down whole."""
    behind, prefix = moto(), f"{draw.getrandbits(64):x}"
    with fault_proxy(behind) as proxy:
        for name in [each for each in os.environ if each.startswith(("AWS_", "MLFLOW_S3_"))]:
            del os.environ[name]
        os.environ |= variables(proxy.address) | {"AWS_MAX_ATTEMPTS": "2"}
        if not plain_client(behind).list_buckets()["Buckets"]:
            plain_client(behind).create_bucket(Bucket=BUCKET)
        store = open_store(f"s3://{BUCKET}/{prefix}")
        mirror = begun(store, folder / "run")
        how = draw.choice(("some", "all for a while", "away"))
        struck(how)
        if how == "some":
            fails(proxy, draw, SHARE)
        begins, ends = sorted(draw.sample(range(1, CHECKPOINTS + 1), 2))
        for step in range(1, CHECKPOINTS + 1):
            if how != "some" and step in (begins, ends):
                proxy.add(draw.choice(FAILS))
            save(folder / "run", step)
            if how == "away" and step == begins:
                outlasts_retries(proxy, mirror)
            time.sleep(draw.uniform(0, 0.3))
            if how == "all for a while" or (how == "away" and step == ends):
                proxy.clear()
        mirror.close()
        proxy.clear()
        fails(proxy, draw, SHARE / 2)
        proxy.add("damage", method="GET", holds="step_", share=SHARE, draw=draw)
        kept = comes_whole(store, folder)
        proxy.clear()
        assert stored_manifests(store, KEY)[-1] == kept
    return "recovered"


def outlasts_retries(proxy: FaultProxy, mirror: Mirror) -> None:
    """Until an upload has failed with all its retries, and many after it."""
    wait_for(lambda: mirror.trouble, "the mirror says that the store is away")
    seen = len(proxy.seen)
    wait_for(lambda: len(proxy.seen) > seen + TIMES, "the mirror goes on trying")
    assert mirror.trouble and not mirror.is_lost


def fails(proxy: FaultProxy, draw: random.Random, share: float) -> None:
    for each in FAILS:
        proxy.add(each, share=share / len(FAILS), draw=draw)


def comes_whole(store: Store, folder: Path) -> Manifest:
    """What comes of the store elsewhere can be used; the newest that was kept."""
    kept = read_manifests(folder / "run")
    mirror = begun(store, folder / "elsewhere")
    brought = read_manifests(folder / "elsewhere")
    assert {each.step for each in brought} <= {each.step for each in kept}
    for each in brought:
        path = checkpoint_folder(folder / "elsewhere") / each.file
        assert why_unusable(path, each, "f", "c") == "", each
    mirror.leave(PACE.patience_s)
    return kept[-1]


def two_machines(draw: random.Random, folder: Path) -> Outcome:
    """A second attempt on one prefix while the first one writes: one of them goes on, and what is
    in the store is its."""
    store = FolderStore(folder / "store")
    first = begun(store, folder / "first")
    taken = draw.randrange(1, CHECKPOINTS)
    for step in range(1, taken + 1):
        save(folder / "first", step)
        time.sleep(draw.uniform(0, 0.05))
    second = begun(store, folder / "run")
    for step in range(taken, CHECKPOINTS + 1):
        for each in draw.sample(("first", "run"), 2):
            save(folder / each, step)
            time.sleep(draw.uniform(0, 0.03))
    save(folder / "first", CHECKPOINTS + 1)
    wait_for(lambda: first.is_lost, "the first one hears that it was taken over")
    try:
        first.check()
    except ValueError as error:
        assert "another attempt at this training has taken over" in str(error)
    else:
        raise AssertionError("the first one does not know")
    second.close()
    first.leave(0.0)
    assert not second.is_lost
    kept = read_manifests(folder / "run")
    stored = stored_manifests(store, KEY)
    assert stored == kept, (stored, kept)
    for each in stored:
        path = Path(store.address) / checkpoint_name(KEY, each)
        assert why_unusable(path, each, "f", "c") == "", each
    return "recovered"


FAULTS = [
    Fault(
        "s3-fails",
        "S3 fails a fifth of all requests, all for a moment, or all for longer than retries last; "
        "bytes are damaged on their way",
        "training is not held up; all checkpoints are up in the end; nothing damaged is used",
        s3_fails,
        trials=75,
    ),
    Fault(
        "two-machines",
        "two machines train into one prefix of a store",
        "the second one has it, the first one hears of it and ends; what is there is whole",
        two_machines,
        trials=300,
    ),
]
