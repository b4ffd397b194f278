"""States of trainings that are to be equal."""

from __future__ import annotations

from typing import Any

import torch


def assert_same(one: Any, two: Any, where: str = "") -> None:
    """Equal to the last bit, tensors included."""
    assert type(one) is type(two), where
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, two), where
    elif isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            assert_same(one[key], two[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), where
        for n, (a, b) in enumerate(zip(one, two, strict=True)):
            assert_same(a, b, f"{where}[{n}]")
    else:
        assert one == two, where
