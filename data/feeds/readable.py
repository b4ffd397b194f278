"""Samples of a feed where some cannot be read: each stands for itself, or another one for it."""

from __future__ import annotations

import sys
from typing import Any

from torch.utils.data import Dataset

from data.ground.refusal import masked
from data.views.draws import Index, turn_of

STAND_INS = 16  # samples that are asked to stand in for one


class Readable(Dataset[Any]):
    """The samples of a feed; one that cannot be read is told, and another one comes in its place,
    with `mark(row)` as its `sample_id`: of a step with such a one nothing is to be learned.

    Raises ValueError where none of the next `STAND_INS` can be read either.
    """

    def __init__(self, samples: Any) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Index) -> Any:
        try:
            return self.samples[index]
        except ValueError as error:
            epoch, row, again = turn_of(index)
            print(masked(f"sample {row}: {error}"), file=sys.stderr, flush=True)
            return self._stand_in(epoch, row, again, error)

    def _stand_in(self, epoch: int, row: int, again: int, fault: ValueError) -> Any:
        for away in range(1, STAND_INS + 1):
            try:
                other = self.samples[(epoch, (row + away) % len(self), again)]
            except ValueError:
                continue
            return other._replace(sample_id=mark(row))
        raise fault

    def fault(self, row: int) -> str:
        """Why the sample of that row cannot be read; "" where it can, now."""
        try:
            self.samples[row]
        except ValueError as error:
            return str(error)
        return ""


def mark(row: int) -> int:
    """Of a row the number that says that another sample stands in for it, below 0; and back."""
    return -1 - row
