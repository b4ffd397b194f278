"""The loss of top-down heatmaps: squared errors of each keypoint, of the worst ones only (OHKM)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from models.contracts import Loss
from models.refusal import refusal


@dataclass(frozen=True)
class KeypointMSE(Loss):
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
            accepted = "a whole number from 1, or null"
            raise refusal("keypoint_mse: top_k", given=self.top_k, accepted=accepted)

    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        if predicted.shape != target.shape:
            both = f"predicted {tuple(predicted.shape)} and target {tuple(target.shape)}"
            raise refusal("keypoint_mse", fault=both, accepted="one shape of both")
        difference = predicted.float() - target.float()
        squares = weight.float() * difference * difference
        if self.top_k is None:
            return 0.5 * squares.mean()
        of_keypoints = squares.mean(dim=(2, 3))  # [B, K]
        keypoints = of_keypoints.shape[1]
        if self.top_k > keypoints:
            accepted = f"1 to {keypoints}, the number of keypoints"
            raise refusal("keypoint_mse: top_k", given=self.top_k, accepted=accepted)
        return 0.5 * of_keypoints.topk(self.top_k, dim=1).values.mean()
