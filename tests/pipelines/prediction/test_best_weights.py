"""best.pt: written whole, read back to the bit, and told in words where it cannot be read."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from pipelines.prediction.best_weights import BestWeights, Origin

BEST = BestWeights({"dataset": "coco"}, {"a": torch.arange(3.0)}, 3, "f" * 64, "d" * 64)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    BEST.write(tmp_path / "best.pt")
    again = BestWeights.read(tmp_path / "best.pt")
    assert (again.recipe, again.origin) == (BEST.recipe, Origin(3, "f" * 64, "d" * 64))
    assert torch.equal(again.model["a"], BEST.model["a"])
    keys = list(torch.load(tmp_path / "best.pt", weights_only=True))
    assert keys == ["recipe", "model", "epoch", "fingerprint", "data_hash"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    BEST.write(tmp_path / "best.pt")
    before = (tmp_path / "best.pt").read_bytes()
    broken = BestWeights({"no": lambda: None}, {}, 3, "f", "d")  # cannot be pickled
    with pytest.raises((AttributeError, pickle.PicklingError)):
        broken.write(tmp_path / "best.pt")
    assert (tmp_path / "best.pt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"

    def refused(match: str) -> None:
        with pytest.raises(ValueError, match=match):
            BestWeights.read(path, "run `dvc repro train@some` first")

    refused(r"best\.pt: no such file; run `dvc repro train@some` first")
    BEST.write(path)
    path.write_bytes(path.read_bytes()[:100])
    refused(r"best\.pt: no checkpoint, or a damaged one")
    torch.save({"model": {}, "recipe": {}, "epoch": 1}, path)
    refused(r"no checkpoint of `train`: lacks data_hash, fingerprint$")
    torch.save(torch.zeros(3), path)
    refused("no checkpoint of `train`: lacks data_hash, epoch, fingerprint, model, recipe")
    torch.save({"model": Path("code")}, path)
    refused("no checkpoint, or a damaged one")
