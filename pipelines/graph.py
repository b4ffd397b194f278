"""A network with its codec as one exported program: crops in, keypoints out, any batch size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from data.skeletons import Skeleton
from pipelines.predictor import fed

CHECKED_BATCHES = (1, 2, 5)
POINT_TOLERANCE = 1e-2  # input pixels
SCORE_TOLERANCE = 1e-4
FIELD_TOLERANCE = 1e-4
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


def write_field_graph(graph: FieldGraph, path: Path) -> None:
    """Exports on the CPU in float32 to `path`, read back and compared with PyTorch.

    Raises ValueError where the two differ for images of several sizes.
    """
    graph = graph.cpu().float().eval()
    shapes = ({0: Dim("batch", min=1, max=64), **graph.sides()},)
    example = _images(2, 3 * graph.multiple, 4 * graph.multiple)
    with torch.no_grad():
        torch.export.save(torch.export.export(graph, (example,), dynamic_shapes=shapes), path)
        exported = torch.export.load(path).module()
        for batch, high, wide in ((1, 2, 3), (1, 4, 2), (3, 2, 2)):
            images = _images(batch, high * graph.multiple, wide * graph.multiple)
            _refuse_other_fields(exported(images), graph(images))


def _refuse_other_fields(given: list[dict[str, Tensor]], true: list[dict[str, Tensor]]) -> None:
    for stage, expected in zip(given, true, strict=True):
        for name, field in expected.items():
            moved = (stage[name] - field).abs().amax().item()
            if not moved <= FIELD_TOLERANCE * max(1.0, field.abs().amax().item()):
                raise ValueError(
                    f"the exported graph differs from the network by {moved:.3g} in {name} of "
                    f"{list(field.shape)}; accepted: {FIELD_TOLERANCE} of the largest"
                )


def write_graph(graph: PoseGraph, path: Path) -> None:
    """Exports on the CPU in float32 to `path`, read back and compared with PyTorch.

    Raises ValueError where the two differ for a batch of 1, 2 or 5 crops.
    """
    graph = graph.cpu().float().eval()
    torch.export.save(export(graph), path)
    check(torch.export.load(path), graph)


def export(graph: PoseGraph) -> ExportedProgram:
    """A batch of two is the example: one of one would freeze the batch size."""
    with torch.no_grad():
        return torch.export.export(
            graph, (_crops(graph, 2),), dynamic_shapes=({0: Dim("batch", min=1, max=4096)},)
        )


@torch.no_grad()
def check(program: ExportedProgram, graph: PoseGraph) -> None:
    exported = program.module()
    for batch in CHECKED_BATCHES:
        crops = _crops(graph, batch)
        points, scores = exported(crops)
        true_points, true_scores = graph(crops)
        moved = (points - true_points).abs().amax().item()
        changed = (scores - true_scores).abs().amax().item()
        if not (moved <= POINT_TOLERANCE and changed <= SCORE_TOLERANCE):
            raise ValueError(
                f"the exported graph differs from the network for {batch} crops: {moved:.3g} "
                f"pixels, {changed:.3g} in score; accepted: {POINT_TOLERANCE}, {SCORE_TOLERANCE}"
            )


def _crops(graph: PoseGraph, batch: int) -> Tensor:
    return _images(batch, graph.input_size[1], graph.input_size[0])


def _images(batch: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(0, 256, (batch, height, width, 3), generator=generator, dtype=torch.uint8)
