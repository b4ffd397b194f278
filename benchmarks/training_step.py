"""Forward and backward of HRNet-W32 at 256x192 on one CPU thread: ours beside a plain build.

    python -m benchmarks.training_step [--batch 4] [--rounds 9] [--ways channels_last bf16 ...]

Plain: the same graph in the obvious way: every layer a module of its own, Python loops over
branches and fusions, `nn.Upsample`. Same weights, same images, same outputs. CPU time, both sides
alternating; ratio: the median over pairs of plain / ours, above 1 where ours is faster. Then what
channels_last, bf16 and, if asked for, compile make of ours, each in pairs with eager float32.
"""

from __future__ import annotations

import argparse
import copy
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from models.hrnet import HRNet

SIZE = (192, 256)  # width, height
CHANNELS = {"heatmaps": 17}
ENOUGH = 120.0  # seconds for the pairs of one comparison
WAYS = ("channels_last", "bf16", "compile", "channels_last+bf16", "channels_last+compile",
        "channels_last+bf16+compile")  # fmt: skip


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class PlainBasic(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(width, width, 3), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2, self.bn2 = convolution(width, width, 3), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        out += x
        return self.relu(out)


class PlainBottleneck(nn.Module):
    def __init__(self, inputs: int, planes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(inputs, planes, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = convolution(planes, planes, 3), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = convolution(planes, 4 * planes, 1), nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if inputs != 4 * planes:
            shortcut = convolution(inputs, 4 * planes, 1), nn.BatchNorm2d(4 * planes)
            self.downsample = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        out = self.relu(out)
        out = self.conv3(out)
        out = self.bn3(out)
        shortcut = x if self.downsample is None else self.downsample(x)
        out += shortcut
        return self.relu(out)


class PlainModule(nn.Module):
    """Four blocks on each branch, then all branches into the first `outputs` ones."""

    def __init__(self, widths: list[int], blocks: int, outputs: int) -> None:
        super().__init__()
        self.count = len(widths)
        self.branches = nn.ModuleList()
        for width in widths:
            self.branches.append(nn.Sequential(*[PlainBasic(width) for _ in range(blocks)]))
        self.fuse_layers = nn.ModuleList()
        for to in range(outputs):
            self.fuse_layers.append(nn.ModuleList([plain_path(widths, j, to) or nn.Identity()
                                                   for j in range(self.count)]))  # fmt: skip
        self.relu = nn.ReLU(False)

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        for i in range(self.count):
            x[i] = self.branches[i](x[i])
        fused = []
        for i in range(len(self.fuse_layers)):
            y = x[0] if i == 0 else self.fuse_layers[i][0](x[0])
            for j in range(1, self.count):
                if i == j:
                    y = y + x[j]
                else:
                    y = y + self.fuse_layers[i][j](x[j])
            fused.append(self.relu(y))
        return fused


def plain_path(widths: list[int], source: int, to: int) -> nn.Module | None:
    if source == to:
        return None
    if source > to:
        return nn.Sequential(
            convolution(widths[source], widths[to], 1),
            nn.BatchNorm2d(widths[to]),
            nn.Upsample(scale_factor=2 ** (source - to), mode="nearest"),
        )
    steps = []
    for n in range(to - source):
        last = n == to - source - 1
        width = widths[to] if last else widths[source]
        layers = [convolution(widths[source], width, 3, 2), nn.BatchNorm2d(width)]
        steps.append(nn.Sequential(*layers) if last else nn.Sequential(*layers, nn.ReLU(True)))
    return nn.Sequential(*steps)


class PlainHRNet(nn.Module):
    """Of `width` C, with the official names, which are ours."""

    def __init__(self, width: int, modules: Sequence[int], blocks: int, stem: int, depth: int):
        super().__init__()
        widths = [width * 2**i for i in range(4)]
        self.conv1, self.bn1 = convolution(3, stem, 3, 2), nn.BatchNorm2d(stem)
        self.conv2, self.bn2 = convolution(stem, stem, 3, 2), nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        inputs = [stem] + [4 * stem] * (depth - 1)
        self.layer1 = nn.Sequential(*[PlainBottleneck(i, stem) for i in inputs])
        before = [4 * stem]
        for number, count in enumerate(modules, start=2):
            after = widths[:number]
            self.add_module(f"transition{number - 1}", plain_transition(before, after))
            outputs = [number] * (count - 1) + [1 if number == 4 else number]
            stage = [PlainModule(after, blocks, n) for n in outputs]
            self.add_module(f"stage{number}", nn.Sequential(*stage))
            before = after
        self.final_layer = nn.Conv2d(width, CHANNELS["heatmaps"], 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = self.bn1(x)
        x = self.relu(x)
        x = self.conv2(x)
        x = self.bn2(x)
        x = self.relu(x)
        branches = [self.layer1(x)]
        for number in (2, 3, 4):
            widened = []
            for i, layer in enumerate(getattr(self, f"transition{number - 1}")):
                widened.append(layer(branches[min(i, len(branches) - 1)]))
            branches = getattr(self, f"stage{number}")(widened)
        out: Tensor = self.final_layer(branches[0])
        return out


def plain_transition(before: list[int], after: list[int]) -> nn.ModuleList:
    layers = nn.ModuleList()
    for i, width in enumerate(after):
        if i < len(before) and before[i] == width:
            layers.append(nn.Identity())
            continue
        new = i >= len(before)
        inputs, stride = (before[-1], 2) if new else (before[i], 1)
        path = [convolution(inputs, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(True)]
        layers.append(nn.Sequential(nn.Sequential(*path)) if new else nn.Sequential(*path))
    return layers


def both(variant: str = "w32") -> tuple[HRNet, PlainHRNet]:
    """Ours and the plain build, of the same weights, in training mode."""
    torch.manual_seed(0)
    options: dict[str, Any] = {**HRNet.VARIANTS[variant], "init": "kaiming"}
    ours = HRNet(CHANNELS, **options)
    plain = PlainHRNet(
        options["width"],
        options.get("modules", (1, 4, 3)),
        options.get("blocks", 4),
        options.get("stem", 64),
        options.get("bottlenecks", 4),
    )
    plain.load_state_dict(ours.state_dict())
    return ours.train(), plain.train()


def step(network: nn.Module, images: Tensor, target: Tensor, bf16: bool = False) -> float:
    """One forward and backward pass; the loss."""
    network.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
        out = network(images)
    heatmaps = out if isinstance(out, Tensor) else out[-1]["heatmaps"]
    loss = (heatmaps.float() - target).square().mean()
    loss.backward()
    return float(loss.detach())


def check(ours: nn.Module, plain: nn.Module, images: Tensor) -> float:
    """The largest difference of the two outputs, at most 1e-5."""
    one, other = ours(images)[-1]["heatmaps"], plain(images)
    away = float((one - other).detach().abs().max())
    if away > 1e-5:
        raise AssertionError(f"outputs differ by {away:.2e}, at most 1e-5 is the same graph")
    return away


def pairs(first: Callable[[], object], second: Callable[[], object], rounds: int) -> list[float]:
    """CPU seconds of `first` over those of `second`, pair by pair, who begins taking turns.

    At most `rounds` pairs, no new one after `ENOUGH` seconds.
    """
    ratios: list[float] = []
    began = time.perf_counter()
    while not ratios or (len(ratios) < rounds and time.perf_counter() - began < ENOUGH):
        spent = {}
        for side in (first, second) if len(ratios) % 2 else (second, first):
            start = time.process_time()
            side()
            spent[side] = time.process_time() - start
        ratios.append(spent[first] / spent[second])
    return ratios


def way_of(network: HRNet, way: str) -> HRNet:
    """A copy of the network that trains in another way."""
    changed = copy.deepcopy(network)
    if "channels_last" in way:
        changed = changed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if "compile" in way:
        changed.compile()
    return changed


def report(ours: HRNet, plain: PlainHRNet, batch: int, rounds: int, ways: Sequence[str]) -> None:
    torch.manual_seed(1)
    images = torch.randn(batch, 3, SIZE[1], SIZE[0])
    target = torch.rand(batch, CHANNELS["heatmaps"], SIZE[1] // 4, SIZE[0] // 4)
    print(f"outputs differ by at most {check(ours, plain, images):.1e}")

    def eager() -> float:
        return step(ours, images, target)

    step(plain, images, target)
    eager()
    start = time.process_time()
    eager()
    print(f"ours, eager float32: {(time.process_time() - start) / batch:.3f} CPU s per sample")
    found = pairs(lambda: step(plain, images, target), eager, rounds)
    print(f"plain / ours: {told(found)}")
    for way in ways:
        if "compile" in way and not shutil.which(os.environ.get("CXX", "g++")):
            print(f"{way}: not measured, no C++ compiler here (inductor needs g++ or $CXX)")
            continue
        network, layout = way_of(ours, way), torch.contiguous_format
        fed = images.contiguous(
            memory_format=torch.channels_last if "channels_last" in way else layout
        )
        started = time.perf_counter()
        step(network, fed, target, "bf16" in way)
        first = time.perf_counter() - started
        other = lambda n=network, f=fed, w=way: step(n, f, target, "bf16" in w)  # noqa: E731
        found = pairs(eager, other, max(rounds // 2, 1))
        print(f"eager float32 / {way}: {told(found)}; first step {first:.0f} s", flush=True)


def told(ratios: list[float]) -> str:
    return (f"{statistics.median(ratios):.3f} (median of {len(ratios)} pairs, "
            f"{min(ratios):.3f} to {max(ratios):.3f})")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=list(HRNet.VARIANTS), default="w32")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS[:2],
                        help="compile: minutes before the first step")  # fmt: skip
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    flags = torch.backends.cpu.get_cpu_capability()
    print(f"HRNet {given.variant}, {SIZE[0]}x{SIZE[1]}, batch {given.batch}, one thread, {flags}, "
          f"torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    report(*both(given.variant), given.batch, given.rounds, given.ways)


if __name__ == "__main__":
    main()
