"""What the state in a checkpoint has to hold for those who read it, by name and kind."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType

from torch import Tensor

from pipelines.host.tensors import TensorState

Kinds = Mapping[str, tuple[type, ...]]
ANY: Kinds = {}
WEIGHTS: Kinds = {"model": (dict,), "average": (dict, NoneType)}
CHOSEN: Kinds = {**WEIGHTS, "recipe": (dict,)}  # of results
RESUMED: Kinds = {
    **WEIGHTS, "optimizer": (dict,), "scaler": (dict,), "epoch": (int,), "step": (int,),
    "skipped": (int,), "history": (list,), "world_size": (int,), "sums": (Tensor,),
    "random": (list,),
}  # fmt: skip


def lacking(state: TensorState, needed: Kinds) -> str:
    """What of the needed parts is missing or of another kind, in words; "" where all are there."""
    for name, kinds in needed.items():
        if name not in state:
            return f"holds no `{name}`"
        if not isinstance(state[name], kinds) or isinstance(state[name], bool):
            return f"holds `{name}` as {type(state[name]).__name__}"
    weights = {"model": state["model"]} if "model" in needed else {}
    if "average" in needed and state["average"] is not None:
        weights["average"] = state["average"].get("network")
    for name, tensors in weights.items():
        if not isinstance(tensors, dict) or not all(
            isinstance(t, Tensor) for t in tensors.values()
        ):
            return f"holds `{name}` without a network's tensors"
    return ""
