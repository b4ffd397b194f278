"""The randomness of a sample: fixed by seed, epoch, round and id, whoever loads it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Turn(NamedTuple):
    """Which time a sample of a feed is drawn: in `again` 0 of an epoch each comes once at most; a
    split smaller than an epoch's steps goes on in round 1, and so on."""

    epoch: int
    row: int
    again: int = 0


Index = int | tuple[int, int] | Turn  # a row, (epoch, row), or all of it


def turn_of(index: Index) -> Turn:
    return Turn(*index) if isinstance(index, tuple) else Turn(0, index)


def sample_generator(seed: int, epoch: int, sample_id: int, again: int = 0) -> np.random.Generator:
    """The randomness of one sample in one epoch and round, whoever loads it, in whatever order."""
    bits = (1 << 64) - 1
    key = np.array([seed & bits, sample_id & bits], dtype=np.uint64)
    counter = np.array([0, 0, again, epoch & bits], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
