"""Checkpoints: whole or not at all, the best and the last kept, damaged and foreign refused."""

from __future__ import annotations

import json
import pickle
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipelines.host.folders import file_digest
from pipelines.host.tensors import save_tensors
from pipelines.training import checkpoint
from pipelines.training.checkpoint import Manifest
from pipelines.training.state_parts import RESUMED
from tests.worlds.exploits import pickled, write_zipped

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


PARTS = {"model": {"w": torch.ones(2)}, "average": None, "optimizer": {}, "scaler": {}, "epoch": 1,
         "step": 0, "skipped": 0, "history": [], "world_size": 1, "sums": torch.zeros(3),
         "random": []}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, "holds no `model`"), ({"model": [1]}, "`model` as list"),
        ({"model": {"w": 1}}, "`model` without a network's tensors"),
        ({"average": {}}, "`average` without a network's tensors"),
        ({"epoch": True}, "`epoch` as bool"), ({"step": 1.0}, "`step` as float"),
        ({"sums": []}, "`sums` as list"), ({"random": None}, "`random` as NoneType"),
    ],
)  # fmt: skip
def test_one_that_lacks_a_part_is_said_and_the_one_before_used(
    tmp_path: Path, change: dict[str, Any] | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    states: list[dict[str, Any]] = [PARTS, {} if change is None else PARTS | change]
    for step, state in enumerate(states, start=1):
        checkpoint.write_checkpoint(
            tmp_path, state, fingerprint="a", epoch=step, step=step, metric=None, keep_best=2
        )
    path = checkpoint.latest_checkpoint(tmp_path, "a", needed=RESUMED)
    assert path is not None and path.name == "step_00000001.pt"
    told = capsys.readouterr().out
    assert "step_00000002.pt: holds" in told and said in told


@pytest.mark.parametrize("lost", [".json", ".pt"])
def test_half_a_checkpoint_does_not_count(tmp_path: Path, lost: str) -> None:
    save(tmp_path, 1)
    file = checkpoint.checkpoint_folder(tmp_path) / save(tmp_path, 2).file
    file.with_suffix(lost).unlink()
    path = checkpoint.latest_checkpoint(tmp_path, "a")
    assert path is not None
    assert path.name == "step_00000001.pt"


@pytest.mark.parametrize(
    "change",
    [
        {"step": "2"}, {"step": 3}, {"step": True}, {"epoch": -1}, {"epoch": 1.5}, {"size": None},
        {"metric": "0.9"}, {"metric": 0.9}, {"file": "../step_00000002.pt"}, {"sha256": "ab"},
        {"late": [0.5]}, {"late": {"AP@gt": "0.5"}}, {"fingerprint": None}, {"more": 1},
        b"", b"[]", b"{", b"\xff\xfe", b"null", b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_manifest_that_no_training_wrote_is_said_and_the_one_before_used(
    tmp_path: Path, change: dict[str, Any] | bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, 1, 0.1)
    path = (checkpoint.checkpoint_folder(tmp_path) / save(tmp_path, 2, 0.2).file).with_suffix(
        ".json"
    )
    is_text = isinstance(change, bytes)
    text = change if is_text else json.dumps(json.loads(path.read_text()) | change).encode()
    path.write_bytes(text)
    found = checkpoint.latest_checkpoint(tmp_path, "a")
    assert found is not None and found.name == "step_00000001.pt"
    assert f"{path}: not a manifest" in capsys.readouterr().out
    assert steps(tmp_path) == [1]


def test_a_wrong_bit_anywhere_in_a_manifest_is_seen(tmp_path: Path) -> None:
    save(tmp_path, 1, 0.1)
    path = (checkpoint.checkpoint_folder(tmp_path) / save(tmp_path, 2, 0.25).file).with_suffix(
        ".json"
    )
    text = path.read_bytes()
    seen = [1, 2], [m.metric for m in checkpoint.read_manifests(tmp_path)]
    assert seen == ([1, 2], [0.1, 0.25])
    content = {m.step: m for m in checkpoint.read_manifests(tmp_path)}
    for place in range(len(text)):
        changed = bytearray(text)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        left = {m.step: m for m in checkpoint.read_manifests(tmp_path)}
        assert left in (content, {1: content[1]}), changed


def test_manifests_of_before_they_had_a_digest_are_read(tmp_path: Path) -> None:
    path = (checkpoint.checkpoint_folder(tmp_path) / save(tmp_path, 2, 0.25).file).with_suffix(
        ".json"
    )
    content = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in content.items() if k != checkpoint.CHECK}))
    assert steps(tmp_path) == [2]


@pytest.mark.parametrize("kind", ["zip", "pickle", "tensors of another recipe"])
def test_code_in_a_checkpoint_is_never_run_and_the_one_before_used(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one who writes a manifest that fits as well."""
    save(tmp_path, 1)
    manifest, mark = save(tmp_path, 2), tmp_path / "ran"
    path = checkpoint.checkpoint_folder(tmp_path) / manifest.file
    if kind == "zip":
        write_zipped(path, mark)
        with pytest.raises(pickle.UnpicklingError):
            torch.load(path, weights_only=True)
    elif kind == "pickle":
        path.write_bytes(pickled(mark))
    else:
        save_tensors(path, {"fingerprint": "another"})
    size, digest = path.stat().st_size, file_digest(path)
    checkpoint.write_manifest(path.parent, replace(manifest, size=size, sha256=digest))
    found = checkpoint.latest_checkpoint(tmp_path, "a")
    assert found is not None and found.name == "step_00000001.pt"
    assert not mark.exists()
    said = capsys.readouterr().out
    assert f"{path}: " in said and "weights_only" not in said
    assert {"zip": "code to be run", "pickle": "no checkpoint"}.get(kind, "another recipe") in said
    if kind == "zip":
        torch.load(path, weights_only=False)
        assert mark.exists(), "the exploit works where code is run"


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
