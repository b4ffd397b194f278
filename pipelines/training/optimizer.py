"""The optimizer, the learning rate of each step, the average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from data.ground.refusal import refusal
from models.contracts import Network
from pipelines.recipe import schema as recipe


def build_optimizer(
    settings: recipe.Optimizer, network: nn.Module, fused: bool = False
) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD with momentum over all parameters that learn, in the recipe's groups.

    fused: all weights by one kernel, where they lie on CUDA. Raises ValueError where a group of
    the recipe matches no parameter.
    """
    learning = parameter_groups(settings, network)
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    common |= {"fused": True} if fused else {}  # else torch chooses
    if settings.name == "adam":
        return torch.optim.Adam(learning, **common)
    if settings.name == "adamw":
        return torch.optim.AdamW(learning, **common)
    return torch.optim.SGD(learning, momentum=settings.momentum, **common)


def parameter_groups(settings: recipe.Optimizer, network: nn.Module) -> list[dict[str, Any]]:
    """What torch's optimizers take: each parameter in the first group that it matches, or none."""
    groups: list[dict[str, Any]] = [
        {"params": [], "factor": group.learning_rate_factor}
        | ({} if group.weight_decay is None else {"weight_decay": group.weight_decay})
        for group in settings.groups
    ]
    rest: dict[str, Any] = {"params": [], "factor": 1.0}
    for name, kind, parameter in _kinds(network):
        fitting = (n for n, g in enumerate(settings.groups) if _belongs(name, kind, g))
        place = next(fitting, None)
        (rest if place is None else groups[place])["params"].append(parameter)
    for n, group in enumerate(groups):
        if not group["params"]:
            kinds, part = settings.groups[n].kinds, settings.groups[n].part or "all"
            raise refusal(
                f"optimizer.groups[{n}]",
                given=f"{', '.join(kinds)} of {part}",
                accepted="what matches a parameter that no earlier group takes",
                do=f"the network's parts: {', '.join(dict(network.named_children()))}",
            )
    return [group for group in (rest, *groups) if group["params"]]


def _belongs(name: str, kind: str, group: recipe.ParameterGroup) -> bool:
    inside = not group.part or name == group.part or name.startswith(f"{group.part}.")
    return inside and kind in group.kinds


def _kinds(network: nn.Module) -> Iterator[tuple[str, str, nn.Parameter]]:
    """(name, kind, parameter) of all that learn: weight, bias, depthwise_weight, norm_..."""
    for module_name, module in network.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            kind = "bias" if name == "bias" else "weight"
            if isinstance(module, nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm):
                kind = f"norm_{kind}"
            elif kind == "weight" and 1 < getattr(module, "groups", 1) == parameter.shape[0]:
                kind = "depthwise_weight"
            if parameter.requires_grad:
                yield f"{module_name}.{name}", kind, parameter


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Takes a state over, of another kind of device too: how it steps stays its own."""
    both = zip(state["param_groups"], optimizer.param_groups, strict=True)
    groups = [{**kept, "fused": ours["fused"]} for kept, ours in both]
    optimizer.load_state_dict({**state, "param_groups": groups})


def rate_factor(settings: recipe.Schedule, step: int, steps_per_epoch: int, epochs: int) -> float:
    """What the learning rate of optimizer step `step` (0-based, of all epochs) is multiplied with.

    A function of the step alone, so that a resumed training needs no state for it.
    """
    warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    if settings.name == "multi_step":
        passed = sum(step // steps_per_epoch >= milestone for milestone in settings.milestones)
        return float(warm * settings.factor**passed)
    last = steps_per_epoch * epochs - 1
    through = (step - settings.warmup_steps) / max(1, last - settings.warmup_steps)
    wave = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, through))))
    return float(warm * (settings.final_factor + (1 - settings.final_factor) * wave))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


class Average:
    """Exponential moving average of a network, parameters and buffers, in a copy of it.

    After n updates the decay is min(decay, (1 + n) / (10 + n)), so that the first random weights
    are soon forgotten. Whole-number buffers are copied.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.network: Network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.updates += 1
        keep = min(self.decay, (1 + self.updates) / (10 + self.updates))
        ours, theirs = _tensors(self.network), _tensors(network)
        for whole in (False, True):
            mine = [t for t in ours if t.is_floating_point() != whole]
            new = [t for t in theirs if t.is_floating_point() != whole]
            if whole and mine:
                torch._foreach_copy_(mine, new)
            elif mine:
                torch._foreach_lerp_(mine, new, 1 - keep)

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "network": self.network.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates = int(state["updates"])
        self.network.load_state_dict(state["network"])


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
