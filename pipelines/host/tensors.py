"""Files of tensors and plain data: written whole or not at all, read without running code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from data.files.whole_file import whole_file
from data.ground.refusal import refusal

TensorState = dict[str, Any]  # dicts, lists, numbers, text and tensors only


def save_tensors(path: Path, state: TensorState) -> None:
    """torch.save to `path`, whole or not at all."""
    with whole_file(path) as file:
        torch.save(state, file)


def read_tensors(path: Path) -> TensorState:
    """What `save_tensors` wrote, on the CPU. Raises ValueError for any other file."""
    try:
        state: TensorState = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise refusal(path, fault=f"no checkpoint, or a damaged one ({error})") from error
    return state
