"""A wish to train anew where a node has what it trained before."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cluster.by_store import begin_anew, forget_ray_notes, ray_storage
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


def test_a_training_that_is_through_does_not_fail_by_rays_notes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    forget_ray_notes("s3://", "run")
    assert "notes of Ray stay" in capsys.readouterr().out


def test_ray_notes_lie_where_all_nodes_see_them(tmp_path: Path) -> None:
    job = drawn.small_job(tmp_path, (tmp_path, tmp_path), drawn.small_recipe())
    assert ray_storage(None, job) == str(job.run_folder / "ray")
    assert ray_storage("s3://bucket/prefix", job) == "s3://bucket/prefix/ray"
