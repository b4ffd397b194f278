"""A version tells of the training that made it, not of a later one of the same recipe and data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.registry.ledger import Ledger
from pipelines.report.lineage_tree import print_tree
from pipelines.report.origins import Origin, origin_of
from pipelines.tracking.outbox import Outbox
from pipelines.tracking.runs import OUTBOX_NAME
from pipelines.training.checkpoint import write_checkpoint
from tests.worlds.results import recipe, training_record

SLOT, NAME = "pose-coco", "some"
OLD, NEW, THIRD = "1" * 32, "2" * 32, "3" * 32
RECORD = training_record(NAME, recipe(), "d" * 64)
KEY = RECORD.fingerprint
HERE = places.run(NAME, KEY).name


def train(folder: Path, host: str, run_id: str | None, step: int) -> str:
    """What a training leaves in its run folder; sha256 of its checkpoint."""
    outbox = Outbox(folder / OUTBOX_NAME)
    tags = {"limber.host": host, "limber.recipe": NAME}
    told = {"name": NAME, "fingerprint": KEY, "params": {}, "tags": tags, "id": host}
    outbox.append("open", **told, run_id=None, uri=None, experiment="limber")
    if run_id:
        outbox.keep_position(f"sqlite:///mlflow.db {run_id}", 0)
    outbox.release()
    state = {"step": step}
    made = write_checkpoint(
        folder, state, fingerprint=KEY, epoch=1, step=step, metric=0.5, keep_best=1, code=host * 8
    )
    return made.sha256


def leave_results(weights: bytes, run_id: str | None, hours: float, checkpoint: str) -> str:
    """results/some/trained; sha256 of best.pt."""
    record = replace(RECORD, run_id=run_id, hours=hours, checkpoint_sha256=checkpoint)
    places.trained(NAME).mkdir(parents=True, exist_ok=True)
    record.write(places.trained(NAME))
    places.best_weights(NAME).write_bytes(weights)
    return file_digest(places.best_weights(NAME))


def promote(version: str, run_id: str, digest: str) -> None:
    facts = {"recipe": NAME, "run_id": run_id, "identity": f"{KEY}:{digest}"}
    ledger = Ledger(places.promotion(), places.promotion_journal())
    ledger.append(SLOT, "promoted", "better", version=version, **facts)


def trained_twice(again: bytes = b"new", told: bool = True) -> tuple[Path, Path]:
    """Folders of the old training, which was set aside, and of the new one, whose results lie here;
    again: its weights; told: to MLflow."""
    new = places.run(NAME, KEY)
    old = new.with_name(f"{new.name}.1")
    checkpoint = train(old, "oldhost", OLD if told else None, 10)
    promote("1", OLD, leave_results(b"old", OLD if told else None, 1.0, checkpoint))
    checkpoint = train(new, "newhost", NEW if told else None, 20)
    promote("2", NEW, leave_results(again, NEW if told else None, 2.0, checkpoint))
    return old, new


def tree(origin: Origin, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    print_tree(origin)
    return capsys.readouterr().out


@pytest.mark.parametrize("again", [b"new", b"old"], ids=["other weights", "the same bits"])
@pytest.mark.parametrize("what", [f"{SLOT}:1", OLD])
def test_an_old_version_tells_of_its_own_training(
    home: Path, what: str, again: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    old, _ = trained_twice(again)
    origin = origin_of(what)
    assert origin.run_folder == old and origin.record is None
    assert f"results/{NAME}/trained: of another training" in origin.missing
    said = tree(origin, capsys)
    assert f"code {('oldhost' * 8)[:12]}: " in said and "on oldhost" in said
    assert "step_00000010.pt" in said and f"MLflow run {OLD}\n" in said, "no epochs, no hours"
    assert "newhost" not in said and "step_00000020.pt" not in said
    assert not any(each.startswith("runs/") for each in origin.missing)
    if what == OLD:
        assert "best.pt: which, is not known" in said


@pytest.mark.parametrize("what", [f"{SLOT}:2", NEW, NAME])
def test_a_new_version_tells_of_the_training_in_its_place(
    home: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, new = trained_twice()
    origin = origin_of(what)
    assert origin.run_folder == new and origin.record and origin.record.run_id == NEW
    said = tree(origin, capsys)
    assert "on newhost" in said and "hours 2.0" in said and "the best" in said
    assert file_digest(places.best_weights(NAME))[:12] in said and "oldhost" not in said


def test_a_training_whose_folder_is_gone_has_none(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, _ = trained_twice()
    old.rename(home / "elsewhere")
    origin = origin_of(f"{SLOT}:1")
    assert origin.run_folder is None and origin.record is None
    gone = f"runs/: its folder with checkpoints is not here ({HERE}: of another training, "
    assert any(each.startswith(gone) for each in origin.missing)
    said = tree(origin, capsys)
    assert "code that decided it: which, is not known" in said
    assert "attempt" not in said and "step_" not in said


def test_where_no_server_was_told_checkpoints_tell_whose_folder_it_is(home: Path) -> None:
    """A new training has begun, the old one's results are still here."""
    old, _ = trained_twice(told=False)
    assert origin_of(f"{SLOT}:1").run_folder is None, "nothing tells"
    first = next((old / "checkpoints").glob("*.pt"))
    leave_results(b"old", None, 1.0, file_digest(first))
    for what in (NAME, f"{SLOT}:1"):
        origin = origin_of(what)
        assert origin.run_folder == old and origin.record and origin.record.hours == 1.0


def test_results_of_the_same_weights_are_its_own_where_its_run_was_made_for_it(home: Path) -> None:
    """As promotion makes one where the training's own was deleted."""
    folder = places.run(NAME, KEY)
    digest = leave_results(b"some", OLD, 1.0, train(folder, "host", OLD, 10))
    promote("1", THIRD, digest)
    origin = origin_of(f"{SLOT}:1")
    assert origin.record and origin.record.run_id == OLD and origin.run_folder == folder


def test_the_last_that_was_set_aside_comes_after_the_newest(home: Path) -> None:
    """Both of one run: a run without epochs is taken again."""
    newest = places.run(NAME, KEY)
    for number in (2, 10):
        train(newest.with_name(f"{newest.name}.{number}"), "host", OLD, 10)
    (newest.parent / f"{newest.name}.part").mkdir()
    origin = origin_of(OLD)
    assert origin.run_folder == newest.with_name(f"{newest.name}.10")


def test_a_folder_of_results_elsewhere_tells_of_its_own_best_weights(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_results(b"old", OLD, 1.0, "a" * 64)
    places.trained(NAME).rename(tmp_path / "kept")
    leave_results(b"new", NEW, 2.0, "b" * 64)
    said = tree(origin_of(str(tmp_path / "kept")), capsys)
    assert f"best.pt: {file_digest(tmp_path / 'kept' / 'best.pt')[:12]}" in said
    assert f"MLflow run {OLD}" in said and "hours 1.0" in said
