"""Losses of maps of everyone in an image, of which crowds and unlabelled people are masked out."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from models.contracts import Loss
from models.refusal import refusal


@dataclass(frozen=True)
class MaskedSSE(Loss):
    """Half the sum of squared errors of a whole field, over the number of images.

    predicted, target [B, C, h, w]; weight broadcasts to them, [B, 1, h, w] as a rule, 0 over
    crowds, and multiplies the error before it is squared. As Lightweight OpenPose trains
    (arXiv:1811.12004) after OpenPose (arXiv:1611.08050, equation 5). In float32 under any autocast.
    """

    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        if predicted.shape != target.shape:
            both = f"predicted {tuple(predicted.shape)} and target {tuple(target.shape)}"
            raise refusal("masked_sse", fault=both, accepted="one shape of both")
        error = (predicted.float() - target.float()) * weight.float()
        return 0.5 * (error * error).sum() / predicted.shape[0]


@dataclass(frozen=True)
class MaskedMSE(Loss):
    """The mean squared error over all cells of a field; masked cells count in the mean as 0.

    predicted, target [B, C, h, w]; weight broadcasts to them, [B, 1, h, w] as a rule, 0 over
    crowds. HigherHRNet's heatmap loss (arXiv:1908.10357, section 3.3), without keypoint_mse's
    half. Computed in float32 under any autocast.
    """

    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        if predicted.shape != target.shape:
            both = f"predicted {tuple(predicted.shape)} and target {tuple(target.shape)}"
            raise refusal("masked_mse", fault=both, accepted="one shape of both")
        error = predicted.float() - target.float()
        return (weight.float() * error * error).mean()
