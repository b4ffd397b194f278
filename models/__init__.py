"""Wing 2: networks and losses, torch only. The menu.

`ARCHITECTURES[name](channels, **ARCHITECTURES[name].VARIANTS[variant])` is a network;
`LOSSES[name](**options)(predicted, target, weight)` a scalar.
"""

from __future__ import annotations

from typing import Any

from models.ae_hourglass import AEHourglass
from models.ca_hrnet import CAHRNet
from models.cpn import CPN
from models.ghost_openpose import GhostOpenPose
from models.higher_hrnet import HigherHRNet, HRNetBottomUp
from models.hourglass import Hourglass
from models.hrnet import HRNet
from models.hsr_msnet import HSRMSNet
from models.hsrnet import HSRNet
from models.lightweight_openpose import LightweightOpenPose
from models.lite_higher_hrnet import LiteHigherHRNet
from models.losses import KeypointMSE, MaskedMSE, MaskedSSE, PullPush
from models.openpose import OpenPose
from models.pose_renet import PoseReNet
from models.simple_baseline import SimpleBaseline

ARCHITECTURES: dict[str, Any] = {
    "ae_hourglass": AEHourglass,
    "ca_hrnet": CAHRNet,
    "cpn": CPN,
    "ghost_openpose": GhostOpenPose,
    "higher_hrnet": HigherHRNet,
    "hourglass": Hourglass,
    "hrnet": HRNet,
    "hrnet_bottom_up": HRNetBottomUp,
    "hsr_msnet": HSRMSNet,
    "hsrnet": HSRNet,
    "lightweight_openpose": LightweightOpenPose,
    "lite_higher_hrnet": LiteHigherHRNet,
    "openpose": OpenPose,
    "simple_baseline": SimpleBaseline,
}

REFINEMENTS: dict[str, Any] = {  # REFINEMENTS[name](network, **options) is a network too
    "pose_renet": PoseReNet,
}

LOSSES: dict[str, Any] = {
    "keypoint_mse": KeypointMSE,
    "masked_mse": MaskedMSE,
    "masked_sse": MaskedSSE,
    "pull_push": PullPush,
}
