"""The loss of tags: one person's alike, two people's apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.contracts import Loss
from models.refusal import refusal


@dataclass(frozen=True)
class PullPush(Loss):
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
            weight = getattr(self, name)
            if not 0 <= weight < float("inf"):
                raise refusal(f"pull_push: {name}", given=weight, accepted="from 0")

    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        batch, keypoints = predicted.shape[:2]
        if target.ndim != 3 or (target.shape[0], target.shape[2]) != (batch, keypoints):
            both = f"given predicted {tuple(predicted.shape)} and target {tuple(target.shape)}"
            cells = f"a target of cells [{batch}, N, {keypoints}]"
            raise refusal("pull_push", fault=both, accepted=cells)
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
