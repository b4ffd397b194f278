"""Losses: how far one painted field is from the written one, as a scalar."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class KeypointMSE:
    """Half the mean squared error of each keypoint's map, averaged over keypoints.

    predicted, target [B, K, h, w]; weight broadcasts to them, [B, K, 1, 1] as a rule, 0 where a
    keypoint has no label. Masked cells count in the mean as 0, as in HRNet and SimpleBaseline
    (arXiv:1902.09212, section 3), so that the losses of equal parts of a batch average to the
    whole. Computed in float32 under any autocast.
    """

    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        if predicted.shape != target.shape:
            raise ValueError(
                f"keypoint_mse: predicted {tuple(predicted.shape)} and target "
                f"{tuple(target.shape)} must have one shape"
            )
        difference = predicted.float() - target.float()
        return 0.5 * (weight.float() * difference * difference).mean()
