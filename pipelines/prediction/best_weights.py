"""best.pt: the best weights of a training, an import or a version, with what they are of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal
from models.weight_layouts import State
from pipelines.host.tensors import read_tensors, save_tensors


@dataclass(frozen=True)
class Origin:
    """Where weights come from: the epoch of which training (0: imported), on which data."""

    epoch: int
    fingerprint: str
    data_hash: str


@dataclass(frozen=True)
class BestWeights:
    """What best.pt holds; `recipe` is plain data, `model` the whole network's state."""

    recipe: dict[str, Any]
    model: State
    epoch: int
    fingerprint: str
    data_hash: str

    @property
    def origin(self) -> Origin:
        return Origin(self.epoch, self.fingerprint, self.data_hash)

    def write(self, path: Path) -> None:
        """Whole or not at all."""
        save_tensors(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def read(cls, path: Path, do: str = "") -> BestWeights:
        """Tensors and plain data alone are read, no code.

        Raises ValueError for a missing file (`do`: what brings it), a damaged one, and one that
        holds something else.
        """
        if not path.is_file():
            raise refusal(path, fault="no such file", do=do)
        content = read_tensors(path)
        names = [field.name for field in fields(cls)]
        lacking = sorted(set(names) - (set(content) if isinstance(content, dict) else set()))
        if lacking:
            raise refusal(path, fault=f"no checkpoint of `train`: lacks {', '.join(lacking)}")
        return cls(**{name: content[name] for name in names})
