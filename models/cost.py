"""What a network costs: parameters and multiply-accumulates, in the four counts papers print."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call


@dataclass(frozen=True)
class Cost:
    """Of one image. Convolutions and linear layers only, without biases.

    `macs_exact`: a transposed convolution costs its weights x cells of its *input*.
    `macs_hr`: as HRNet's `get_model_summary` counts it, weights x cells of its *output*, four
    times too many at stride 2. "G" divides by 1e9, "Gi" by 2^30; papers print all four.
    """

    params: int
    macs_exact: int
    macs_hr: int

    @property
    def exact_g(self) -> float:
        return self.macs_exact / 1e9

    @property
    def exact_gi(self) -> float:
        return self.macs_exact / 2**30

    @property
    def hr_g(self) -> float:
        return self.macs_hr / 1e9

    @property
    def hr_gi(self) -> float:
        return self.macs_hr / 2**30


def count(network: nn.Module, input_size: tuple[int, int]) -> Cost:
    """Cost of one image of `input_size` (width, height). Computes nothing: shapes only.

    The network's weights, buffers and training mode stay as they are.
    """
    totals = {"exact": 0, "hr": 0}

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        exact, hr = _macs(module, inputs[0], output)
        totals["exact"] += exact
        totals["hr"] += hr

    counted = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    leaves = [module for module in network.modules() if isinstance(module, counted)]
    hooks = [module.register_forward_hook(add) for module in leaves]
    try:
        _run_on_meta(network, input_size)
    finally:
        for hook in hooks:
            hook.remove()
    params = sum(parameter.numel() for parameter in network.parameters())
    return Cost(params, totals["exact"], totals["hr"])


def _macs(module: nn.Module, given: Tensor, output: Tensor) -> tuple[int, int]:
    """(exact, HR) multiply-accumulates of one call, for a batch of one."""
    assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    weights = module.weight.numel()
    if isinstance(module, nn.Linear):
        rows = output.numel() // module.out_features
        return weights * rows, weights * rows
    cells_out = output.shape[-2] * output.shape[-1]
    if isinstance(module, nn.ConvTranspose2d):
        return weights * given.shape[-2] * given.shape[-1], weights * cells_out
    return weights * cells_out, weights * cells_out


def _run_on_meta(network: nn.Module, input_size: tuple[int, int]) -> None:
    """One forward pass in eval mode with weights that have shapes but no values."""
    width, height = input_size
    named = (*network.named_parameters(), *network.named_buffers())
    state = {name: value.to("meta") for name, value in named}
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad():
            functional_call(network, state, (torch.empty(1, 3, height, width, device="meta"),))
    finally:
        for module, training in modes.items():
            module.training = training
