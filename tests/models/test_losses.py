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


def plain_masked_sse(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    total = predicted.new_zeros(())
    for n in range(predicted.shape[0]):
        for c in range(predicted.shape[1]):
            mask = weight[n, min(c, weight.shape[1] - 1)]
            total = total + ((predicted[n, c] - target[n, c]) * mask).square().sum() / 2
    return total / predicted.shape[0]


PLAIN = {"keypoint_mse": plain_keypoint_mse, "masked_sse": plain_masked_sse}


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


@pytest.mark.parametrize("top_k", [1, 3, 5])
def test_ohkm_equals_its_plain_loop(top_k: int) -> None:
    predicted, target, weight = draw()
    weight = weight * torch.rand(3, 5, 1, 1)
    total = predicted.new_zeros(())
    for n in range(3):
        of_keypoints = [
            0.5 * (weight[n, k] * (predicted[n, k] - target[n, k]) ** 2).mean() for k in range(5)
        ]
        total = total + sum(sorted(of_keypoints, key=float, reverse=True)[:top_k])
    plain = total / (3 * top_k)
    value = LOSSES["keypoint_mse"](top_k=top_k)(predicted, target, weight)
    torch.testing.assert_close(value, plain)
    given, expected = (torch.autograd.grad(v, predicted)[0] for v in (value, plain))
    torch.testing.assert_close(given, expected)
    chosen = given.flatten(2).any(-1).sum(1)
    assert (chosen <= top_k).all()


def test_ohkm_over_all_keypoints_is_the_plain_loss() -> None:
    predicted, target, weight = draw()
    every = LOSSES["keypoint_mse"](top_k=5)(predicted, target, weight)
    torch.testing.assert_close(every, LOSSES["keypoint_mse"]()(predicted, target, weight))


def test_ohkm_of_more_keypoints_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="top_k: given 6, accepted: 1 to 5"):
        LOSSES["keypoint_mse"](top_k=6)(*draw())
    for wrong in (0, 2.5):
        with pytest.raises(ValueError, match="a whole number from 1"):
            LOSSES["keypoint_mse"](top_k=wrong)


def test_shapes_must_agree() -> None:
    predicted, target, weight = draw()
    with pytest.raises(ValueError, match=r"predicted \(3, 5, 8, 6\) and target \(3, 1, 8, 6\)"):
        LOSSES["keypoint_mse"]()(predicted, target[:, :1], weight)
