"""What a network costs: parameters, multiply-accumulates in the four counts of papers, memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

BATCH = 2  # images at once where BatchNorm learns: it needs more than one value per channel


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
    return count_parts(network, input_size, 0).get("", Cost(0, 0, 0))


def count_parts(network: nn.Module, input_size: tuple[int, int], depth: int) -> dict[str, Cost]:
    """Cost by part of the network, in the order of its modules; computes nothing, as `count`.

    depth: how much of a module's name makes a part: 1 `stage4`, 2 `stage4.0`, 0 all (named "").
    """
    totals: dict[str, list[int]] = {}
    for name, parameter in network.named_parameters():
        totals.setdefault(_part(name, depth), [0, 0, 0])[0] += parameter.numel()

    def counts_as(part: str) -> Callable[..., None]:
        def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            for place, macs in enumerate(_macs(module, inputs[0], output), start=1):
                totals.setdefault(part, [0, 0, 0])[place] += macs

        return add

    counted = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [
        module.register_forward_hook(counts_as(_part(f"{name}.weight", depth)))
        for name, module in network.named_modules()
        if isinstance(module, counted)
    ]
    try:
        _run_on_meta(network, input_size)
    finally:
        for hook in hooks:
            hook.remove()
    return {part: Cost(*total) for part, total in totals.items()}


def _part(parameter: str, depth: int) -> str:
    return ".".join(parameter.split(".")[:-1][:depth])


def saved_bytes(network: nn.Module, input_size: tuple[int, int]) -> int:
    """What a training step keeps of one image from the forward pass to the backward pass.

    Bytes of the tensors that autograd saves in float32, each memory counted once, without the
    weights: the part of a step's peak that grows with the batch. Under bf16 it is about half.
    """
    own = {tensor.untyped_storage()._cdata for tensor in network.parameters()}
    saved: dict[int, Tensor] = {}  # kept alive, so that no memory is given out twice

    def keep(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor
        return tensor

    width, height = input_size
    images = torch.empty(BATCH, 3, height, width, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        stages = network(images)
    total = sum(t.untyped_storage().nbytes() for key, t in saved.items() if key not in own)
    del stages
    return total // BATCH


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
    """One forward pass in eval mode with weights that have shapes but no values.

    BatchNorm, which changes no shape and takes most of the time there, is stepped over.
    """
    width, height = input_size
    named = (*network.named_parameters(), *network.named_buffers())
    state = {name: value.to("meta") for name, value in named}
    modes = {module: module.training for module in network.modules()}
    network.eval()
    norms = [m for m in modes if isinstance(m, nn.BatchNorm2d) and "forward" not in vars(m)]
    for norm in norms:
        norm.forward = lambda x: x  # type: ignore[method-assign,assignment]
    try:
        with torch.no_grad():
            functional_call(network, state, (torch.empty(1, 3, height, width, device="meta"),))
    finally:
        for norm in norms:
            del norm.forward
        for module, training in modes.items():
            module.training = training
