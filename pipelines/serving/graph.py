"""What is exported of a network: raw pixels in; keypoints of crops or fields of images out."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.export import Dim

from data.ground.codec import Codec
from data.ground.skeleton import Skeleton
from models.contracts import Network
from pipelines.prediction.pixels import normalise
from pipelines.prediction.readout import Stages, merge_passes
from pipelines.recipe.schema import Pixels

LONGEST_INPUT = 4096  # pixels of a whole image's side


class PoseGraph(nn.Module):
    """Of crops: normalise, paint (with the flip test, if wanted), decode."""

    def __init__(
        self,
        network: Network,
        codec: Codec,
        skeleton: Skeleton,
        input_size: tuple[int, int],
        *,
        pixels: Pixels,
        flip_test: bool,
    ) -> None:
        super().__init__()
        self.network = network
        self._codec, self._skeleton = codec, skeleton
        self.input_size, self._pixels, self._flip_test = input_size, pixels, flip_test

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """uint8 crops [B, H, W, 3] RGB -> keypoints_input [B, K, 2], scores [B, K]."""
        decoded = self._codec.decode(self.painted(images), self.input_size)
        return decoded.keypoints_input, decoded.scores

    @property
    def names(self) -> list[str]:
        return ["keypoints_input", "scores"]

    def painted(self, images: Tensor) -> Stages:
        """Stages of fields, merged with those of the mirrored crops for the flip test."""
        fed = normalise(images, self._pixels)
        mirrored = [self.network(fed.flip(3))] if self._flip_test else []
        return merge_passes(self._codec, self._skeleton, [self.network(fed)], mirrored)


class CropGraph(PoseGraph):
    """A PoseGraph that also gives what it decodes: keypoints, scores, fields of the last stage."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        stages = self.painted(images)
        decoded = self._codec.decode(stages, self.input_size)
        return decoded.keypoints_input, decoded.scores, *stages[-1].values()

    @property
    def names(self) -> list[str]:
        return [*super().names, *self.network.outputs[-1]]


class ImageGraph(nn.Module):
    """Of whole images of any size: all fields, stage by stage; what people they make is the codec's
    to say, beside the graph.

    flip_test: behind them those of the mirrored image, as they were painted.
    """

    def __init__(self, network: Network, multiple: int, *, pixels: Pixels, flip_test: bool) -> None:
        super().__init__()
        self.network, self.multiple = network, multiple
        self._pixels, self._flip_test = pixels, flip_test

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """uint8 [B, H, W, 3] RGB, sides multiples of `multiple` -> fields as in `names`."""
        fed = normalise(images, self._pixels)
        stages = [*self.network(fed), *(self.network(fed.flip(3)) if self._flip_test else ())]
        return tuple(field for stage in stages for field in stage.values())

    @property
    def names(self) -> list[str]:
        """`heatmaps_0`: field and number of the stage; `mirrored_heatmaps_0`."""
        passes = ("", "mirrored_") if self._flip_test else ("",)
        outputs = list(enumerate(self.network.outputs))
        return [f"{p}{name}_{n}" for p in passes for n, stage in outputs for name in stage]

    def sides(self) -> dict[int, Any]:
        """What an export allows: per axis of the images' sides the multiples of `multiple`."""
        most = LONGEST_INPUT // self.multiple
        names = ((1, "h"), (2, "w"))
        return {axis: self.multiple * Dim(name, min=2, max=most) for axis, name in names}
