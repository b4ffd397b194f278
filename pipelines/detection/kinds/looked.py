"""What is looked at to tell a detector's kind, and what a kind answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.detection.feeding import Feeding
from pipelines.detection.rows import Rows

Outputs = Mapping[str, np.ndarray]  # by name, of one image
CORNER_CELLS = (8, 16, 32)  # strides of most detectors
MORE_CELLS = (8, 16, 32, 64)


@dataclass(frozen=True)
class Looked:
    """outputs: of one grey image, without the batch; size: (width, height) of the input.

    names: classes as the file's metadata tell them (None: they do not); takes_size: whether it is
    also fed the size that boxes are to be in; first: operators that read the image first; asked:
    the settings say that it is of the kind that looks.
    """

    outputs: Outputs
    size: tuple[int, int]
    names: Sequence[str] | None
    takes_size: bool
    first: Callable[[], frozenset[str]]
    asked: bool = False

    def person(self, otherwise: int = 0) -> list[int]:
        """The class of people: the metadata's `person`, else the number given."""
        names = [str(name).lower() for name in self.names or ()]
        return [names.index("person") if "person" in names else otherwise]

    def cells(self, strides: Sequence[int] = CORNER_CELLS) -> int:
        """How many cells the grids of these strides have together."""
        return sum(len(grid(self.size, stride)) for stride in strides)


@dataclass(frozen=True)
class Reading:
    """How a network of a kind is fed and read; nms None: its boxes have no doubles."""

    kind: str
    feeding: Feeding
    classes: Sequence[int]
    nms: float | None
    rows: Callable[[Outputs], Rows]


def grid(size: tuple[int, int], stride: int) -> np.ndarray:
    """float64 [n, 2]: x, y of a grid's cells, row by row."""
    width, height = (-(-side // stride) for side in size)
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float64)


def grids(size: tuple[int, int], strides: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Cells [N, 2] of the grids one after another, and the stride [N, 1] of each."""
    cells = [grid(size, stride) for stride in strides]
    steps = [np.full((len(each), 1), float(s)) for each, s in zip(cells, strides, strict=True)]
    return np.concatenate(cells), np.concatenate(steps)


def fractions(values: np.ndarray) -> bool:
    """Whether all finite ones lie between 0 and 1, as scores do."""
    finite = values[np.isfinite(values)]
    return bool(((finite >= -1e-4) & (finite <= 1.001)).all())


def sure_of_all(table: np.ndarray) -> bool:
    """Whether its objectness, the column behind the box, is 1 in every row: it has none."""
    return table.shape[1] > 5 and bool((table[:, 4] == 1).all())


def one_table(outputs: Outputs) -> tuple[str, np.ndarray] | None:
    """The only output, where it is one table of numbers [N, D]."""
    if len(outputs) != 1:
        return None
    ((name, table),) = outputs.items()
    floats = np.issubdtype(table.dtype, np.floating)
    return (name, table) if table.ndim == 2 and floats else None
