"""Wing 2: networks and losses, torch only. The menu.

`ARCHITECTURES[name](channels, **ARCHITECTURES[name].VARIANTS[variant])` is a network;
`LOSSES[name](**options)(predicted, target, weight)` a scalar.
"""

from __future__ import annotations

from typing import Any

from models.hrnet import HRNet
from models.losses import KeypointMSE, MaskedSSE
from models.simple_baseline import SimpleBaseline

ARCHITECTURES: dict[str, Any] = {
    "hrnet": HRNet,
    "simple_baseline": SimpleBaseline,
}

LOSSES: dict[str, Any] = {
    "keypoint_mse": KeypointMSE,
    "masked_sse": MaskedSSE,
}
