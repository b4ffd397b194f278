"""AE hourglass costs what papers print; stacks feed on what was painted, unread channels too."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.ae_hourglass import AEHourglass
from models.cost import count


def build(
    variant: str, device: str = "meta", keypoints: int = 17, **options: object
) -> AEHourglass:
    torch.manual_seed(0)
    channels = {"heatmaps": keypoints, "tags": keypoints}
    with torch.device(device):
        return AEHourglass(channels, **AEHourglass.VARIANTS[variant] | options)


def test_costs_what_the_papers_print() -> None:
    cost = count(build("stacks_4"), (512, 512))
    assert cost.params == 138_893_840
    assert (round(cost.exact_gi, 3), round(cost.exact_g, 3)) == (206.949, 222.210)
    assert 2 * cost.params / 1e6 == pytest.approx(277.8, abs=0.05)  # counted twice in print


@pytest.mark.parametrize(("keypoints", "painted"), [(17, 68), (14, 56)])
def test_four_channels_per_keypoint_two_of_them_read(keypoints: int, painted: int) -> None:
    network = build("stacks_4", keypoints=keypoints)
    assert [stack.paint.out_channels for stack in network.stacks] == [painted] * 4
    assert network.outputs == [{"heatmaps": (keypoints, 4), "tags": (keypoints, 4)}] * 4


def test_the_next_stack_sees_features_and_all_that_was_painted() -> None:
    network = build("demo", "cpu").eval()
    images = torch.randn(1, 3, 64, 64)
    x = network.pre(images)
    features, painted = network.stacks[0](x)
    x = x + network.merge_features[0](features) + network.merge_painted[0](painted)
    _, expected = network.stacks[1](x)
    first, second = network(images)
    torch.testing.assert_close(torch.cat([first["heatmaps"], first["tags"]], 1), painted[:, :34])
    torch.testing.assert_close(torch.cat([second["heatmaps"], second["tags"]], 1), expected[:, :34])


def test_no_norm_and_a_relu_after_every_3x3() -> None:
    network = build("stacks_4")
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    wide = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
    assert len(wide) == sum(isinstance(module, nn.ReLU) for module in network.modules())
    assert len(wide) == 4 + 4 * (3 * 4 + 1 + 2)


@pytest.mark.parametrize("options", [{"stacks": 0}, {"width": 2}, {"sizes": 1.5}, {"init": "x"}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"given .*accepted"):
        build("demo", **options)
