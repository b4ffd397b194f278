"""People painted as an ideal network would paint them, and fields of noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from data.codecs.associative_embedding import AssociativeEmbedding
from data.ground.sample import Decoded, Fields, Output, WholeBatch

GATED = AssociativeEmbedding(resolution="exact")
REFERENCE = replace(GATED, grouping="reference")
FAST = replace(GATED, resolution="fast")
SIZE = (96, 64)
NETWORK = [{"heatmaps": Output(17, 4), "tags": Output(17, 4)}, {"heatmaps": Output(17, 2)}]


def crowd(
    people: int,
    size: tuple[int, int] = SIZE,
    missing: float = 0.15,
    seed: int = 0,
    keypoints: int = 17,
) -> tuple[Tensor, Tensor]:
    """Each in a part of the input of its own: keypoints_input [N, K, 2], visibility [N, K]."""
    draw = torch.Generator().manual_seed(seed)
    columns = max(1, int(np.ceil(np.sqrt(people))))
    part = torch.tensor(size) / columns
    number = torch.arange(people)
    corner = torch.stack([number % columns, number // columns], 1) * part
    inside = 0.1 + 0.8 * torch.rand(people, keypoints, 2, generator=draw)
    seen = torch.rand(people, keypoints, generator=draw) >= missing
    return corner[:, None] + inside * part, seen.long() * 2


def batch_of(*images: tuple[Tensor, Tensor], size: tuple[int, int] = SIZE) -> WholeBatch:
    most = max(1, *(len(points) for points, _ in images), 1)
    keypoints = images[0][0].shape[1]
    points = torch.zeros(len(images), most, keypoints, 2)
    visibility = torch.zeros(len(images), most, keypoints, dtype=torch.int64)
    for n, (of_people, seen) in enumerate(images):
        points[n, : len(of_people)], visibility[n, : len(seen)] = of_people, seen
    keep = torch.ones(len(images), size[1] // 2, size[0] // 2, dtype=torch.uint8)
    nothing = torch.zeros(len(images), 1, 1, 3, dtype=torch.uint8)
    ids = torch.arange(len(images))
    return WholeBatch(
        nothing, points, visibility, keep, ids, torch.zeros(len(images), 2, 3).double()
    )


def painted(
    batch: WholeBatch, size: tuple[int, int] = SIZE, codec: AssociativeEmbedding = GATED
) -> list[Fields]:
    return codec.paint(codec.encode(batch, NETWORK, size))


def noisy(stages: list[Fields], seed: int, heat: float = 0.05, tag: float = 0.2) -> list[Fields]:
    draw = torch.Generator().manual_seed(seed)
    scale = {"heatmaps": heat, "tags": tag}
    return [
        {n: f + scale[n] * torch.randn(f.shape, generator=draw) for n, f in stage.items()}
        for stage in stages
    ]


def random_fields(seed: int, passes: int, images: int = 2) -> list[Fields]:
    draw = torch.Generator().manual_seed(seed)
    fine = torch.rand(images, 17, 32, 48, generator=draw) ** 4
    coarse = torch.rand(images, 17, 16, 24, generator=draw) ** 4
    tags = 2 * torch.randn(images, 17 * passes, 16, 24, generator=draw)
    return [{"heatmaps": coarse, "tags": tags}, {"heatmaps": fine}]


def as_found(decoded: Decoded, points: Tensor, seen: Tensor) -> tuple[list[int], Tensor]:
    """Of each true person with keypoints: who was found nearest, how far its worst keypoint is."""
    apart = (decoded.keypoints_input[None] - points[:, None]).abs().amax(-1)  # [N, G, K]
    worst = torch.where((seen > 0)[:, None], apart, 0).amax(2)
    far, who = worst.min(1)
    return who.tolist(), far
