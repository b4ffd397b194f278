"""What a finished training leaves where the checkpoint of its best epoch is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.host.progress import Clock
from pipelines.training import checkpoint
from pipelines.training.job import Job, TrainingSummary
from pipelines.training.record import TrainingRecord
from pipelines.training.results import write_results
from tests.worlds import drawn

MONITOR = drawn.small_recipe().evaluation.monitor


def ended(folder: Path, kept: list[float]) -> tuple[Job, TrainingSummary]:
    """A training whose second epoch was the best; kept: numbers of the epochs whose files lie."""
    recipe = drawn.small_recipe()
    job = Job("small", recipe, "f" * 64, "d" * 64, folder, folder, folder / "runs" / "small-f")
    speed = {"samples_per_second": 1.0, "data_wait_share": 0.0, "seconds": 1.0}
    numbers = [(1, 0.2), (2, 0.8), (3, 0.5)]
    history = [{"epoch": float(n), "step": float(n), MONITOR: a, **speed} for n, a in numbers]
    for epoch, number in numbers:
        state = {"recipe": recipe.as_dict(), "fingerprint": job.fingerprint, "average": None}
        state |= {"model": {}, "name": job.name, "epoch": epoch}
        if number in kept:
            told = {"fingerprint": job.fingerprint, "metric": number, "code": job.code}
            checkpoint.write_checkpoint(
                job.run_folder, state, epoch=epoch, step=epoch, keep_best=9, **told
            )  # type: ignore[arg-type]
    return job, TrainingSummary(history, 3, 1, 0, None, {})


@pytest.mark.parametrize(("kept", "best"), [([0.2, 0.8, 0.5], 2), ([0.2, 0.5], 3), ([0.2], 1)])
def test_a_lost_best_epoch_is_told(
    tmp_path: Path, kept: list[float], best: int, capsys: pytest.CaptureFixture[str]
) -> None:
    job, summary = ended(tmp_path, kept)
    folder = write_results(job, summary, Clock(), tmp_path / "trained")
    assert TrainingRecord.read(folder).best_epoch == best
    said = capsys.readouterr().out
    assert f"best epoch {best}, {MONITOR} {kept[-1] if best != 2 else 0.8}" in said
    assert ("epoch 2 was better" in said) == (best != 2)
    assert best == 2 or ("but its checkpoint is lost" in said and "train small --again" in said)
