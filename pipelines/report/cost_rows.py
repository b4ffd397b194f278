"""What papers print of cost beside the recipes' own rows, and why some of it does not fit.

A row that no recipe has is one line below; a printed number that differs from ours by more than
rounding needs its reason, in such a row or in `REMARKS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from data.ground.plug import Plug

Size = tuple[int, int]  # (width, height)


@dataclass(frozen=True)
class Row:
    """A network at an input size, and what a paper prints of it (nothing: None).

    gflops_count: one of exact_g, exact_gi, hr_g, hr_gi; None: none of these. `keypoints`: maps, but
    networks of part affinity fields have their own number of them.
    """

    architecture: str
    variant: str
    size: Size
    params_m: float | None = None
    gflops: float | None = None
    gflops_count: str | None = "hr_gi"
    source: str = ""
    remark: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    refine: Plug | None = None
    keypoints: int = 17
    recipe: str = ""

    @property
    def network(self) -> str:
        """`hrnet w32 + pose_renet aggregation=conv, 16 keypoints`."""
        parts = [self.architecture, self.variant, *_told(self.options)]
        if self.refine:
            parts += ["+", self.refine.name, *_told(self.refine.options)]
        return " ".join(parts) + ("" if self.keypoints == 17 else f", {self.keypoints} keypoints")

    @property
    def input(self) -> str:
        return f"{self.size[1]}x{self.size[0]}"


def _told(options: dict[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in options.items()]


SMALL, MIDDLE, LARGE = (96, 128), (192, 256), (288, 384)
RENET = Plug("pose_renet")
SCALED = "2.25 times the cut number of 256x192, not counted at this size"
HOURGLASS = "the authors' summary of another build: eight stacks as in DARK's code have 25.6M"
SAME = "the paper prints the backbone's numbers for the plug-in too"
HRNET, DARK = "arXiv:1902.09212", "arXiv:1910.06278"
HIGHER, LIGHT = "arXiv:1908.10357", "arXiv:1811.12004"
XIANG = "Xiang, Chen, Zhou, table II"
XIANG_FIRST = "Xiang, Chen, Zhou, table I"
DU = "Du, Ma, Fan 2022, table 1"

REMARKS: dict[tuple[str, str, float | None], str] = {  # (network, input, printed GFLOPs) -> why
    ("simple_baseline r50", "128x96", 2.3): "rounded twice: 2.248, 2.25, 2.3",
    ("simple_baseline r50", "384x288", 20.0): SCALED,
    ("simple_baseline r152", "384x288", 35.3): SCALED,
    ("simple_baseline r152", "384x288", 35.6): (
        "2.25 times the rounded number of 256x192, not counted at this size"
    ),
    ("hourglass stacks_8", "256x192", 14.3): (
        "unreliable in HRNet's table: 14.3 is four stacks at 256x256 (14.310 Gi); " + HOURGLASS
    ),
    ("lightweight_openpose r1", "368x368", 9): "printed without a digit behind the point",
    ("ghost_openpose decided", "368x368", 7): "printed without a digit behind the point",
    ("cpn r50", "256x192", 6.2): "of the authors' TensorFlow code; ours follows a PyTorch one",
    ("hrnet w32 + pose_renet", "256x192", 7.1): SAME,
    ("hrnet w32 + pose_renet", "128x96", 1.8): SAME,
    ("simple_baseline r50 + pose_renet", "128x96", 2.3): SAME,
    ("simple_baseline r101 + pose_renet", "128x96", 3.1): SAME,
    ("hrnet w48 + pose_renet", "128x96", 3.6): SAME,
    ("hrnet w48 + pose_renet", "384x288", 32.9): SAME,
}


def further_rows() -> Iterator[Row]:
    """Rows of the papers' tables that no recipe has."""
    yield from _baselines()
    yield from _hourglasses()
    yield from _papers()
    yield from _plug_in()
    yield from _bottom_up()
    yield from _lite()


def _baselines() -> Iterator[Row]:
    yield Row("simple_baseline", "r101", LARGE, 53.0, 27.9, source=HRNET)
    yield Row("simple_baseline", "r152", LARGE, 68.6, 35.3, source=HRNET)
    yield Row("simple_baseline", "r152", LARGE, 68.6, 35.6, source=f"{HRNET}; {XIANG}")
    yield Row("simple_baseline", "r152", SMALL, 68.6, 3.9, source=DARK)
    first = (("simple_baseline", "r50", 34.0, 2.3), ("simple_baseline", "r101", 53.0, 3.1),
             ("hrnet", "w32", 28.5, 1.8), ("hrnet", "w48", 63.6, 3.6))  # fmt: skip
    for name, variant, params, gflops in first:
        yield Row(name, variant, SMALL, params, gflops, source=XIANG_FIRST)
    yield Row("hrnet", "w32", MIDDLE, 28.5, 7.1, source=XIANG_FIRST)
    yield Row("hrnet", "w32", LARGE, 28.5, 16.0, source=XIANG)
    yield Row("hrnet", "w32", SMALL, 28.5, 1.8, source=XIANG)
    yield Row("hrnet", "w48", LARGE, 63.6, 32.9, source=XIANG)
    yield Row("hrnet", "w48", LARGE, 68.6, 32.9, source=XIANG,
              remark="68.6M is a slip, SimpleBaseline-R152's; others: 63.6M")  # fmt: skip


def _hourglasses() -> Iterator[Row]:
    for size in (MIDDLE, (256, 256)):
        yield Row("hourglass", "stacks_4", size)
    yield Row("hourglass", "stacks_2", MIDDLE)
    yield Row("hourglass", "stacks_4", SMALL, 13.0, 2.7, source=DARK)
    yield Row("hourglass", "stacks_8", SMALL, 25.1, 4.9, source=DARK, remark=HOURGLASS)
    yield Row("cpn", "r101", MIDDLE)


def _papers() -> Iterator[Row]:
    """CA-HRNet, HSRNet and HSR-MSNet print no cost."""
    yield Row("ca_hrnet", "w32", MIDDLE, options={"reduction": 16})
    yield Row("ca_hrnet", "w48", MIDDLE)
    wide = "only so has HSRNet more parameters than ResNet, as section 4.3.1 says; it also says "
    wide += "that complexity stays almost the same"
    yield Row("hsrnet", "wide", MIDDLE, remark=wide)
    for variant in ("110", "161"):
        yield Row("hsrnet", variant, LARGE)
    for variant in ("110", "161", "59_w16", "59_w24", "59_all"):
        yield Row("hsr_msnet", variant, MIDDLE)
    yield Row("hsr_msnet", "59", MIDDLE, options={"se_reduction": 0})


def _plug_in() -> Iterator[Row]:
    for variant in ("r50", "r101"):
        yield Row("simple_baseline", variant, MIDDLE, refine=RENET)
    yield Row("hrnet", "w48", MIDDLE, refine=RENET)
    yield Row("hrnet", "w32", SMALL, 23.5, 1.8, source=XIANG, refine=RENET,
              remark=f"23.5M is a slip for 28.5M (table I); {SAME}")  # fmt: skip
    yield Row("hrnet", "w32", MIDDLE, 28.5, 7.1, source=XIANG, refine=RENET)
    yield Row("hrnet", "w48", LARGE, 63.6, 32.9, source=XIANG, refine=RENET)
    for options in ({"aggregation": "conv"}, {"depthwise": True}):
        yield Row("hrnet", "w32", MIDDLE, refine=Plug(RENET.name, options))


def _bottom_up() -> Iterator[Row]:
    square = (512, 512)
    yield Row("higher_hrnet", "w32", square, 28.6, 47.9, "hr_g", HIGHER)
    yield Row("higher_hrnet", "w32", square, 28.6, 44.6, "hr_gi", DU,
              remark="the same network as the 47.9 of its own paper: HR Gi, not HR G")  # fmt: skip
    yield Row("higher_hrnet", "w32", (640, 640), 28.6, 74.8, "hr_g", HIGHER)
    yield Row("higher_hrnet", "w48", (640, 640), 63.8, 154.3, "hr_g", HIGHER)
    yield Row("higher_hrnet", "w48", square)
    yield Row("hrnet_bottom_up", "w32", square, 28.5, 38.9, None, f"{HIGHER}; {DU}",
              "MACs / 2^20 / 1000, which is none of the four counts: 38.893")  # fmt: skip
    yield Row("hrnet_bottom_up", "w48", square)
    yield Row("ae_hourglass", "stacks_4", square, 277.8, 206.9, "exact_gi", HIGHER,
              "277.8M counts every weight twice")  # fmt: skip
    yield Row("ae_hourglass", "stacks_4", square, 277.2, 206.9, "exact_gi", DU,
              "277.2M is a slip for the 277.8M of the row's own source")  # fmt: skip
    edge = (368, 368)
    yield Row("lightweight_openpose", "r1", edge, 4.09, 9, "exact_g", LIGHT)
    for variant in ("r0", "r2", "r3"):
        yield Row("lightweight_openpose", variant, edge)
    for variant in ("stages_3", "stages_6"):
        yield Row("openpose", variant, edge)
    literal = "as the paper's table 2 reads, which its 3.82M parameters and 7 G do not fit"
    yield Row("ghost_openpose", "literal", edge, remark=literal)


def _lite() -> Iterator[Row]:
    """Readings of Lite-HigherHRNet; a and b come nearest to what the paper prints."""
    square = (512, 512)
    for variant in ("a", "b"):
        yield Row("lite_higher_hrnet", variant, square, 16.4, 30.7, source=DU)
    for variant in ("a_se4", "a_se16", "fusion"):
        yield Row("lite_higher_hrnet", variant, square)
    yield Row("lite_higher_hrnet", "a", square, options={"layer1_depthwise": False},
              remark="as its algorithm 1 reads")  # fmt: skip
