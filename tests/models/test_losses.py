"""Every loss equals its plain loop in value and gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from models.menus import LOSSES


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


def plain_masked_mse(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    total = predicted.new_zeros(())
    for n in range(predicted.shape[0]):
        for c in range(predicted.shape[1]):
            mask = weight[n, min(c, weight.shape[1] - 1)]
            total = total + ((predicted[n, c] - target[n, c]) ** 2 * mask).mean()
    return total / (predicted.shape[0] * predicted.shape[1])


def plain_pull_push(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Person by person, keypoint by keypoint; weights are 0 or 1."""
    total = predicted.new_zeros(())
    weight = weight.expand(target.shape)
    for image, cells, counted in zip(predicted, target, weight, strict=True):
        means, pull, push = [], predicted.new_zeros(()), predicted.new_zeros(())
        for person, counts in zip(cells.tolist(), counted.tolist(), strict=True):
            marked = [(k, cell) for k, cell in enumerate(person) if cell >= 0 and counts[k] > 0]
            if not marked:
                continue
            tags = [image[k, cell // image.shape[2], cell % image.shape[2]] for k, cell in marked]
            means.append(sum(tags) / len(tags))
            pull = pull + sum((tag - means[-1]) ** 2 for tag in tags) / len(tags)
        for n, one in enumerate(means):
            for m, other in enumerate(means):
                push = push + (torch.exp(-((one - other) ** 2)) if n != m else 0.0)
        pairs = len(means) * (len(means) - 1)
        total = total + pull / max(len(means), 1) + 0.5 * push / max(pairs, 1)
    return total / len(predicted)


PLAIN = {
    "keypoint_mse": plain_keypoint_mse,
    "masked_mse": plain_masked_mse,
    "masked_sse": plain_masked_sse,
    "pull_push": plain_pull_push,
}


def draw(name: str = "keypoint_mse") -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    weight = (torch.rand(3, 5, 1, 1) > 0.3).float()
    predicted, target = torch.randn(3, 5, 8, 6, requires_grad=True), torch.rand(3, 5, 8, 6)
    if name != "pull_push":
        return predicted, target, weight
    cells = torch.randint(-20, 48, (3, 6, 5)).clamp_min(-1)
    cells[0] = -1  # nobody
    cells[1, 1:] = -1  # one person
    cells[2, 3] = cells[2, 2]  # two people in one place
    return predicted, cells, (torch.rand(3, 6, 5) > 0.1).float()


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_equals_its_plain_loop(name: str) -> None:
    predicted, target, weight = draw(name)
    values, gradients = [], []
    for loss in (LOSSES[name](), PLAIN[name]):
        value = loss(predicted, target, weight)
        values.append(value)
        gradients.append(torch.autograd.grad(value, predicted)[0])
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_what_is_masked_has_no_gradient(name: str) -> None:
    predicted, target, weight = draw(name)
    LOSSES[name]()(predicted, target, weight).backward()
    assert predicted.grad.any()
    assert not predicted.grad[masked(predicted, target, weight)].any()
    predicted.grad = None
    LOSSES[name]()(predicted, target, torch.zeros_like(weight)).backward()
    assert not predicted.grad.any()


def masked(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    if target.is_floating_point():
        return weight.expand_as(predicted) == 0
    counted = torch.zeros(predicted.shape, dtype=torch.bool)
    for b, n, k in torch.nonzero((target >= 0) & (weight > 0)).tolist():
        counted[b, k].view(-1)[target[b, n, k]] = True
    return ~counted


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_is_computed_in_float32(name: str, kind: torch.dtype) -> None:
    predicted, target, weight = draw(name)
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
    with pytest.raises(ValueError, match=r"masked_mse: predicted \(3, 5, 8, 6\) and target"):
        LOSSES["masked_mse"]()(predicted, target[:, :1], weight)
    cells = r"target \(3, 5, 8, 6\), accepted: a target of cells \[3, N, 5\]"
    with pytest.raises(ValueError, match=cells):
        LOSSES["pull_push"]()(predicted, target, weight)


def test_the_tag_loss_takes_about_100_operations_for_any_number_of_people() -> None:
    counts = []
    for people in (2, 30):
        predicted = torch.randn(2, 17, 16, 16, requires_grad=True)
        cells = torch.randint(0, 256, (2, people, 17))
        with Counted() as counted:
            LOSSES["pull_push"]()(predicted, cells, torch.ones(cells.shape)).backward()
        counts.append(counted.operations)
    assert counts[0] == counts[1] <= 110


def test_tags_of_nobody_and_tags_that_are_not_finite_elsewhere_cost_nothing() -> None:
    predicted = torch.full((2, 3, 4, 4), torch.nan)
    predicted[:, :, 1, 1] = 2.0
    predicted.requires_grad_()
    cells = torch.full((2, 2, 3), -1)
    cells[1, 0] = 5
    value = LOSSES["pull_push"]()(predicted, cells, torch.ones(cells.shape))
    value.backward()
    assert float(value) == 0
    assert not predicted.grad.any()


def test_weights_of_the_tag_loss_scale_its_two_parts() -> None:
    predicted, cells, weight = draw("pull_push")
    pull, push, both = (
        float(LOSSES["pull_push"](pull_weight=a, push_weight=b)(predicted, cells, weight))
        for a, b in ((1.0, 0.0), (0.0, 1.0), (2.0, 3.0))
    )
    assert pull > 0
    assert push > 0
    assert both == pytest.approx(2 * pull + 3 * push)
    with pytest.raises(ValueError, match="push_weight: given -1, accepted: from 0"):
        LOSSES["pull_push"](push_weight=-1)


class Counted(TorchDispatchMode):
    """Counts tensor operations, views included."""

    operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        return func(*args, **(kwargs or {}))
