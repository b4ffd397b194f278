"""summary.json and history.csv: of a training, of an import; read back as written, or refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.training.record import History, ImportedFile, TrainingRecord, has_training
from tests.worlds.results import recipe, training_record

TRAINING_KEYS = [
    "recipe", "fingerprint", "recipe_digest", "data_hash", "run_id", "best_epoch", "checkpoint",
    "checkpoint_sha256", "metrics", "epochs", "steps", "skipped_steps", "world_size",
    "samples_per_second", "data_wait_share", "hours", "seconds",
]  # fmt: skip
IMPORT_KEYS = [
    "recipe", "fingerprint", "recipe_digest", "data_hash", "run_id", "imported", "best_epoch",
    "epochs", "steps",
]  # fmt: skip


def trained() -> TrainingRecord:
    return replace(
        training_record("some", recipe(), "d" * 64),
        checkpoint="runs/some-1/checkpoints/step_00000010.pt",
        checkpoint_sha256="a" * 64,
        metrics={"AP@gt": 0.5},
        skipped_steps=0,
        world_size=2,
        data_wait_share=0.0,
        seconds={"training": 1.5},
    )


def imported() -> TrainingRecord:
    bare = training_record("some", recipe(), "d" * 64)
    file = ImportedFile("pose.pth", "b" * 64, 10, ["head"])
    return replace(bare, imported=file, samples_per_second=None, hours=None)


@pytest.mark.parametrize(
    ("record", "keys"), [(trained(), TRAINING_KEYS), (imported(), IMPORT_KEYS)]
)
def test_what_is_written_is_read_back(
    tmp_path: Path, record: TrainingRecord, keys: list[str]
) -> None:
    assert not has_training(tmp_path)
    record.write(tmp_path)
    assert has_training(tmp_path)
    assert TrainingRecord.read(tmp_path) == record
    content = json.loads((tmp_path / "summary.json").read_text())
    assert list(content) == keys and content["run_id"] is None


def test_what_is_no_summary_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"summary\.json: no such file; run `make repro`"):
        TrainingRecord.read(tmp_path)
    for text, message in (
        ("[1]", "holds list, accepted: a json object"),
        ("{", "truncated or no json"),
        ('{"recipe": "some"}', "fingerprint: missing"),
    ):
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(ValueError, match=rf"summary\.json: {message}.*; run `make repro`"):
            TrainingRecord.read(tmp_path)


def test_the_history_has_a_row_per_epoch_and_holes(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = [
        {"epoch": 1, "loss": 0.5},
        {"epoch": 2, "loss": 0.1 + 0.2, "AP@gt": 0.3},
    ]
    History(rows).write(tmp_path)
    assert (tmp_path / "history.csv").read_text().splitlines()[0] == "epoch,loss,AP@gt"
    assert History.read(tmp_path) == History(rows), "to the last digit"
    columns = History.read(tmp_path).columns
    assert columns["loss"] == [0.5, 0.1 + 0.2]
    assert math.isnan(columns["AP@gt"][0]) and columns["AP@gt"][1] == 0.3


def test_an_import_has_no_history(tmp_path: Path) -> None:
    assert History.read(tmp_path) == History([])
    assert History([]).columns == {}
