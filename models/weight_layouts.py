"""How others name the weights of the networks here: one table of key patterns.

Networks here have the names of their authors' code (HRNet, SimpleBaseline, HigherHRNet,
Lightweight OpenPose) or torchvision's; what other frameworks write around or instead of them is
taken off or renamed. A layout renames keys alone, never a tensor.
"""

from __future__ import annotations

import re

from torch import Tensor

State = dict[str, Tensor]

OWN = "the authors' names"
# layout -> (pattern of a key, what stands there instead; None: the network has no use for the key)
LAYOUTS: dict[str, tuple[tuple[str, str | None], ...]] = {
    OWN: (),
    "mmpose 0.x": ((r"^backbone\.", ""), (r"^keypoint_head\.", "")),
    "mmpose 1.x": ((r"^data_preprocessor\.", None), (r"^backbone\.", ""), (r"^head\.", "")),
    "mmpose, bottom-up of one scale": (
        (r"^data_preprocessor\.", None),
        (r"^backbone\.", ""),
        (r"^(keypoint_)?head\.final_layers?\.(0\.)?(weight|bias)$", r"final_layers.0.\3"),
    ),
    "Lightning (below `model`, `net` or `network`)": (
        (r"^(?!(model|net|network)\.)", None),
        (r"^(model|net|network)\.", ""),
    ),
    "the base of a refined network": ((r"^(?!base\.)", None), (r"^base\.", "")),
}


def relaid(state: State, layout: str) -> State:
    """The same tensors under the names that a network here has."""
    rules = [(re.compile(pattern), new) for pattern, new in LAYOUTS[layout]]
    named = {_renamed(key, rules): value for key, value in state.items()}
    return {key: value for key, value in named.items() if key is not None}


def _renamed(key: str, rules: list[tuple[re.Pattern[str], str | None]]) -> str | None:
    for pattern, new in rules:
        if new is None:
            if pattern.search(key):
                return None
        else:
            key = pattern.sub(new, key)
    return key
