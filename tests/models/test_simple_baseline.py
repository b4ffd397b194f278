"""SimpleBaseline is the published network: parameters, keys and shapes; deconvolution kernels."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from models.simple_baseline import SimpleBaseline, deconvolution
from tests.worlds.here import MANIFESTS

PARAMS = {"r50": 33_999_697, "r101": 52_991_825, "r152": 68_635_473}


@pytest.mark.parametrize("variant", PARAMS)
def test_is_the_published_network(variant: str) -> None:
    with torch.device("meta"):
        network = SimpleBaseline({"heatmaps": 17}, **SimpleBaseline.VARIANTS[variant])
    assert sum(p.numel() for p in network.parameters()) == PARAMS[variant]
    manifest = json.loads((MANIFESTS / f"simplebaseline_{variant}_coco17.json").read_text())
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == manifest


@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_deconvolution_doubles(kernel: int) -> None:
    layers = nn.Sequential(*deconvolution(8, 4, kernel))
    assert layers(torch.zeros(1, 8, 3, 5)).shape == (1, 4, 6, 10)
    assert tuple(layers[0].weight.shape) == (8, 4, kernel, kernel)


@pytest.mark.parametrize(("variant", "kernel"), [("r50_k2", 2), ("r50_k3", 3)])
def test_kernel_variants_only_change_the_deconvolutions(variant: str, kernel: int) -> None:
    with torch.device("meta"):
        network = SimpleBaseline({"heatmaps": 17}, **SimpleBaseline.VARIANTS[variant])
    deconvs = (2048 + 256 + 256) * 256 * (16 - kernel**2)
    assert sum(p.numel() for p in network.parameters()) == PARAMS["r50"] - deconvs


@pytest.mark.parametrize("options", [{"deconv_kernel": 5}, {"layers": [3, 4]}, {"width": -1}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=r"given .*accepted"):
        SimpleBaseline({"heatmaps": 17}, **options)
