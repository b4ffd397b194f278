"""Drawing for part affinity fields: people's keypoints in, heatmaps and limb vectors out.

Batched over images, people and limbs; only the cells that a Gaussian or a limb touches are
visited, so memory is [B, N, K, cells of one Gaussian] and [B, N, L, cells along one limb], of at
most 8 people at a time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LEAST = 0.01  # Gaussians are cut below
PEOPLE = 8  # who are drawn at a time


def draw_heatmaps(cells: Tensor, labelled: Tensor, sigma: float, size: tuple[int, int]) -> Tensor:
    """[B, K + 1, h, w]: sums of Gaussians clipped at 1; the last channel is 1 - the highest.

    cells [B, N, K, 2] in field cells, labelled bool [B, N, K], sigma in cells, size (w, h).
    """
    width, height = size
    batch, people, keypoints = labelled.shape
    maps = cells.new_zeros(batch, keypoints * height * width)
    for first in range(0, people, PEOPLE):
        some = slice(first, first + PEOPLE)
        place, value = _gaussians(cells[:, some], labelled[:, some], sigma, size)
        maps.scatter_add_(1, place.flatten(1), value.flatten(1))
    maps = maps.view(batch, keypoints, height, width).clamp_max_(1)
    return torch.cat([maps, 1 - maps.amax(1, keepdim=True)], 1)


def _gaussians(
    cells: Tensor, labelled: Tensor, sigma: float, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """[B, N, K, S, S]: indices in all K maps, values there; 0 where nothing is drawn."""
    width, height = size
    keypoints = labelled.shape[2]
    reach = sigma * math.sqrt(-2 * math.log(LEAST))
    span = torch.arange(int(2 * reach) + 2, device=cells.device)
    columns, rows = ((cells[..., i] - reach).floor().long()[..., None] + span for i in (0, 1))
    across, down = (columns - cells[..., :1]).square(), (rows - cells[..., 1:]).square()
    squared = down[..., :, None] + across[..., None, :]  # [B, N, K, S, S]
    inside = ((rows >= 0) & (rows < height))[..., :, None] & ((columns >= 0) & (columns < width))[
        ..., None, :
    ]
    drawn = inside & labelled[..., None, None] & (squared <= reach * reach)
    value = torch.where(drawn, torch.exp(-squared / (2 * sigma * sigma)), 0)
    channel = torch.arange(keypoints, device=cells.device)[:, None, None] * (height * width)
    place = torch.where(drawn, rows[..., :, None] * width + columns[..., None, :] + channel, 0)
    return place, value


def draw_limbs(
    start: Tensor, end: Tensor, labelled: Tensor, thickness: float, size: tuple[int, int]
) -> Tensor:
    """[B, 2 L, h, w]: x, y of each limb's unit vector near its line, of the last person there.

    start, end [B, N, L, 2] in cells; labelled bool [B, N, L]: both ends are; thickness: distance
    from the line in cells up to which it is drawn, as far beyond the ends along x and along y.

    Lightweight OpenPose's code has other ends: rows and columns from the whole number below the
    least (less the thickness) up to, without, the one below the greatest (more it). So its limbs
    along an axis come out half as wide, and mirrored ones elsewhere. Of the people of 21 COCO
    images at 368 pixels 3,873 cells are drawn by both, 2,362 here alone and 675 there alone.
    """
    width, height = size
    batch, people, limbs = labelled.shape
    vector = end - start
    length = vector.square().sum(-1).sqrt()
    labelled = labelled & (length > 1e-6)
    unit = vector / torch.where(labelled, length, 1)[..., None]
    last = torch.full((batch, limbs * height * width), -1, device=start.device)
    for first in range(0, people, PEOPLE):
        some = slice(first, first + PEOPLE)
        place, near = _near_line(start[:, some], end[:, some], unit[:, some], thickness, size)
        near &= labelled[:, some, :, None, None]
        channel = torch.arange(limbs, device=start.device)[:, None, None] * (height * width)
        person = torch.arange(people, device=start.device)[some, None, None, None]
        place = torch.where(near, place + channel, 0)
        number = torch.where(near, person, -1)
        last.scatter_reduce_(1, place.flatten(1), number.flatten(1), "amax")
    if not people:
        return start.new_zeros(batch, 2 * limbs, height, width)
    return _vectors_of(last.view(batch, limbs, -1), unit).view(batch, 2 * limbs, height, width)


def _near_line(
    start: Tensor, end: Tensor, unit: Tensor, thickness: float, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Cells that may be near each limb, [B, N, L, steps, across]: (index in a map, is near).

    One step is one cell along the axis that the limb follows more; there the strip is at most
    2 sqrt(2) thickness wide.
    """
    steep = unit[..., 1].abs() > unit[..., 0].abs()
    # along the main axis, then across it
    along = torch.where(steep, start[..., 1], start[..., 0])
    beside = torch.where(steep, start[..., 0], start[..., 1])
    forward = torch.where(steep, unit[..., 1], unit[..., 0])
    sideways = torch.where(steep, unit[..., 0], unit[..., 1])
    low, high = torch.minimum(start, end) - thickness, torch.maximum(start, end) + thickness
    begin = torch.where(steep, low[..., 1], low[..., 0]).clamp_min(0).ceil()
    main = begin[..., None] + torch.arange(max(size), device=start.device)
    forward = torch.where(forward == 0, 1, forward)
    middle = beside[..., None] + (main - along[..., None]) * (sideways / forward)[..., None]
    wide = torch.arange(int(2 * math.sqrt(2) * thickness) + 2, device=start.device)
    other = (middle - (thickness / forward.abs())[..., None]).floor()[..., None] + wide
    main = main[..., None].expand_as(other)
    swap = steep[..., None, None]
    x, y = torch.where(swap, other, main), torch.where(swap, main, other)
    away = unit[..., 0, None, None] * (y - start[..., 1, None, None])
    away = away - unit[..., 1, None, None] * (x - start[..., 0, None, None])
    near = (away.abs() <= thickness) & (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    for axis, cell in ((0, x), (1, y)):
        near &= cell >= low[..., axis, None, None]
        near &= cell <= high[..., axis, None, None]
    return (y * size[0] + x).nan_to_num(0, 0, 0).long(), near


def _vectors_of(last: Tensor, unit: Tensor) -> Tensor:
    """Number of the person per cell [B, L, cells] (-1: none) -> their vectors [B, L, 2, cells]."""
    vectors = unit.permute(0, 2, 3, 1)  # [B, L, 2, N]
    index = last.clamp_min(0)[:, :, None].expand(-1, -1, 2, -1)
    return torch.where(last[:, :, None] >= 0, vectors.gather(3, index), 0)
