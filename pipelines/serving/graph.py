"""A network with its codec as one exported program: crops in, keypoints out, any batch size."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.export import Dim

from data.ground.skeleton import Skeleton
from pipelines.prediction.pixels import fed

LONGEST_INPUT = 4096  # pixels of a whole image's side


class PoseGraph(nn.Module):
    """What is exported: normalise, paint (with the flip test, if wanted), decode."""

    def __init__(
        self,
        network: nn.Module,
        codec: Any,
        skeleton: Skeleton,
        input_size: tuple[int, int],
        *,
        flip_test: bool = True,
    ) -> None:
        super().__init__()
        self.network = network
        self._codec, self._skeleton = codec, skeleton
        self.input_size, self._flip_test = input_size, flip_test

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 crops [B, H, W, 3] RGB -> keypoints_input [B, K, 2], scores [B, K]."""
        decoded = self._codec.decode(self.painted(images), self.input_size)
        return decoded.keypoints_input, decoded.scores

    def painted(self, images: Tensor) -> list[dict[str, Tensor]]:
        """Stages of fields, merged with those of the mirrored crops for the flip test."""
        pixels = fed(self.network, images)
        stages: list[dict[str, Tensor]] = self.network(pixels)
        if self._flip_test:
            mirrored = self.network(pixels.flip(3))
            stages = self._codec.merge(stages, self._codec.mirror(mirrored, self._skeleton))
        return stages


class CropGraph(PoseGraph):
    """A PoseGraph that also gives what it decodes: keypoints, scores, fields of the last stage."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        stages = self.painted(images)
        decoded = self._codec.decode(stages, self.input_size)
        return decoded.keypoints_input, decoded.scores, *stages[-1].values()

    @property
    def names(self) -> list[str]:
        stages: Any = self.network.outputs
        return ["keypoints_input", "scores", *stages[-1]]


class WholeGraph(nn.Module):
    """Of a network that reads whole images, any size."""

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.network, self.multiple = network, multiple

    def sides(self) -> dict[int, Any]:
        """What an export allows: per axis of the images' sides the multiples of `multiple`."""
        most = LONGEST_INPUT // self.multiple
        names = ((1, "h"), (2, "w"))
        return {axis: self.multiple * Dim(name, min=2, max=most) for axis, name in names}


class ImageGraph(WholeGraph):
    """All fields of one pass, stage by stage."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """uint8 [B, H, W, 3] RGB, sides multiples of `multiple` -> fields as in `names`."""
        stages = self.network(fed(self.network, images))
        return tuple(field for stage in stages for field in stage.values())

    @property
    def names(self) -> list[str]:
        stages: Any = self.network.outputs
        return [f"{name}_{n}" for n, stage in enumerate(stages) for name in stage]


class FieldGraph(WholeGraph):
    """Fields of the image and of its mirror.

    What people they make is the codec's to say, beside the graph.
    """

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        """uint8 [B, H, W, 3] RGB, sides multiples of `multiple` -> stages, the mirror's behind."""
        pixels = fed(self.network, images)
        stages: list[dict[str, Tensor]] = self.network(pixels)
        mirrored: list[dict[str, Tensor]] = self.network(pixels.flip(3))
        return [*stages, *mirrored]
