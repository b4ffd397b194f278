"""What chips can do at most, as their makers' data sheets say, and how fast a step may get by that.

Of `gpu_training.py` and `gpu_ddp.py`; measures nothing itself.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from models import cost


class Chip(NamedTuple):
    """TFLOP/s without sparsity (data sheets that count sparsity print twice as much) in plain
    float32, TF32 and bf16 with float32 sums; TB/s of its memory."""

    plain: float
    tf32: float
    half: float
    bandwidth: float


CHIPS = {  # by part of the device's name; the longest that fits counts
    "A100": Chip(19.5, 156.0, 312.0, 1.555),
    "A100-SXM4-80GB": Chip(19.5, 156.0, 312.0, 2.039),
    "A100 80GB PCIe": Chip(19.5, 156.0, 312.0, 1.935),
    "A10": Chip(31.2, 62.5, 125.0, 0.600),
    "A30": Chip(10.3, 82.0, 165.0, 0.933),
    "H100": Chip(66.9, 494.7, 989.4, 3.35),
    "H100 PCIe": Chip(51.2, 378.0, 756.0, 2.0),
    "H200": Chip(66.9, 494.7, 989.4, 4.8),
    "L4": Chip(30.3, 60.0, 121.0, 0.300),
    "L40S": Chip(91.6, 183.0, 362.0, 0.864),
    "RTX 3090": Chip(35.6, 35.6, 71.0, 0.936),
    "RTX 4090": Chip(82.6, 82.6, 165.2, 1.008),
}


class Wall(NamedTuple):
    """samples_per_second that no training can pass; by: "arithmetic" or "memory"."""

    samples_per_second: float
    by: str


def chip_of(device: str) -> Chip | None:
    """The chip of a device of that name; None where the table above does not have it."""
    fitting = [name for name in CHIPS if name in device]
    return CHIPS[max(fitting, key=len)] if fitting else None


def flops_per_sample(network: nn.Module, input_size: tuple[int, int]) -> float:
    """Of a training step: 2 per multiply-accumulate, the backward pass twice the forward one."""
    return 3 * 2 * cost.count(network, input_size).macs_exact


def bytes_per_sample(network: nn.Module, input_size: tuple[int, int], precision: str) -> float:
    """That a training step moves at least: what the forward pass keeps for the backward pass is
    written once and read once; weights, which all samples of a batch share, are left out."""
    return 2 * cost.saved_bytes(network, input_size) * (1.0 if precision == "fp32" else 0.5)


def wall(chip: Chip, flops: float, moved: float, precision: str, tf32: bool) -> Wall:
    """flops, moved: of a sample; whichever takes longer at the listed peak is the wall."""
    peak = chip.half if precision != "fp32" else chip.tf32 if tf32 else chip.plain
    seconds = {"arithmetic": flops / (peak * 1e12), "memory": moved / (chip.bandwidth * 1e12)}
    by = max(seconds, key=lambda name: seconds[name])
    return Wall(1 / seconds[by], by)


def versions() -> str:
    """Of what decides speed."""
    told = [f"torch {torch.__version__}"]
    if torch.cuda.is_available():
        nccl = ".".join(map(str, torch.cuda.nccl.version()))  # type: ignore[no-untyped-call]
        told += [f"CUDA {torch.version.cuda}", f"cuDNN {torch.backends.cudnn.version()}"]
        told += [f"NCCL {nccl}"]
    return ", ".join(told)
