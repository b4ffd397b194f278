"""Heatmaps: one Gaussian per keypoint, read back by argmax with quarter offset or by DARK.

Standard coding: Xiao et al. 2018, Sun et al. 2019. DARK: Zhang et al., Distribution-Aware
Coordinate Representation for Human Pose Estimation, CVPR 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from data.ground.codec import Codec
from data.ground.refusal import refusal
from data.ground.sample import Batch, Decoded, Fields, FieldSpec, Outputs, Targets
from data.ground.skeleton import Skeleton

Decoding = Literal["argmax", "quarter_offset", "dark"]
# OpenCV's Gaussian kernels of size 3 to 9 when no sigma is given; larger ones follow a formula
SMALL_KERNELS = {
    3: (64, 128, 64),
    5: (16, 64, 96, 64, 16),
    7: (8, 28, 56, 72, 56, 28, 8),
    9: (4, 13, 30, 51, 60, 51, 30, 13, 4),
}
FLOOR = 1e-10  # under the logarithm of DARK's decoding
HIT = 0.5  # tenths of the field: how near the highest cell must lie to count as found
REACH = 2  # cells around the peak that DARK's second derivatives see


@dataclass(frozen=True)
class HeatmapCodec(Codec):
    """sigma in cells of the last stage; blur_kernel (odd) and decoding as DARK's test settings.

    unbiased: DARK's coding (centre not rounded, whole map, corner pixels aligned). flip_shift:
    whether fields of a mirrored image move right by one cell; None: in standard coding only.
    """

    sigma: float = 2.0
    unbiased: bool = False
    decoding: Decoding = "quarter_offset"
    blur_kernel: int = 11
    flip_shift: bool | None = None

    whole_image: ClassVar[bool] = False  # fed with one person per crop

    def __post_init__(self) -> None:
        if not 0 < self.sigma < float("inf"):
            raise refusal("heatmap: sigma", given=self.sigma, accepted="more than 0")
        if self.decoding not in get_args(Decoding):
            accepted = ", ".join(get_args(Decoding))
            raise refusal("heatmap: decoding", given=self.decoding, accepted=accepted)
        if self.blur_kernel < 3 or self.blur_kernel % 2 == 0:
            accepted = "an odd number from 3"
            raise refusal("heatmap: blur_kernel", given=self.blur_kernel, accepted=accepted)

    @property
    def aligned(self) -> bool:
        """Whether crops must be cut with DARK's (size - 1) alignment."""
        return self.unbiased

    def channels(self, skeleton: Skeleton) -> dict[str, int]:
        return {"heatmaps": len(skeleton.keypoints)}

    def encode(self, batch: Batch, outputs: Outputs, input_size: tuple[int, int]) -> list[Targets]:
        """Per stage {"heatmaps": (target [B, K, h, w], weight [B, K, 1, 1])} on the batch's device.

        A stage of another stride than the last one gets the same Gaussian in input pixels.
        """
        last = outputs[-1]["heatmaps"].stride
        return [
            {"heatmaps": self._draw(batch, input_size, stage["heatmaps"], last)}
            for stage in outputs
        ]

    def _draw(
        self, batch: Batch, input_size: tuple[int, int], output: FieldSpec, last: int
    ) -> tuple[Tensor, Tensor]:
        _, height, width = output.shape(input_size)
        sigma = self.sigma * last / output.stride
        centers = self._to_cells(batch.keypoints_input, input_size, (width, height))
        if not self.unbiased:
            centers = (centers + 0.5).trunc()
        reaches = ((centers - 3 * sigma).trunc() < centers.new_tensor([width, height])) & (
            (centers + 3 * sigma + 1).trunc() >= 0
        )
        weight = ((batch.visibility > 0) & reaches.all(-1)).to(centers.dtype)
        across = self._profile(centers[..., 0], width, sigma)  # [B, K, w]
        down = self._profile(centers[..., 1], height, sigma) * weight[..., None]  # [B, K, h]
        return down[..., :, None] * across[..., None, :], weight[..., None, None]

    def _profile(self, centers: Tensor, cells: int, sigma: float) -> Tensor:
        """[B, K] -> [B, K, cells]: the Gaussian along one axis, cut at 3 sigma unless unbiased."""
        away = torch.arange(cells, device=centers.device, dtype=centers.dtype) - centers[..., None]
        height = torch.exp(-away.square() / (2 * sigma**2))
        return height if self.unbiased else height * (away.abs() <= 3 * sigma)

    def _to_cells(
        self, points: Tensor, input_size: tuple[int, int], size: tuple[int, int]
    ) -> Tensor:
        """input_to_field: input pixels [..., 2] -> cells. Aligned: one scale about the centre."""
        if not self.unbiased:
            return points * points.new_tensor([size[0] / input_size[0], size[1] / input_size[1]])
        center, to = _middle(points, input_size), _middle(points, size)
        return (points - center) * ((size[0] - 1) / (input_size[0] - 1)) + to

    def _to_input(
        self, cells: Tensor, input_size: tuple[int, int], size: tuple[int, int]
    ) -> Tensor:
        """field_to_input: the way back."""
        if not self.unbiased:
            return cells * cells.new_tensor([input_size[0] / size[0], input_size[1] / size[1]])
        center, to = _middle(cells, size), _middle(cells, input_size)
        return (cells - center) * ((input_size[0] - 1) / (size[0] - 1)) + to

    def decode(self, stages: list[Fields], input_size: tuple[int, int]) -> Decoded:
        """One pose per image from the last stage; score: height of the peak, 0 where not finite."""
        heatmaps = stages[-1]["heatmaps"].float()
        batch, keypoints, height, width = heatmaps.shape
        maps = heatmaps.reshape(-1, height, width)
        peak, column, row = _peaks(maps)
        cells = torch.stack([column, row], -1).float()
        if self.decoding == "quarter_offset":
            cells = cells + _quarter_offset(maps, column, row)
        elif self.decoding == "dark":
            cells = cells + _newton_step(maps, peak, column, row, self.blur_kernel)
        points = self._to_input(cells, input_size, (width, height)).reshape(-1, keypoints, 2)
        scores = torch.nan_to_num(peak, 0.0, 0.0, 0.0).reshape(-1, keypoints)
        return Decoded(points, scores, torch.arange(batch, device=maps.device))

    def hits(self, stages: list[Fields], targets: list[Targets]) -> Tensor:
        """Of the last stage, as HRNet's code counts its training accuracy: found where the highest
        cell is less than half of a tenth of the field away from the written one.

        As there, x is measured in tenths of the height and y in tenths of the width. A keypoint
        is labelled where its target counts; HRNet's code asks that it lies beyond cell 1 instead.
        """
        target, weight = targets[-1]["heatmaps"]
        (_, *painted), (_, *written) = (
            _peaks(maps.detach().float().flatten(0, 1)) for maps in (stages[-1]["heatmaps"], target)
        )
        tenths = target.shape[2] / 10, target.shape[3] / 10
        x, y = (
            (p - w).double() / tenth for p, w, tenth in zip(painted, written, tenths, strict=True)
        )
        found = (torch.hypot(x, y) < HIT).view(target.shape[:2])
        labelled = (weight > 0).view_as(found)
        count = labelled.sum(0)
        share = (found & labelled).sum(0) / count.clamp(min=1).double()
        return torch.stack([share.sum(), (count > 0).sum().double()])

    def mirror(self, stages: list[Fields], skeleton: Skeleton) -> list[Fields]:
        """Fields of a mirrored image -> fields of the image itself."""
        order = skeleton.mirror
        shift = not self.unbiased if self.flip_shift is None else self.flip_shift
        return [
            {name: _unflip(field, order, shift) for name, field in stage.items()}
            for stage in stages
        ]

    def merge(self, stages: list[Fields], *others: list[Fields]) -> list[Fields]:
        """The mean of all, field by field."""
        share = 1 / (1 + len(others))
        return [
            {name: sum((each[name] for each in rest), first[name]) * share for name in first}
            for first, *rest in zip(stages, *others, strict=True)
        ]


def _middle(like: Tensor, size: tuple[int, int]) -> Tensor:
    return like.new_tensor([(size[0] - 1) / 2, (size[1] - 1) / 2])


def _unflip(field: Tensor, order: list[int], shift: bool) -> Tensor:
    field = field.flip(-1)[:, order]
    return torch.cat([field[..., :1], field[..., :-1]], -1) if shift else field


def _peaks(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """[M, h, w] -> height, column, row of the highest cell; (0, 0) where nothing is above 0."""
    flat = maps.flatten(1)
    if flat.is_cpu and not torch.compiler.is_exporting():  # torch's argmax takes 8 times as long
        index = torch.from_numpy(flat.detach().numpy().argmax(1))
    else:
        index = flat.argmax(1)
    peak = flat.gather(1, index[:, None])[:, 0]
    index = index * (peak > 0)
    width = maps.shape[2]
    return peak, index % width, index // width


def _patches(maps: Tensor, column: Tensor, row: Tensor, reach: int) -> Tensor:
    """[M, h, w] -> [M, 2 reach + 1, 2 reach + 1] around each (column, row), zeros outside."""
    height, width = maps.shape[1:]
    around = torch.arange(-reach, reach + 1, device=maps.device)
    x, y = column[:, None] + around, row[:, None] + around  # [M, S]
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
    x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    index = (y * width)[:, :, None] + x[:, None, :]
    found = maps.flatten(1).gather(1, index.flatten(1)).view_as(index)
    return torch.where(inside, found, 0)


def _quarter_offset(maps: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """[M, 2]: a quarter cell towards the higher neighbour, not at the border."""
    patch = _patches(maps, column, row, 1)
    slope = torch.stack([patch[:, 1, 2] - patch[:, 1, 0], patch[:, 2, 1] - patch[:, 0, 1]], -1)
    height, width = maps.shape[1:]
    inner = (column > 1) & (column < width - 1) & (row > 1) & (row < height - 1)
    return torch.where(inner[:, None], torch.nan_to_num(slope).sign() * 0.25, 0.0)


def _newton_step(maps: Tensor, peak: Tensor, column: Tensor, row: Tensor, kernel: int) -> Tensor:
    """[M, 2]: from the peak to the top of a parabola through the logarithm of the blurred map.

    Only cells within 2 of the peak matter, so only they are blurred. The official code scales the
    blurred map back to its old maximum, at least 1 times; that cancels in the derivatives unless
    a cell is below the floor of the logarithm. Those maps are blurred as a whole.
    """
    taps = _gaussian_kernel(kernel)
    if torch.compiler.is_exporting():  # a graph without branches: all as a whole
        near = _blur_whole(maps, peak, column, row, taps)
    else:
        near = _blur_near(maps, column, row, taps)
        low = torch.nonzero((near < FLOOR).flatten(1).any(1))[:, 0]
        if len(low):
            near[low] = _blur_whole(maps[low], peak[low], column[low], row[low], taps)
    height, width = maps.shape[1:]
    inner = (column > 1) & (column < width - 2) & (row > 1) & (row < height - 2)
    step = _parabola_top(near.clamp_min(FLOOR).log())
    usable = inner & torch.isfinite(step).all(-1)
    return torch.where(usable[:, None], step, 0.0).float()


def _blur_near(maps: Tensor, column: Tensor, row: Tensor, taps: Tensor) -> Tensor:
    """[M, 5, 5] around the peak of the blurred map, from the cells that count there only.

    A window of cells is copied as it lies in the map; at a border it is moved inside, and the taps
    against it.
    """
    reach, (height, width) = REACH + len(taps) // 2, maps.shape[1:]
    high, wide = min(2 * reach + 1, height), min(2 * reach + 1, width)
    top, left = (row - reach).clamp(0, height - high), (column - reach).clamp(0, width - wide)
    windows = maps.unfold(1, high, 1).unfold(2, wide, 1)
    each = torch.arange(len(maps), device=maps.device)
    near = windows[each, top, left].double()
    down = _bands(high, taps).to(maps.device)[row - top]
    across = _bands(wide, taps).to(maps.device)[column - left]
    return torch.bmm(torch.bmm(down, near), across.mT)


def _blur_whole(maps: Tensor, peak: Tensor, column: Tensor, row: Tensor, taps: Tensor) -> Tensor:
    """[M, 5, 5] around the peak of the whole map blurred and scaled back to its old maximum."""
    height, width = maps.shape[1:]
    down, across = (_bands(size, taps)[:, REACH].to(maps.device) for size in (height, width))
    blurred = down @ maps.double() @ across.T
    scale = peak.double() / blurred.flatten(1).amax(1)
    return _patches(blurred, column, row, REACH) * scale[:, None, None]


def _parabola_top(log: Tensor) -> Tensor:
    """[M, 5, 5] -> [M, 2]: -H^-1 g at the centre; 0 where H is singular (DARK, equation 9)."""
    dx = 0.5 * (log[:, 2, 3] - log[:, 2, 1])
    dy = 0.5 * (log[:, 3, 2] - log[:, 1, 2])
    dxx = 0.25 * (log[:, 2, 4] - 2 * log[:, 2, 2] + log[:, 2, 0])
    dyy = 0.25 * (log[:, 4, 2] - 2 * log[:, 2, 2] + log[:, 0, 2])
    dxy = 0.25 * (log[:, 3, 3] - log[:, 1, 3] - log[:, 3, 1] + log[:, 1, 1])
    determinant = dxx * dyy - dxy.square()
    singular = determinant == 0
    top = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], -1)
    step = top / torch.where(singular, 1.0, determinant)[:, None]
    return torch.where(singular[:, None], 0.0, step)


def _gaussian_kernel(size: int) -> Tensor:
    """float64 [size]: what cv2.GaussianBlur takes for ksize=size, sigma=0."""
    if size in SMALL_KERNELS:
        return torch.tensor(SMALL_KERNELS[size], dtype=torch.float64) / 256
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    away = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    taps = torch.exp(-away.square() / (2 * sigma**2))
    return taps / taps.sum()


def _bands(cells: int, taps: Tensor) -> Tensor:
    """[cells, 5, cells]: correlation with `taps`, zeros outside, at the 5 cells around each."""
    cell = torch.arange(cells)
    around = cell[:, None] + torch.arange(-REACH, REACH + 1)
    place = cell - around[..., None] + len(taps) // 2
    inside = (place >= 0) & (place < len(taps))
    return torch.where(inside, taps[place.clamp(0, len(taps) - 1)], 0.0)
