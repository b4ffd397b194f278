"""What a training reads, by a store to a node that shares nothing with the checkout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.depot.inputs import bring, publish
from pipelines.store.folder_store import FolderStore
from pipelines.store.node_cache import NodeCache
from pipelines.training.job import Job, SilentListener
from pipelines.training.loop import train_loop
from pipelines.training.rank import Rank
from tests.worlds import drawn

SHARD = 200_000  # bytes: a few shards of the drawn images


@pytest.mark.contract
def test_a_training_of_brought_data_is_that_of_the_checkout(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    job = drawn.small_job(tmp_path / "run", drawn.draw(home), drawn.small_recipe())
    here = train_loop(job, Rank(), SilentListener())
    store = FolderStore(tmp_path / "store")
    publish(store, job, SHARD)
    assert len([name for name in store.names("inputs/images/") if name.endswith(".tar")]) > 2
    home.rename(tmp_path / "away")
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path / "node"))
    nowhere = tmp_path / "nowhere"
    told = replace(job, prepared=nowhere, raw=nowhere, run_folder=tmp_path / "node_run")
    cache = NodeCache(tmp_path / "cache", 1e9)
    there = train_loop(bring(store, told, cache), Rank(), SilentListener())
    cache.release()
    assert rows_of(there.history) == rows_of(here.history)


def rows_of(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Without what the machine decides."""
    machine = ("second", "share")
    return [{k: v for k, v in row.items() if not any(m in k for m in machine)} for row in history]


def test_what_was_never_sent_is_refused_with_the_command_that_sends_it(tmp_path: Path) -> None:
    job: Job = drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe())
    with pytest.raises(ValueError, match="not in the store; run `make repro RECIPE=small`"):
        bring(FolderStore(tmp_path / "store"), job, NodeCache(tmp_path / "cache", 1e9))
