"""Where networks run: the card where there is one, else the CPU, or as it was asked for."""

from __future__ import annotations

import torch

from data.ground.refusal import refusal


def chosen_device(given: str | None) -> torch.device:
    """given: cpu, cuda, cuda:1...; None: the card where there is one.

    Raises ValueError for a device that is none, or not here.
    """
    cards = torch.cuda.device_count()
    if given is None:
        return torch.device("cuda" if cards else "cpu")
    accepted = ", ".join(["cpu", *(f"cuda:{n}" for n in range(cards))])
    try:
        device = torch.device(given)
    except RuntimeError as error:
        raise refusal("device", given=given, accepted=accepted) from error
    there = {"cpu": 1, "cuda": cards}.get(device.type, 0)
    if (device.index or 0) >= there:
        raise refusal("device", given=given, accepted=accepted)
    return device
