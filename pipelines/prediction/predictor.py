"""Batches in, poses in image pixels out: a network paints (or the truth itself), a codec reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from data.ground.codec import Codec
from data.ground.sample import Batch, Outputs, WholeBatch
from data.ground.skeleton import Skeleton
from pipelines.prediction.pixels import autocast, normalise
from pipelines.prediction.readout import Predictions, Stages, in_image, join, merge_passes
from pipelines.recipe.schema import Pixels

AnyBatch = TypeVar("AnyBatch", Batch, WholeBatch)


def predict(
    network: nn.Module,
    codec: Codec,
    skeleton: Skeleton,
    batches: Iterable[Batch] | Iterable[WholeBatch],
    device: torch.device | str,
    *,
    pixels: Pixels,
    flip_test: bool,
    precision: str = "fp32",
) -> Predictions:
    """Poses of all crops or images; `flip_test`: fields are merged with those of the mirrored."""
    painter = Painter(network, codec, skeleton, device, pixels, (flip_test,), precision)
    return painter.read(batches)[0]


def predict_both(
    network: nn.Module,
    codec: Codec,
    skeleton: Skeleton,
    batches: Iterable[Batch] | Iterable[WholeBatch],
    device: torch.device | str,
    *,
    pixels: Pixels,
    precision: str = "fp32",
) -> tuple[Predictions, Predictions]:
    """(without flip test, with flip test) from one pass over all and one over all mirrored."""
    painter = Painter(network, codec, skeleton, device, pixels, (False, True), precision)
    without, flipped = painter.read(batches)
    return without, flipped


def read_truth(
    codec: Codec, outputs: Outputs, skeleton: Skeleton, batches: Iterable[Batch | WholeBatch]
) -> Predictions:
    """What is read back of fields that the truth itself wrote: no network, no flip test."""

    def written(batch: Batch | WholeBatch) -> list[Stages]:
        return [codec.paint(codec.encode(batch, outputs, _size(batch)))]

    return read_batches(batches, written, codec, skeleton, modes=1)[0]


def read_batches(
    batches: Iterable[Batch | WholeBatch],
    paint: Callable[[Batch | WholeBatch], Sequence[Stages]],
    codec: Codec,
    skeleton: Skeleton,
    modes: int,
) -> list[Predictions]:
    """Poses of each of the `modes` ways in which `paint` paints a batch, all batches joined."""
    parts: list[list[Predictions]] = [[] for _ in range(modes)]
    for batch in batches:
        for part, stages in zip(parts, paint(batch), strict=True):
            decoded = codec.decode(stages, _size(batch))
            part.append(in_image(decoded, batch.to_image, batch.sample_id))
    return [join(part, len(skeleton.keypoints)) for part in parts]


def _size(batch: Batch | WholeBatch) -> tuple[int, int]:
    return batch.images.shape[2], batch.images.shape[1]


class Painter:
    """A network that paints batches as it is tested: at all scales, plain or with the flip test.

    modes: for each way of painting whether it has the flip test; the passes that they share are
    made once.
    """

    def __init__(
        self,
        network: nn.Module,
        codec: Codec,
        skeleton: Skeleton,
        device: torch.device | str,
        pixels: Pixels,
        modes: Sequence[bool],
        precision: str,
    ) -> None:
        self.network, self.codec, self.skeleton = network, codec, skeleton
        self.device, self.pixels = torch.device(device), pixels
        self.modes, self.precision = tuple(modes), precision

    @torch.inference_mode()
    def read(self, batches: Iterable[Batch] | Iterable[WholeBatch]) -> list[Predictions]:
        """Poses in each mode; the network is left in the mode (train, eval) that it was in."""
        was_training = self.network.training
        self.network.eval()
        predictions = read_batches(batches, self.paint, self.codec, self.skeleton, len(self.modes))
        self.network.train(was_training)
        return predictions

    def paint(self, batch: Batch | WholeBatch) -> list[Stages]:
        """Fields to decode, in each mode."""
        shown = [batch.images, *(batch.others if isinstance(batch, WholeBatch) else ())]
        moved = (each.to(self.device, non_blocking=True) for each in shown)
        scales = [normalise(each, self.pixels) for each in moved]
        plain = [self._pass(images) for images in scales]
        painted = []
        for flip_test in self.modes:
            mirrored = (self._pass(images.flip(3)) for images in scales if flip_test)
            painted.append(merge_passes(self.codec, self.skeleton, plain, mirrored))
        return painted

    def _pass(self, images: Tensor) -> Stages:
        """Fields in float32 whatever the precision: decoding wants the last bits."""
        with autocast(images.device, self.precision):
            stages = self.network(images)
        return [{name: field.float() for name, field in stage.items()} for stage in stages]
