"""A network and batches in, poses in image pixels out; scores and OKS-NMS of those from crops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from data.ground.sample import Batch, Decoded, WholeBatch
from data.ground.skeletons import Skeleton
from pipelines.prediction.pixels import autocast, fed


@dataclass(frozen=True)
class Predictions:
    """Poses in image pixels: sample_id [N], keypoints_image [N, K, 2], scores [N, K].

    In the order of the batches; crops have one pose each, whole images any number of them.
    pose_scores [N]: as the codec scores whole poses, NaN where it does not (crops).
    """

    sample_id: np.ndarray
    keypoints_image: np.ndarray
    scores: np.ndarray
    pose_scores: np.ndarray


def predict(
    network: nn.Module,
    codec: Any,
    skeleton: Skeleton,
    batches: Iterable[Batch] | Iterable[WholeBatch],
    device: torch.device | str,
    *,
    flip_test: bool,
    precision: str = "fp32",
) -> Predictions:
    """Poses of all crops or images; `flip_test`: fields are merged with those of the mirrored."""
    modes = (flip_test,)
    return _predict(network, codec, skeleton, batches, device, modes, precision)[0]


def predict_both(
    network: nn.Module,
    codec: Any,
    skeleton: Skeleton,
    batches: Iterable[Batch] | Iterable[WholeBatch],
    device: torch.device | str,
    *,
    precision: str = "fp32",
) -> tuple[Predictions, Predictions]:
    """(without flip test, with flip test) from one pass over all and one over all mirrored."""
    modes = (False, True)
    both = _predict(network, codec, skeleton, batches, device, modes, precision)
    return both[0], both[1]


@torch.inference_mode()
def _predict(
    network: nn.Module,
    codec: Any,
    skeleton: Skeleton,
    batches: Iterable[Batch] | Iterable[WholeBatch],
    device: torch.device | str,
    modes: tuple[bool, ...],
    precision: str,
) -> list[Predictions]:
    device = torch.device(device)
    was_training = network.training
    network.eval()
    parts: list[list[Predictions]] = [[] for _ in modes]
    for batch in batches:
        shown = [batch.images, *getattr(batch, "others", ())]  # the image at each scale
        images = [fed(network, each.to(device, non_blocking=True)) for each in shown]
        size = images[0].shape[3], images[0].shape[2]  # whole images have one each
        plain = [_paint(network, each, precision) for each in images]
        for part, flip in zip(parts, modes, strict=True):
            passes = plain
            if flip:
                mirrored = (_paint(network, each.flip(3), precision) for each in images)
                passes = [*plain, *(codec.mirror(each, skeleton) for each in mirrored)]
            stages = codec.merge(*passes) if len(passes) > 1 else passes[0]
            part.append(in_image(codec.decode(stages, size), batch))
    network.train(was_training)
    return [join(part, len(skeleton.keypoints)) for part in parts]


def _paint(network: nn.Module, images: Tensor, precision: str) -> list[dict[str, Tensor]]:
    """Fields in float32 whatever the precision: decoding wants the last bits."""
    with autocast(images.device, precision):
        stages = network(images)
    return [{name: field.float() for name, field in stage.items()} for stage in stages]


def in_image(decoded: Decoded, batch: Batch | WholeBatch) -> Predictions:
    """Input pixels -> image pixels, by each crop's own affine."""
    rows = decoded.batch_index.cpu()
    matrix = batch.to_image[rows].double()  # [N, 2, 3]
    points = decoded.keypoints_input.cpu().double()  # [N, K, 2]
    keypoints_image = points @ matrix[:, :, :2].mT + matrix[:, None, :, 2]
    scores = decoded.scores.cpu().float()
    whole = decoded.pose_scores
    pose_scores = torch.full((len(rows),), torch.nan) if whole is None else whole.cpu().float()
    return Predictions(
        batch.sample_id[rows].numpy(), keypoints_image.numpy(), scores.numpy(), pose_scores.numpy()
    )


def join(parts: Sequence[Predictions], keypoints: int) -> Predictions:
    """All parts as one; without any, no poses of so many keypoints."""
    if not parts:
        shape = (0, keypoints)
        nothing = np.zeros(0, np.float32)
        return Predictions(
            np.zeros(0, np.int64), np.zeros((*shape, 2)), np.zeros(shape, np.float32), nothing
        )
    columns = ("sample_id", "keypoints_image", "scores", "pose_scores")
    return Predictions(*(np.concatenate([getattr(p, c) for p in parts]) for c in columns))
