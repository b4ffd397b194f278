"""Blocks that several papers share, checks of what a network is given, splitting into fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from models.contracts import Fields, Network
from models.refusal import refusal


class Bottleneck(nn.Module):
    """ResNet's bottleneck, torchvision's form (stride on the 3x3): -> 4 x `planes` channels.

    x -> 1x1 planes -> 3x3 planes, stride -> 1x1 4 planes -> + shortcut(x) -> ReLU; the shortcut
    is a 1x1 (`downsample`) where the shape changes. He et al. 2016, arXiv:1512.03385, figure 5.
    """

    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != 4 * planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def bottlenecks(
    inputs: int,
    planes: int,
    count: int,
    stride: int = 1,
    block: Callable[[int, int, int], nn.Module] = Bottleneck,
) -> nn.Sequential:
    """`count` bottlenecks, the first with `stride`: one `layerN` of a ResNet."""
    first = block(inputs, planes, stride)
    return nn.Sequential(first, *(block(4 * planes, planes, 1) for _ in range(count - 1)))


class ResNetTrunk(Network):
    """A ResNet's stem and its first layers, torchvision's names: images -> [B, C, h, w] of each.

    Layer i has `layers[i]` bottlenecks of `width` * 2**i planes, so 4 * `width` * 2**i channels,
    at stride 4 * 2**i, sides rounded up.
    """

    def __init__(
        self,
        layers: Sequence[int],
        width: int,
        block: Callable[[int, int, int], nn.Module] = Bottleneck,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs, self.names = width, [f"layer{i + 1}" for i in range(len(layers))]
        for i, (name, count) in enumerate(zip(self.names, layers, strict=True)):
            planes, stride = width * 2**i, 1 if i == 0 else 2
            self.add_module(name, bottlenecks(inputs, planes, count, stride, block))
            inputs = 4 * planes

    def pyramid(self, images: Tensor) -> list[Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        levels = []
        for name in self.names:
            x = getattr(self, name)(x)
            levels.append(x)
        return levels


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def split_fields(painted: Tensor, channels: dict[str, int]) -> Fields:
    """[B, sum of channels, h, w] -> {field: [B, C, h, w]}, in the order of `channels`."""
    return dict(zip(channels, painted.split(list(channels.values()), dim=1), strict=True))


def check_channels(channels: dict[str, int]) -> None:
    """ValueError unless `channels` names at least one field of at least one channel."""
    if not channels or min(channels.values()) < 1:
        raise refusal("channels", given=channels, accepted="{field: channels >= 1}")


def check_fields(channels: dict[str, int], fields: Sequence[str]) -> None:
    """ValueError unless `channels` are of exactly these fields, each with at least one channel."""
    check_channels(channels)
    if set(channels) != set(fields):
        only = f"this network paints {' and '.join(fields)} and nothing else"
        raise refusal(
            "channels",
            given=channels,
            accepted=f"{{{', '.join(fields)}}}",
            do=f"{only}: choose a codec that writes them",
        )


def check_counts(name: str, given: Sequence[int], length: int) -> None:
    """ValueError unless the option `name` holds `length` whole numbers of at least 1."""
    whole = all(isinstance(value, int) and value >= 1 for value in given)
    if len(given) != length or not whole:
        raise refusal(name, given=list(given), accepted=f"{length} whole numbers >= 1")


def check_reduction(given: int) -> None:
    """ValueError unless `se_reduction` is 0, which is without SE, or channels per hidden one."""
    if not isinstance(given, int) or given < 0:
        raise refusal("se_reduction", given=given, accepted="a whole number >= 0 (0: without SE)")


def check_input(images: Tensor, divisor: int) -> None:
    """ValueError unless images are [B, 3, H, W] with H and W multiples of `divisor`."""
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] != 3 or shape[2] % divisor or shape[3] % divisor:
        raise refusal(
            "images",
            fault=f"given shape {shape}",
            accepted=f"[B, 3, H, W] with H and W multiples of {divisor}",
            do="change the recipe's input_size",
        )


def initialise(network: nn.Module, init: str, painters: Iterable[nn.Module] | None = None) -> None:
    """Draw the weights of every convolution; biases 0, BatchNorm 1 and 0 (torch's default).

    "small_normal": N(0, 0.001), what HRNet and SimpleBaseline publish; meant for what stands
    on a pretrained trunk. "kaiming": He et al. 2015, fan out, for a network trained from
    scratch; what paints fields stays at N(0, 0.001): the convolutions in `painters`, by default
    all those with a bias. "torch": as torch drew them when they were built.
    """
    if init not in ("small_normal", "kaiming", "torch"):
        raise refusal("init", given=init, accepted="'small_normal', 'kaiming', 'torch'")
    spared = None if painters is None else {m for part in painters for m in part.modules()}
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d) or module.weight.is_meta:
            continue  # on the meta device there is nothing to draw, and drawing is slow
        paints = module.bias is not None if spared is None else module in spared
        if init == "kaiming" and not paints:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            with torch.no_grad():  # torch's fan out is of all groups together
                module.weight.mul_(module.groups**0.5)
        elif init != "torch":
            nn.init.normal_(module.weight, std=0.001)
        if module.bias is not None and init != "torch":
            nn.init.zeros_(module.bias)
