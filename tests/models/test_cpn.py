"""CPN: cost as the tables say; coarse stages first, every one at stride 4 of any multiple of 4."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from models.cost import count
from models.cpn import CPN, GlobalNet


def build(**options: Any) -> CPN:
    torch.manual_seed(0)
    return CPN({"heatmaps": 17}, **CPN.VARIANTS["demo"] | options)


def test_costs_what_the_design_measured() -> None:
    with torch.device("meta"):
        network = CPN({"heatmaps": 17})
    small, large = count(network, (192, 256)), count(network, (288, 384))
    assert small.params == 27_406_826
    assert (round(small.exact_g, 3), round(small.exact_gi, 3)) == (7.316, 6.813)
    assert (round(large.exact_g, 3), round(large.exact_gi, 3)) == (16.460, 15.330)
    assert small.macs_hr == small.macs_exact


@pytest.mark.parametrize("size", [(192, 256), (100, 76), (64, 96)])
def test_every_stage_is_at_stride_4(size: tuple[int, int]) -> None:
    network, (width, height) = build().eval(), size
    with torch.no_grad():
        stages = network(torch.randn(1, 3, height, width))
    assert [tuple(s["heatmaps"].shape) for s in stages] == 5 * [(1, 17, height // 4, width // 4)]


def test_a_coarse_level_reaches_every_finer_stage() -> None:
    torch.manual_seed(0)
    net = GlobalNet((4, 8, 16, 32), width=8, painted=3).eval()
    levels = [torch.randn(1, 4 * 2**i, 16 // 2**i, 8 // 2**i) for i in range(4)]
    features, stages = net(levels)
    assert [tuple(f.shape) for f in features] == [(1, 8, 16 // 2**i, 8 // 2**i) for i in range(4)]
    assert [tuple(s.shape) for s in stages] == 4 * [(1, 3, 16, 8)]
    levels[1] = levels[1] + 1  # of stride 8: stages 2 and 3 see it, 0 and 1 do not
    changed = [not torch.equal(a, b) for a, b in zip(stages, net(levels)[1], strict=True)]
    assert changed == [False, False, True, True]


def test_the_cascade_is_deeper_where_the_level_is_coarser() -> None:
    assert [len(blocks) for blocks in build().refine_net.cascade] == [0, 1, 2, 3]


@pytest.mark.parametrize("options", [{"pyramid_width": 31}, {"layers": (3, 4, 6)}, {"width": 0}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=r"given .*accepted"):
        build(**options)
