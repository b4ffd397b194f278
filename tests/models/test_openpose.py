"""OpenPose costs what is quoted; stages see the trunk and the fields before; VGG-19 fills it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.cost import count
from models.openpose import OpenPose
from models.weights import load_trunk

# torchvision's VGG-19: index among `features` -> channels in, out
VGG19 = {
    0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256),
    14: (256, 256), 16: (256, 256), 19: (256, 512), 21: (512, 512), 23: (512, 512),
    25: (512, 512), 28: (512, 512), 30: (512, 512), 32: (512, 512), 34: (512, 512),
}  # fmt: skip


def build(variant: str, device: str = "meta", **options: object) -> OpenPose:
    torch.manual_seed(0)
    with torch.device(device):
        return OpenPose({"heatmaps": 19, "pafs": 38}, **OpenPose.VARIANTS[variant] | options)


@pytest.mark.parametrize(
    ("variant", "params", "exact_g"),
    [("stages_3", 25_956_971, 80.178), ("stages_6", 52_311_446, 135.934)],
)
def test_costs_what_is_quoted(variant: str, params: int, exact_g: float) -> None:
    cost = count(build(variant), (368, 368))
    assert (cost.params, round(cost.exact_g, 3)) == (params, exact_g)
    if variant == "stages_3":
        assert round(2 * cost.exact_g) == 160  # two per multiply-accumulate


def test_later_stages_see_the_trunk_and_the_fields_before() -> None:
    network = build("demo", "cpu").eval()
    images = torch.randn(1, 3, 64, 64)
    features = network.reduce(network.features(images))
    first, second = network(images)
    seen = torch.cat([features, first["pafs"], first["heatmaps"]], dim=1)
    for field in ("pafs", "heatmaps"):
        expected = getattr(network.stages[1], field)(seen)
        torch.testing.assert_close(second[field], expected)


def imagenet_vgg() -> dict[str, Tensor]:
    shapes: dict[str, tuple[int, ...]] = {"classifier.6.weight": (1000, 4096)}
    for index, (inputs, outputs) in VGG19.items():
        shapes[f"features.{index}.weight"] = (outputs, inputs, 3, 3)
        shapes[f"features.{index}.bias"] = (outputs,)
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def test_imagenet_vgg_fills_the_trunk() -> None:
    network = build("stages_6")
    report = load_trunk(network, imagenet_vgg())
    assert (report.share, len(report.loaded)) == (1.0, 20)
    assert {key.split(".")[0] for key in report.missing} == {"reduce", "stages"}
    late = {key for key in report.left_out if key.startswith("features.")}
    assert {int(key.split(".")[1]) for key in late} == {23, 25, 28, 30, 32, 34}


def test_the_trunk_paints_at_stride_eight() -> None:
    x = build("demo", "cpu").features(torch.zeros(1, 3, 64, 40))
    assert tuple(x.shape) == (1, 32, 8, 5)


@pytest.mark.parametrize("options", [{"stages": 0}, {"trunk": (8, 8)}, {"width": 0}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"given .*accepted"):
        build("demo", **options)
