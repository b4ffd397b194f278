"""Initial weights and checks of options."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.layers import Bottleneck, check_counts, initialise, split_fields


def test_small_normal_is_the_published_initialisation() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(64, 64, 3), nn.ConvTranspose2d(64, 64, 4), nn.BatchNorm2d(64))
    initialise(network, "small_normal")
    for module in network[:2]:
        assert module.weight.std().item() == pytest.approx(0.001, rel=0.05)
        assert abs(module.weight.mean().item()) < 1e-5
        assert not module.bias.any()
    assert torch.equal(network[2].weight, torch.ones(64))


def test_kaiming_spares_what_paints_fields() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(64, 64, 3, bias=False), nn.Conv2d(64, 17, 1))
    initialise(network, "kaiming")
    assert network[0].weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    assert network[1].weight.std().item() == pytest.approx(0.001, rel=0.1)


def test_unknown_initialisation_is_refused() -> None:
    with pytest.raises(ValueError, match="init: given 'zeros', accepted"):
        initialise(nn.Conv2d(1, 1, 1), "zeros")


@pytest.mark.parametrize("given", [(1, 2), (1, 2, 0), (1, 2, 1.5)])
def test_counts_are_whole_numbers(given: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"layers: given .*accepted: 3 whole"):
        check_counts("layers", given, 3)


@pytest.mark.parametrize(("inputs", "stride"), [(16, 1), (64, 1), (64, 2)])
def test_bottleneck_has_a_shortcut_where_the_shape_changes(inputs: int, stride: int) -> None:
    block = Bottleneck(inputs, 16, stride)
    assert isinstance(block.downsample, nn.Identity) == (inputs == 64 and stride == 1)
    assert block(torch.zeros(1, inputs, 8, 8)).shape == (1, 64, 8 // stride, 8 // stride)


def test_fields_are_split_in_order() -> None:
    fields = split_fields(torch.arange(3.0).view(1, 3, 1, 1), {"heatmaps": 2, "tags": 1})
    assert fields["heatmaps"].flatten().tolist() == [0, 1]
    assert fields["tags"].flatten().tolist() == [2]


def test_kaiming_spares_the_painters_that_are_named_and_no_bias() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(64, 64, 3), nn.Sequential(nn.Conv2d(64, 64, 1, bias=False)))
    initialise(network, "kaiming", [network[1]])
    assert network[0].weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    assert not network[0].bias.any()
    assert network[1][0].weight.std().item() == pytest.approx(0.001, rel=0.1)


def test_kaiming_sees_the_fan_of_one_group() -> None:
    torch.manual_seed(0)
    depthwise = nn.Conv2d(512, 512, 3, groups=512, bias=False)
    initialise(depthwise, "kaiming")
    assert depthwise.weight.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.05)


def test_torch_leaves_weights_as_they_were_drawn() -> None:
    layer = nn.Conv2d(8, 8, 3)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    initialise(layer, "torch")
    assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())
