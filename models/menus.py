"""The menus of the models wing: networks, refinements and losses by name.

A new line re-runs nothing; a changed one what uses the plug that it names.
"""

from __future__ import annotations

from models.ae_hourglass import AEHourglass
from models.ca_hrnet import CAHRNet
from models.contracts import Loss, Network, Refinement
from models.cpn import CPN
from models.ghost_openpose import GhostOpenPose
from models.higher_hrnet import HigherHRNet, HRNetBottomUp
from models.hourglass import Hourglass
from models.hrnet import HRNet
from models.hsr_msnet import HSRMSNet
from models.hsrnet import HSRNet
from models.lightweight_openpose import LightweightOpenPose
from models.lite_higher_hrnet import LiteHigherHRNet
from models.losses.keypoint_mse import KeypointMSE
from models.losses.masked import MaskedMSE, MaskedSSE
from models.losses.pull_push import PullPush
from models.openpose import OpenPose
from models.pose_renet import PoseReNet
from models.simple_baseline import SimpleBaseline

ARCHITECTURES: dict[str, type[Network]] = {
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

REFINEMENTS: dict[str, type[Refinement]] = {
    "pose_renet": PoseReNet,
}

LOSSES: dict[str, type[Loss]] = {
    "keypoint_mse": KeypointMSE,
    "masked_mse": MaskedMSE,
    "masked_sse": MaskedSSE,
    "pull_push": PullPush,
}
