"""Checkpoints: whole or not at all, the best and the last kept, damaged and foreign refused."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.host.tensors import save_tensors
from pipelines.training import checkpoint
from pipelines.training.checkpoint import Manifest

CPU = torch.device("cpu")


def save(folder: Path, step: int, metric: float | None = None, mark: str = "a") -> Manifest:
    state = {"step": step, "weights": torch.full((3,), float(step))}
    return checkpoint.write_checkpoint(
        folder, state, fingerprint=mark, epoch=step, step=step, metric=metric, keep_best=2
    )


def test_of_other_code_none_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path, 1)
    assert checkpoint.latest_checkpoint(tmp_path, "a", "new code") is None
    assert "step_00000001.pt: was trained by other code" in capsys.readouterr().out
    assert checkpoint.latest_checkpoint(tmp_path, "a") is not None


def steps(folder: Path) -> list[int]:
    return [manifest.step for manifest in checkpoint.read_manifests(folder)]


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    save(tmp_path, 7)
    path = checkpoint.latest_checkpoint(tmp_path, "a")
    assert path is not None
    state = checkpoint.read_checkpoint(path)
    assert state["step"] == 7
    assert torch.equal(state["weights"], torch.full((3,), 7.0))


def test_the_best_and_the_last_two_are_kept(tmp_path: Path) -> None:
    for step, metric in enumerate([0.5, 0.9, 0.1, 0.9, 0.2, 0.3, None, 0.1]):
        save(tmp_path, step, metric)
    assert steps(tmp_path) == [1, 3, 6, 7]
    assert len(list(checkpoint.checkpoint_folder(tmp_path).iterdir())) == 8  # and no other file
    best = checkpoint.best_manifests(checkpoint.read_manifests(tmp_path), 2)
    assert [manifest.step for manifest in best] == [1, 3]  # of equals the earlier


def test_a_damaged_last_one_is_said_and_the_one_before_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, 1)
    last = checkpoint.checkpoint_folder(tmp_path) / save(tmp_path, 2).file
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    path = checkpoint.latest_checkpoint(tmp_path, "a")
    assert path is not None
    assert path.stem.endswith("1")
    assert "step_00000002.pt: is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("lost", [".json", ".pt"])
def test_half_a_checkpoint_does_not_count(tmp_path: Path, lost: str) -> None:
    save(tmp_path, 1)
    file = checkpoint.checkpoint_folder(tmp_path) / save(tmp_path, 2).file
    file.with_suffix(lost).unlink()
    path = checkpoint.latest_checkpoint(tmp_path, "a")
    assert path is not None
    assert path.name == "step_00000001.pt"


def test_another_fingerprint_is_never_used(tmp_path: Path) -> None:
    save(tmp_path, 1, mark="another")
    assert checkpoint.latest_checkpoint(tmp_path, "a") is None


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(b"before")
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save_tensors(path, {"bad": lambda: None})
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]
    assert path.read_bytes() == b"before"


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "step.pt"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"step\.pt: no checkpoint, or a damaged one"):
        checkpoint.read_checkpoint(path)


def test_random_numbers_go_on_where_they_were(tmp_path: Path) -> None:
    path = tmp_path / "random.pt"
    save_tensors(path, {"random": checkpoint.random_state(CPU)})
    first = (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random(), random.gauss())
    checkpoint.set_random_state(checkpoint.read_checkpoint(path)["random"], CPU)
    again = (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random(), random.gauss())
    assert first == again
