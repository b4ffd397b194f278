"""The randomness of a sample: fixed by seed, epoch and id, whoever loads it."""

from __future__ import annotations

import numpy as np


def sample_generator(seed: int, epoch: int, sample_id: int) -> np.random.Generator:
    """The randomness of one sample in one epoch, whoever loads it and in whatever order."""
    bits = (1 << 64) - 1
    key = np.array([seed & bits, sample_id & bits], dtype=np.uint64)
    counter = np.array([0, 0, 0, epoch & bits], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
