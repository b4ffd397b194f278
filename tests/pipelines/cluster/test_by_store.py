"""A wish to train anew where a node has what it trained before."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipelines.cluster.by_store import begin_anew, train_for_all
from pipelines.host.progress import Clock
from pipelines.training.attempt import Outcome
from pipelines.training.job import Job
from tests.worlds import drawn


def test_a_wish_to_train_anew_is_kept_once_per_node(tmp_path: Path) -> None:
    """What a restart of the same wish has trained goes on; what was there before does not."""
    run = tmp_path / "runs" / "demo-0123"
    run.mkdir(parents=True)
    (run / "checkpoint").write_text("old")
    begin_anew(run, "")
    assert (run / "checkpoint").is_file()
    begin_anew(run, "first")
    assert not (run / "checkpoint").exists()
    (run / "checkpoint").write_text("new")
    begin_anew(run, "first")
    begin_anew(run, "")
    assert (run / "checkpoint").read_text() == "new"
    begin_anew(run, "second")
    kept = list(run.parent.glob("demo-0123.*/checkpoint"))
    assert sorted(path.read_text() for path in kept) == ["new", "old"]
    assert not (run / "checkpoint").exists()


def test_a_store_that_a_node_cannot_read_is_told_with_the_node(tmp_path: Path) -> None:
    """The checkout could: `nothing is there` would send its user to the wrong machine."""
    job = drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe())
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    def train(_: Job) -> Outcome:
        raise AssertionError

    with pytest.raises(ValueError, match=rf"node {socket.gethostname()}: .*cannot be read"):
        train_for_all(str(tmp_path / "loop"), job, train, Clock())
