"""Every loss equals its plain loop in value and gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models import LOSSES


def plain_keypoint_mse(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    total = predicted.new_zeros(())
    for k in range(predicted.shape[1]):
        squares = (predicted[:, k] - target[:, k]) ** 2
        total = total + 0.5 * (squares * weight[:, k]).mean()
    return total / predicted.shape[1]


PLAIN = {"keypoint_mse": plain_keypoint_mse}


def draw() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    weight = (torch.rand(3, 5, 1, 1) > 0.3).float()
    return torch.randn(3, 5, 8, 6, requires_grad=True), torch.rand(3, 5, 8, 6), weight


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_equals_its_plain_loop(name: str) -> None:
    predicted, target, weight = draw()
    values, gradients = [], []
    for loss in (LOSSES[name](), PLAIN[name]):
        value = loss(predicted, target, weight)
        values.append(value)
        gradients.append(torch.autograd.grad(value, predicted)[0])
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_what_is_masked_has_no_gradient(name: str) -> None:
    predicted, target, weight = draw()
    LOSSES[name]()(predicted, target, weight).backward()
    assert not predicted.grad[weight.expand_as(predicted) == 0].any()
    predicted.grad = None
    LOSSES[name]()(predicted, target, torch.zeros(3, 5, 1, 1)).backward()
    assert not predicted.grad.any()


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_is_computed_in_float32(name: str, kind: torch.dtype) -> None:
    predicted, target, weight = draw()
    low = (predicted.detach() * 300).to(kind)  # squares overflow float16
    with torch.autocast("cpu", torch.bfloat16):
        value = LOSSES[name]()(low, target, weight)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, PLAIN[name](low.float(), target, weight))


def test_shapes_must_agree() -> None:
    predicted, target, weight = draw()
    with pytest.raises(ValueError, match=r"predicted \(3, 5, 8, 6\) and target \(3, 1, 8, 6\)"):
        LOSSES["keypoint_mse"]()(predicted, target[:, :1], weight)
