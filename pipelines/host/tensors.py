"""Files of tensors and plain data: written whole or not at all, read without running code."""

from __future__ import annotations

import pickle
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


def read_tensors(path: Path, whole: bool = True) -> TensorState:
    """What `save_tensors` wrote, on the CPU. Raises ValueError for any other file.

    whole: else tensors are left on the disk until somebody looks at them. No code in it is run.
    """
    try:
        state: TensorState = torch.load(path, map_location="cpu", weights_only=True, mmap=not whole)
    except Exception as error:
        raise refusal(path, fault=f"no checkpoint, or a damaged one ({_why(error)})") from error
    return state


def _why(error: Exception) -> str:
    """Torch's words, without its advice to run what is in the file."""
    if not isinstance(error, pickle.UnpicklingError):
        return str(error)
    asks = "Unsupported" in str(error)
    return "it asks for code to be run, which is not done" if asks else "no tensors are in it"
