"""Drawing for associative embedding: people's keypoints in, heatmaps and cells of tags out."""

from __future__ import annotations

import torch
from torch import Tensor

APART = 2.0  # between the tags of two people, as an ideal network paints them


def mark_cells(points: Tensor, seen: Tensor, size: tuple[int, int]) -> Tensor:
    """int64 [B, N, K]: the cell y * w + x of each point [B, N, K, 2], in cells, cut to integers.

    -1 where a point is not seen (bool [B, N, K]), not finite, or outside of size (w, h).
    """
    width, height = size
    finite = torch.isfinite(points).all(-1)
    x, y = torch.where(finite[..., None], points, -2.0).clamp(-2.0, 2.0**24).long().unbind(-1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return torch.where(seen & inside, y * width + x, -1)


def draw_heatmaps(cells: Tensor, sigma: float, size: tuple[int, int]) -> Tensor:
    """[B, K, h, w]: a Gaussian about each of the cells int64 [B, N, K], the highest of all people.

    sigma in cells, cut to a square of 3 sigma + 1 cells each way as in HigherHRNet's code. Only
    the cells of the squares are visited: memory is the maps and [B, N, K, cells of a square].
    """
    (batch, _, keypoints), (width, height) = cells.shape, size
    reach = round(3 * sigma) + 1
    wide = width + 2 * reach  # maps with a border, so that every square lies inside
    away = torch.arange(-reach, reach + 1, device=cells.device)
    profile = torch.exp(-(away.float() ** 2) / (2 * sigma**2))
    square = (profile[:, None] * profile).flatten()
    steps = ((away + reach)[:, None] * wide + away + reach).flatten()
    present, cells = cells >= 0, cells.clamp_min(0)
    corner = cells // width * wide + cells % width
    corner = corner + torch.arange(keypoints, device=cells.device) * (wide * (height + 2 * reach))
    maps = square.new_zeros(batch, keypoints * wide * (height + 2 * reach))
    values = present[..., None] * square
    maps.scatter_reduce_(1, (corner[..., None] + steps).flatten(1), values.flatten(1), "amax")
    maps = maps.view(batch, keypoints, height + 2 * reach, wide)
    return maps[:, :, reach : reach + height, reach : reach + width]


def sampled(
    keep: Tensor, input_size: tuple[int, int], stride: int, size: tuple[int, int]
) -> Tensor:
    """[B, H / 2, W / 2] -> [B, 1, h, w]: its value where each cell begins."""
    rows, columns = (
        (torch.arange(n, device=keep.device) * (stride * given / pixels))
        .long()
        .clamp_max(given - 1)
        for n, given, pixels in zip(size[::-1], keep.shape[1:], input_size[::-1], strict=True)
    )
    return keep[:, rows][:, :, columns][:, None]


def draw_tags(cells: Tensor, heatmaps: Tensor) -> Tensor:
    """[B, K, h, w]: at each cell the number, times 2, of who has a keypoint nearest (the first of
    equals), 0 where nobody has it; cells int64 [B, N, K], heatmaps give the shape."""
    height, width = heatmaps.shape[2:]
    row = torch.arange(height, device=cells.device)[:, None]
    column = torch.arange(width, device=cells.device)
    nearest = torch.full(heatmaps.shape, height * height + width * width, device=cells.device)
    tags = torch.zeros_like(heatmaps, memory_format=torch.contiguous_format)
    for number, cell in enumerate(cells.unbind(1), start=1):
        y, x = (cell // width)[..., None, None], (cell % width)[..., None, None]
        squared = (row - y).square() + (column - x).square()
        nearer = (squared < nearest) & (cell >= 0)[..., None, None]
        nearest = torch.where(nearer, squared, nearest)
        tags = torch.where(nearer, number * APART, tags)
    return tags
