"""Losses: how far one painted field is from the written one, as a scalar."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class KeypointMSE:
    """Half the mean squared error of each keypoint's map, averaged over keypoints.

    predicted, target [B, K, h, w]; weight broadcasts to them, [B, K, 1, 1] as a rule, 0 where a
    keypoint has no label. Masked cells count in the mean as 0, as in HRNet and SimpleBaseline
    (arXiv:1902.09212, section 3), so that the losses of equal parts of a batch average to the
    whole. Computed in float32 under any autocast.

    top_k: of each sample only the so many keypoints of the largest loss count, the mean is over
    them; those without a label lose 0. OHKM: Chen et al., Cascaded Pyramid Network, CVPR 2018,
    section 3.2.
    """

    top_k: int | None = None

    def __post_init__(self) -> None:
        if self.top_k is not None and (not isinstance(self.top_k, int) or self.top_k < 1):
            raise ValueError(f"keypoint_mse: top_k: given {self.top_k!r}, accepted: a whole "
                             "number from 1, or null")  # fmt: skip

    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        if predicted.shape != target.shape:
            raise ValueError(
                f"keypoint_mse: predicted {tuple(predicted.shape)} and target "
                f"{tuple(target.shape)} must have one shape"
            )
        difference = predicted.float() - target.float()
        squares = weight.float() * difference * difference
        if self.top_k is None:
            return 0.5 * squares.mean()
        of_keypoints = squares.mean(dim=(2, 3))  # [B, K]
        if self.top_k > of_keypoints.shape[1]:
            raise ValueError(f"keypoint_mse: top_k: given {self.top_k}, accepted: 1 to "
                             f"{of_keypoints.shape[1]}, the number of keypoints")  # fmt: skip
        return 0.5 * of_keypoints.topk(self.top_k, dim=1).values.mean()


@dataclass(frozen=True)
class MaskedSSE:
    """Half the sum of squared errors of a whole field, over the number of images.

    predicted, target [B, C, h, w]; weight broadcasts to them, [B, 1, h, w] as a rule, 0 over
    crowds, and multiplies the error before it is squared. As Lightweight OpenPose trains
    (arXiv:1811.12004) after OpenPose (arXiv:1611.08050, equation 5). In float32 under any autocast.
    """

    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        if predicted.shape != target.shape:
            raise ValueError(
                f"masked_sse: predicted {tuple(predicted.shape)} and target "
                f"{tuple(target.shape)} must have one shape"
            )
        error = (predicted.float() - target.float()) * weight.float()
        return 0.5 * (error * error).sum() / predicted.shape[0]


@dataclass(frozen=True)
class MaskedMSE:
    """The mean squared error over all cells of a field; masked cells count in the mean as 0.

    predicted, target [B, C, h, w]; weight broadcasts to them, [B, 1, h, w] as a rule, 0 over
    crowds. HigherHRNet's heatmap loss (arXiv:1908.10357, section 3.3), without keypoint_mse's
    half. Computed in float32 under any autocast.
    """

    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        if predicted.shape != target.shape:
            raise ValueError(
                f"masked_mse: predicted {tuple(predicted.shape)} and target "
                f"{tuple(target.shape)} must have one shape"
            )
        error = predicted.float() - target.float()
        return (weight.float() * error * error).mean()


@dataclass(frozen=True)
class PullPush:
    """Tags of one person are pulled together, mean tags of two people pushed apart.

    predicted [B, K, h, w]; target int64 [B, N, K]: the cell y * w + x of each keypoint, -1 where
    it is absent; weight broadcasts to [B, N, K]. Of an image with N people that have keypoints:

      pull = 1/N sum_n mean_k (t_nk - m_n)^2,  m_n = mean_k t_nk
      push = 1/2 1/(N (N - 1)) sum_n sum_{m != n} exp(-(m_n - m_m)^2)

    and the mean of pull_weight * pull + push_weight * push over images (an image with nobody
    loses 0). Newell, Huang, Deng: Associative Embedding, NeurIPS 2017, arXiv:1611.05424, equation
    2, as HigherHRNet normalises it. Some 60 tensor operations however many people; memory is the
    field's gradient and [B, N, N]. In float32 under any autocast.
    """

    pull_weight: float = 1.0
    push_weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("pull_weight", "push_weight"):
            given = getattr(self, name)
            if not 0 <= given < float("inf"):
                raise ValueError(f"pull_push: {name}: given {given}, accepted: from 0")

    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        batch, keypoints = predicted.shape[:2]
        if target.ndim != 3 or (target.shape[0], target.shape[2]) != (batch, keypoints):
            raise ValueError(
                f"pull_push: predicted {tuple(predicted.shape)} wants a target of cells "
                f"[{batch}, N, {keypoints}], given {tuple(target.shape)}"
            )
        share = (target >= 0) * weight.float()  # [B, N, K]
        total = share.sum(2)
        share = share / torch.where(total > 0, total, 1)[:, :, None]
        present = (total > 0).float()  # [B, N]
        people = present.sum(1)
        tags = predicted.flatten(2).gather(2, target.clamp_min(0).transpose(1, 2)).mT.float()
        tags = torch.where(share > 0, tags, 0)
        mean = (share * tags).sum(2)
        apart = tags - mean[:, :, None]
        pull = (share * apart * apart).sum((1, 2)) / people.clamp_min(1)
        gap = mean[:, :, None] - mean[:, None]
        near = torch.exp(-gap * gap) * (present[:, :, None] * present[:, None])
        push = 0.5 * (near.sum((1, 2)) - people) / (people * (people - 1)).clamp_min(1)
        return (self.pull_weight * pull + self.push_weight * push).mean()
