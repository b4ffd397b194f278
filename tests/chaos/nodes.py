"""A training's nodes die again and again, each time with all that was not yet in the store."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pipelines.depot.mirror import Mirror, Pace
from pipelines.store.folder_store import FolderStore
from pipelines.training.checkpoint import (
    best_manifests,
    checkpoint_folder,
    read_manifests,
    why_unusable,
    write_checkpoint,
)
from tests.chaos.fault import Fault, Outcome

KEY, EPOCHS, DEATHS = "small-0123456789ab", 14, 4
PACE = Pace(look_s=0.005, quiet_s=0.0, patience_s=60.0)


class DyingStore(FolderStore):
    """Its node dies with the write of that number, before or after it was done."""

    def __init__(self, folder: Path, writes: int, done: bool) -> None:
        super().__init__(folder)
        self._left, self._done = writes, done

    def put(self, path: Path, name: str) -> None:
        with self._dying():
            super().put(path, name)

    def write(self, name: str, content: bytes) -> None:
        with self._dying():
            super().write(name, content)

    def remove(self, name: str) -> None:
        with self._dying():
            super().remove(name)

    @contextmanager
    def _dying(self) -> Iterator[None]:
        """Around a write; SystemExit ends the mirror's thread: nothing goes up any more."""
        self._left -= 1
        if self._left <= 0 and not self._done:
            raise SystemExit
        yield
        if self._left <= 0:
            raise SystemExit


def node_dies(draw: random.Random, folder: Path) -> Outcome:
    """Each attempt begins with an empty run folder; the last one trains to the end."""
    ratings = [draw.choice((0.1, 0.2, 0.3, 0.4, draw.random())) for _ in range(EPOCHS)]
    keep = draw.randint(1, 3)
    for death in range(draw.randint(1, DEATHS)):
        run = folder / f"node-{death}"
        store = DyingStore(folder / "store", draw.randint(1, 25), draw.random() < 0.5)
        if mirror := attempt(store, run, ratings, keep, draw):
            mirror.leave(0.0)
    run = folder / "last"
    mirror = attempt(FolderStore(folder / "store"), run, ratings, keep, draw)
    assert mirror is not None
    mirror.close()
    manifests = read_manifests(run)
    assert [each.epoch for each in manifests][-1] == EPOCHS
    best = best_manifests(manifests, 1)[0]
    assert best.epoch == ratings.index(max(ratings)) + 1, f"best {best.epoch} of {ratings}"
    assert not why_unusable(checkpoint_folder(run) / best.file, best, "f", "c")
    return "recovered"


def attempt(
    store: FolderStore, run: Path, ratings: list[float], keep: int, draw: random.Random
) -> Mirror | None:
    """Trains from where the store is on, until its node dies or the end; None: it died at once."""
    run.mkdir()
    mirror = Mirror(store, KEY, run, PACE)
    try:
        mirror.begin()
    except SystemExit:
        return None
    mirror.start()
    kept = read_manifests(run)
    for epoch in range(kept[-1].epoch + 1 if kept else 1, EPOCHS + 1):
        state = {"weights": torch.full((9,), float(epoch)), "epoch": epoch}
        told = {"fingerprint": "f", "code": "c", "metric": ratings[epoch - 1]}
        write_checkpoint(run, state, epoch=epoch, step=epoch, keep_best=keep, **told)  # type: ignore[arg-type]
        time.sleep(draw.choice((0.0, 0.0, 0.01)))
        if mirror.trouble:  # its thread died
            break
    return mirror


FAULTS = [
    Fault(
        "node-dies",
        "the node that trains dies with all that is not in the store, at any write there, again "
        "and again",
        "the training goes on from the store; the best epoch's weights are there in the end",
        node_dies,
        trials=300,
        draw=8,
    ),
]
