"""Weights from files: official and own checkpoints, torch or safetensors.

A file holds a state dict, bare or under `state_dict` or `model`; wrappers' prefixes are dropped.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.refusal import refusal
from models.weight_layouts import State

NESTED = ("state_dict", "model")  # where checkpoints keep their weights
# DataParallel, half-precision wrapper (the network is the second of a Sequential), torch.compile
WRAPPERS = ("module.", "1.", "_orig_mod.")


def read_state_dict(path: Path) -> State:
    """The weights in `path` (torch or safetensors), on the CPU, without wrappers' prefixes.

    Runs no code from the file. Raises ValueError that names the file, also for weights that are
    not finite: a network that has them predicts nothing.
    """
    if not path.is_file():
        raise refusal(path, fault="no such file", accepted="a torch or safetensors checkpoint")
    content = _read(path)
    for key in NESTED:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(map(_is_entry, content.items())):
        keys = sorted(map(str, content))[:8] if isinstance(content, dict) else type(content)
        raise refusal(
            path,
            fault=f"holds no state dict, found {keys}",
            accepted=f"names with tensors, bare or under {' or '.join(NESTED)}",
        )
    state = strip_wrappers(content)
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise refusal(
            path,
            fault=f"{len(broken)} of {len(state)} tensors hold NaN or infinity, the first "
            f"{broken[0]}",
            do="take an earlier checkpoint: this training had failed",
        )
    return state


def _read(path: Path) -> object:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(numpy_values()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        fault = "not a torch checkpoint, or one that holds more than tensors and plain values"
        raise refusal(
            path, fault=fault, do="save its state dict alone and give that file"
        ) from error
    except Exception as error:  # torch's reader trusts what is pickled: IndexError, TypeError, ...
        fault = f"damaged or no checkpoint ({error})"
        raise refusal(path, fault=fault, do="fetch it again") from error


def numpy_values() -> list[Any]:
    """What NumPy numbers (HRNet's `perf`) and arrays (mmpose's `meta`) in a file are made of.

    Under their old names too.
    """
    scalar = np.float64(0).__reduce__()[0]
    array = np.zeros(1).__reduce__()[0]
    kinds = {type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u1", "b1")}
    makers = {"scalar": scalar, "_reconstruct": array}
    places = [
        (maker, f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for name, maker in makers.items()
    ]
    return [*places, np.dtype, np.ndarray, *kinds]


def _is_entry(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def strip_wrappers(state: State) -> State:
    """Without the prefixes that wrappers put before every key, however they are nested."""
    for prefix in WRAPPERS:
        if state and all(key.startswith(prefix) for key in state):
            return strip_wrappers({key[len(prefix) :]: value for key, value in state.items()})
    return state
