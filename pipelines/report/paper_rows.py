"""Every table of results of the five papers, row by row in their order.

A row of a network of ours names the recipe and a part of the `source` of what it says is published
there, so no number of it stands here; a row without one is a quote with all its numbers. A cost
stands here where a table prints one that the recipe's row has not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FIVE = ("AP", "AP50", "AP75", "APM", "APL")
SIX = (*FIVE, "AR")
TEN = (*SIX, "AR50", "AR75", "ARM", "ARL")
PARTS = ("Head", "Sho", "Elb", "Wri", "Hip", "Knee", "Ank")


@dataclass(frozen=True)
class PaperRow:
    """method: with its backbone; input: as printed, height x width of crops, a short side of whole
    images; quote: fractions of 1 by the name of the number, of a row without a network of ours, or
    those that the table prints otherwise than the recipe's row."""

    method: str
    input: str
    recipe: str = ""
    source: str = ""
    params_m: float | None = None
    gflops: float | None = None
    quote: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PaperTable:
    """main: the number that is told of what was measured here; cost: whether it prints any."""

    paper: str
    number: str
    about: str
    columns: Sequence[str]
    rows: Sequence[PaperRow]
    cost: bool = False
    main: str = "AP"


def _six(*percents: float) -> dict[str, float]:
    """AP, AP50, AP75, APM, APL and, where it is printed, AR."""
    return {name: round(value / 100, 4) for name, value in zip(SIX, percents, strict=False)}


G_RMI = _six(64.9, 85.5, 71.3, 62.3, 70.0, 69.7)
CPN = _six(72.1, 91.4, 80.0, 68.7, 77.2, 78.5)
CPN_TOGETHER = _six(73.0, 91.7, 80.9, 69.5, 78.1, 79.0)
SMALL, MIDDLE, LARGE = "128x96", "256x192", "384x288"
DU, HRNET = "Du, Ma, Fan 2022, table 1", "deep-high-resolution-net.pytorch, README, COCO val2017"
SIMPLE, WANG = "Simple Baselines (arXiv:1804.06208)", "Wang et al. 2021"
DARK, XIANG = "DarkPose, README", "Xiang, Chen, Zhou, "


def _pair(name: str, base: str, refined: str, size: str) -> tuple[PaperRow, PaperRow]:
    """A network with DARK alone, and with PoseReNet."""
    return (
        PaperRow(name, size, base, f"{DARK}, COCO val2017"),
        PaperRow(f"{name} + PoseReNet", size, refined, f"{XIANG}table I,"),
    )


LITE_HIGHER_HRNET = PaperTable(
    "Lite-HigherHRNet",
    "Table 1",
    "Whole images; headed COCO val2017, but the rows of others are what their papers print of "
    "test-dev2017.",
    FIVE,
    (
        PaperRow("OpenPose", "–", "openpose_coco_368", DU),
        PaperRow("Hourglass", "512", "ae_hourglass_coco_512", DU, 277.2, 206.9),
        PaperRow(
            "PersonLab, ResNet-101", "1401", "", "", 68.7, 405.5, _six(66.5, 88.0, 72.6, 62.4, 72.3)
        ),
        PaperRow("HRNet-W32", "512", "hrnet_w32_bottom_up_coco_512", DU, 28.5, 38.9),
        PaperRow("HigherHRNet-W32", "512", "higher_hrnet_w32_coco_512", DU),
        PaperRow("Lite-HigherHRNet", "512", "lite_higher_hrnet_coco_512", DU),
    ),
    cost=True,
)
GHOST_OPENPOSE = PaperTable(
    "Ghost OpenPose",
    "Table 5",
    "Whole images of COCO.",
    ("AP", "AP75"),
    (
        PaperRow("original network", "368", "lightweight_openpose_as_ghost_coco_368", "table 5"),
        PaperRow("improved network", "368", "ghost_openpose_coco_368", "table 5"),
    ),
    cost=True,
)
CA_HRNET = PaperTable(
    "CA-HRNet",
    "Table 1",
    "COCO val2017.",
    TEN,
    (
        PaperRow("HRNet-W32", MIDDLE, "hrnet_w32_coco_256x192", HRNET),
        PaperRow("CA-HRNet-W32", MIDDLE, "ca_hrnet_w32_coco_256x192", "CA-HRNet, COCO val2017"),
    ),
)
HSRNET_1 = PaperTable(
    "HSRNet and HSR-MSNet",
    "Table 1",
    "COCO val2017, a detector's boxes: depth, kernel of the deconvolutions, size of the input.",
    ("AP",),
    (
        PaperRow("a: ResNet-50", MIDDLE, "simple_baseline_r50_coco_256x192", HRNET),
        PaperRow("b: ResNet-101", MIDDLE, "simple_baseline_r101_coco_256x192", HRNET),
        PaperRow("c: ResNet-152", MIDDLE, "simple_baseline_r152_coco_256x192", HRNET),
        PaperRow("d: ResNet-50, kernel 2", MIDDLE, "simple_baseline_r50_k2_coco_256x192", SIMPLE),
        PaperRow("e: ResNet-50, kernel 3", MIDDLE, "simple_baseline_r50_k3_coco_256x192", SIMPLE),
        PaperRow("f: ResNet-50", LARGE, "simple_baseline_r50_coco_384x288", WANG),
        PaperRow("g: HSRNet-59", MIDDLE, "hsrnet_59_coco_256x192", WANG),
        PaperRow("h: HSRNet-110", MIDDLE, "hsrnet_110_coco_256x192", WANG),
        PaperRow("i: HSRNet-161", MIDDLE, "hsrnet_161_coco_256x192", WANG),
        PaperRow("j: HSRNet-59, kernel 2", MIDDLE, "hsrnet_59_k2_coco_256x192", WANG),
        PaperRow("k: HSRNet-59, kernel 3", MIDDLE, "hsrnet_59_k3_coco_256x192", WANG),
        PaperRow("l: HSRNet-59", LARGE, "hsrnet_59_coco_384x288", f"{WANG}, tables 1"),
    ),
)
HSRNET_2 = PaperTable(
    "HSRNet and HSR-MSNet",
    "Table 2",
    "COCO val2017, a detector's boxes: what several scales in a block bring.",
    ("AP",),
    (
        PaperRow("a: HSRNet-59", MIDDLE, "hsrnet_59_coco_256x192", WANG),
        PaperRow("b: HSRNet-59", LARGE, "hsrnet_59_coco_384x288", f"{WANG}, tables 1"),
        PaperRow("c: HSR-MSNet-59", MIDDLE, "hsr_msnet_59_coco_256x192", WANG),
        PaperRow("d: HSR-MSNet-59", LARGE, "hsr_msnet_59_coco_384x288", f"{WANG}, table 2"),
    ),
)
HSRNET_3 = PaperTable(
    "HSRNet and HSR-MSNet",
    "Table 3",
    "COCO val2017; a detector of AP 56.4, of Hourglass and CPN one of AP 55.3.",
    ("AP",),
    (
        PaperRow("Hourglass, 8 stages", MIDDLE, "hourglass_8_coco_256x192", SIMPLE),
        PaperRow("Hourglass, 8 stages", "256x256", "hourglass_8_coco_256x256", SIMPLE),
        PaperRow("CPN, ResNet-50", MIDDLE, "cpn_r50_coco_256x192", SIMPLE),
        PaperRow("CPN, ResNet-50", LARGE, "cpn_r50_coco_384x288", SIMPLE),
        PaperRow("CPN, ResNet-50, OHKM", MIDDLE, "cpn_r50_ohkm_coco_256x192", SIMPLE),
        PaperRow("CPN, ResNet-50, OHKM", LARGE, "cpn_r50_ohkm_coco_384x288", SIMPLE),
        PaperRow("SimpleBaseline, ResNet-50", MIDDLE, "simple_baseline_r50_coco_256x192", HRNET),
        PaperRow("SimpleBaseline, ResNet-50", LARGE, "simple_baseline_r50_coco_384x288", HRNET),
        PaperRow("HSRNet-59", MIDDLE, "hsrnet_59_coco_256x192", WANG),
        PaperRow("HSRNet-59", LARGE, "hsrnet_59_coco_384x288", f"{WANG}, tables 1"),
    ),
)
HSRNET_4 = PaperTable(
    "HSRNet and HSR-MSNet",
    "Table 4",
    "COCO test-dev2017; a star: more data or several models.",
    SIX,
    (
        PaperRow("G-RMI, ResNet-50", MIDDLE, quote=G_RMI),
        PaperRow("CPN, ResNet-Inception", LARGE, quote=CPN),
        PaperRow("FAIR*, ResNeXt-101-FPN", "–", quote=_six(69.2, 90.4, 77.0, 64.9, 76.3, 75.2)),
        PaperRow("G-RMI*, ResNet-152", LARGE, quote=_six(71.0, 87.9, 77.7, 69.0, 75.2, 70.6)),
        PaperRow("oks*", "–", quote=_six(72.0, 90.3, 79.7, 67.6, 78.4, 77.2)),
        PaperRow("Bangbanggren*, ResNet-101", "–", quote=_six(72.8, 89.4, 79.6, 68.6, 80.0, 78.7)),
        PaperRow("CPN*, ResNet-Inception", LARGE, quote=CPN_TOGETHER),
        PaperRow(
            "SimpleBaseline, ResNet-152", LARGE, "simple_baseline_r152_coco_384x288", "test-dev2017"
        ),
        PaperRow("HSRNet-59", LARGE, "hsrnet_59_coco_384x288", f"{WANG}, table 4"),
        PaperRow("HSR-MSNet-59", LARGE, "hsr_msnet_59_coco_384x288", f"{WANG}, table 4"),
    ),
)
POSE_RENET_1 = PaperTable(
    "PoseReNet",
    "Table I",
    "COCO val2017; all with DARK.",
    SIX,
    (
        *_pair("SimpleBaseline, ResNet-50", "simple_baseline_r50_dark_coco_128x96",
               "pose_renet_simple_baseline_r50_coco_128x96", SMALL),
        *_pair("SimpleBaseline, ResNet-101", "simple_baseline_r101_dark_coco_128x96",
               "pose_renet_simple_baseline_r101_coco_128x96", SMALL),
        *_pair("HRNet-W32", "hrnet_w32_dark_coco_128x96",
               "pose_renet_hrnet_w32_coco_128x96", SMALL),
        *_pair("HRNet-W48", "hrnet_w48_dark_coco_128x96",
               "pose_renet_hrnet_w48_coco_128x96", SMALL),
        *_pair("HRNet-W32", "hrnet_w32_dark_coco_256x192",
               "pose_renet_hrnet_w32_coco_256x192", MIDDLE),
    ),
    cost=True,
)  # fmt: skip
POSE_RENET_2 = PaperTable(
    "PoseReNet",
    "Table II",
    "COCO test-dev2017, but for PoseReNet at 128x96 and 256x192, which repeats val2017 of Table I.",
    SIX,
    (
        PaperRow("G-RMI, ResNet-101", "253x257", "", "", 42.6, 57.0, G_RMI),
        PaperRow("CPN, ResNet-Inception", LARGE, quote=CPN),
        PaperRow("RMPE, PyraNet", "320x256", "", "", 28.1, 26.7,
                 _six(72.3, 89.2, 79.1, 68.0, 78.6)),
        PaperRow("CFN", "–", quote=_six(72.6, 86.1, 69.7, 78.3, 64.1)),
        PaperRow("CPN, several networks", LARGE, quote=CPN_TOGETHER),
        PaperRow(
            "SimpleBaseline, ResNet-152", LARGE, "simple_baseline_r152_coco_384x288", "test-dev2017"
        ),
        PaperRow("HRNet-W32", LARGE, "hrnet_w32_coco_384x288", "test-dev2017", 28.5, 16.0),
        PaperRow("HRNet-W48", LARGE, "hrnet_w48_coco_384x288", "test-dev2017", 68.6, 32.9),
        PaperRow("HRNet-W32, DARK", SMALL, "hrnet_w32_dark_coco_128x96", "test-dev2017", 28.5, 1.8),
        PaperRow("HRNet-W48, DARK", LARGE, "hrnet_w48_dark_coco_384x288", "test-dev2017",
                 63.6, 32.9),
        PaperRow("HRNet-W32, DARK + PoseReNet", SMALL,
                 "pose_renet_hrnet_w32_coco_128x96", f"{XIANG}table I,", 23.5),
        PaperRow("HRNet-W32, DARK + PoseReNet", MIDDLE,
                 "pose_renet_hrnet_w32_coco_256x192", f"{XIANG}table I,"),
        PaperRow("HRNet-W48, DARK + PoseReNet", LARGE,
                 "pose_renet_hrnet_w48_coco_384x288", f"{XIANG}table II,"),
    ),
    cost=True,
)  # fmt: skip
POSE_RENET_3 = PaperTable(
    "PoseReNet",
    "Table III",
    "MPII val, PCKh@0.5; no DARK is named.",
    (*PARTS, "PCKh@0.5"),
    (
        PaperRow("HRNet-W32", "256x256", "hrnet_w32_mpii_256x256", "README, MPII val",
                 quote={"Wri": 0.865}),
        PaperRow("HRNet-W32 + PoseReNet", "256x256", "pose_renet_hrnet_w32_mpii_256x256", XIANG),
    ),
    main="PCKh@0.5",
)  # fmt: skip
PAPER_TABLES = (
    LITE_HIGHER_HRNET, GHOST_OPENPOSE, CA_HRNET, HSRNET_1, HSRNET_2, HSRNET_3, HSRNET_4,
    POSE_RENET_1, POSE_RENET_2, POSE_RENET_3,
)  # fmt: skip
