"""Part affinity fields: heatmaps of keypoints, unit vectors along limbs; people by their limbs.

Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017
(arXiv:1611.08050); settings of Lightweight OpenPose (Osokin 2018, arXiv:1811.12004). Cells are
aligned by their middles in heatmaps and vectors alike (the latter's code shifts vectors by 3.5 of
8 pixels, within the limbs' thickness), so that mirroring needs no shift.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from data.codecs.limbs.drawing import draw_heatmaps, draw_limbs
from data.ground.codec import Codec
from data.ground.refusal import refusal
from data.ground.resize import Resize
from data.ground.sample import Decoded, Fields, Outputs, Targets, WholeBatch
from data.ground.skeleton import Skeleton, load_skeleton

if TYPE_CHECKING:  # Numba and SciPy: whoever only draws targets needs neither
    from data.codecs.limbs.grouping import People, Rules
    from data.codecs.limbs.peaks import Peaks

COCO = load_skeleton("coco")
OPENPOSE18 = load_skeleton("openpose18")

Matching = Literal["greedy", "hungarian"]
Resolution = Literal["exact", "fast"]
KEYPOINTS, LIMBS = len(OPENPOSE18.keypoints), len(OPENPOSE18.limbs)
TO_COCO = [OPENPOSE18.keypoints.index(name) for name in COCO.keypoints]
SHOULDERS = [COCO.keypoints.index(f"{side}_shoulder") for side in ("left", "right")]
# from the neck outwards; shoulder to ear closes loops
ASSEMBLY = (6, 10, 7, 8, 11, 12, 0, 1, 2, 3, 4, 5, 14, 15, 17, 16, 18, 9, 13)
LOOPS = 2


class Prepared(NamedTuple):
    """What grouping needs of a batch, on the host: peaks or heatmaps, and vectors with a border.

    pafs float32 [B, 38, h + 4, w + 4]; heatmaps the same with 18 channels where they are searched
    enlarged, else cells [B, 18, P, 2] and heights [B, 18, P] of the peaks; scale: input pixels
    per cell along x and y.
    """

    pafs: np.ndarray
    scale: tuple[float, float]
    heatmaps: np.ndarray | None = None
    cells: np.ndarray | None = None
    heights: np.ndarray | None = None


@dataclass(frozen=True)
class PartAffinityFields(Codec):
    """sigma in input pixels; thickness in cells; shift: pixels added to x and y.

    A peak is above peak_threshold and peak_distance pixels from others; of a channel the highest
    max_peaks count. A pair of peaks is a limb where more than min_share of limb_samples points
    between them have a vector along it above limb_threshold; its score is their mean. matching:
    best first, or the greatest sum (the paper's text). Who has fewer than min_parts keypoints, or
    a lower mean score than min_score, is nobody. resolution "exact": as on all fields enlarged
    bicubically to the input; "fast": peaks refined on the small maps, vectors bilinear, at no
    lower AP of painted fields (benchmarks/paf_decoding.py). shift: 0.5 in the official code, which
    moves what these aligned cells say away from the truth.
    """

    sigma: float = 7.0
    thickness: float = 1.0
    peak_threshold: float = 0.1
    peak_distance: float = 6.0
    max_peaks: int = 128
    limb_threshold: float = 0.05
    limb_samples: int = 10
    min_share: float = 0.8
    matching: Matching = "greedy"
    resolution: Resolution = "fast"
    min_parts: int = 3
    min_score: float = 0.2
    shift: float = 0.0

    whole_image: ClassVar[bool] = True
    resize: ClassVar[Resize] = Resize("height", multiple=8, fill=128)

    def __post_init__(self) -> None:
        positive = ("sigma", "thickness", "peak_threshold", "peak_distance", "max_peaks")
        least = dict.fromkeys(positive, 0.0) | {"limb_samples": 1, "limb_threshold": -1e-9}
        for name, low in least.items():
            self._check(name, low < getattr(self, name) < math.inf, f"above {max(low, 0):g}")
        self._check("min_share", 0 <= self.min_share < 1, "from 0, below 1")
        for name, kind in (("matching", Matching), ("resolution", Resolution)):
            names = get_args(kind)
            self._check(name, getattr(self, name) in names, ", ".join(names))

    def _check(self, option: str, right: bool, accepted: str) -> None:
        if not right:
            where = f"part_affinity_fields: {option}"
            raise refusal(where, given=getattr(self, option), accepted=accepted)

    def channels(self, skeleton: Skeleton) -> dict[str, int]:
        """Raises ValueError for other keypoints than COCO's, from which its own 18 are made."""
        if skeleton.keypoints != COCO.keypoints:
            raise refusal(
                "part_affinity_fields: skeleton",
                fault=f"given {skeleton.name} ({len(skeleton.keypoints)} keypoints)",
                accepted="the 17 keypoints of coco, from which the 18 of openpose18 are made",
                do="take a COCO data set or another codec",
            )
        return {"heatmaps": KEYPOINTS + 1, "pafs": 2 * LIMBS}

    def keypoint_channels(self, skeleton: Skeleton) -> list[int]:
        """Of COCO's 17 keypoints among the 18 and the background."""
        return list(TO_COCO)

    def encode(
        self, batch: WholeBatch, outputs: Outputs, input_size: tuple[int, int]
    ) -> list[Targets]:
        """Per stage heatmaps [B, 19, h, w] and pafs [B, 38, h, w], each with keep [B, 1, h, w].

        Bounds: see `draw_heatmaps` and `draw_limbs`; stages of one stride share their targets.
        """
        points, labelled = with_neck(batch.keypoints_input, batch.visibility)
        of_stride = {output.stride: output for stage in outputs for output in stage.values()}
        drawn = {
            stride: self._draw(points, labelled, batch.keep, stride, output.shape(input_size))
            for stride, output in of_stride.items()
        }
        return [{name: drawn[o.stride][name] for name, o in stage.items()} for stage in outputs]

    def _draw(
        self, points: Tensor, labelled: Tensor, keep: Tensor, stride: int, shape: tuple[int, ...]
    ) -> Targets:
        cells, field = (points + 0.5) / stride - 0.5, (shape[2], shape[1])
        heatmaps = draw_heatmaps(cells, labelled, self.sigma / stride, field)
        first, second = (list(ends) for ends in zip(*OPENPOSE18.limb_indices, strict=True))
        both = labelled[..., first] & labelled[..., second]
        pafs = draw_limbs(cells[:, :, first], cells[:, :, second], both, self.thickness, field)
        weight = _sampled(keep, field).to(heatmaps.dtype)
        return {"heatmaps": (heatmaps, weight), "pafs": (pafs, weight)}

    def decode(self, stages: list[Fields], input_size: tuple[int, int]) -> Decoded:
        """COCO's 17 keypoints of everyone that the last stage shows, each image by itself.

        Bounds: see `enlarged_peaks` and `group`; at most 17 max_peaks people of an image.
        """
        prepared = self.prepare(stages, input_size)
        images = range(len(prepared.pafs))
        several = len(images) > 1
        run: Callable[..., object] = _pool().map if several else map
        people: list[People] = list(run(lambda n: self.people(prepared, n), images))  # type: ignore[call-overload]
        return self._decoded(people, stages[-1]["pafs"].device)

    def prepare(self, stages: list[Fields], input_size: tuple[int, int]) -> Prepared:
        """The device's part: what `people` needs of the last stage, as one copy to the host."""
        from data.codecs.limbs.peaks import bordered, refined_peaks

        heatmaps, pafs = stages[-1]["heatmaps"][:, :KEYPOINTS], stages[-1]["pafs"]
        scale = input_size[0] / pafs.shape[3], input_size[1] / pafs.shape[2]
        if self.resolution == "exact":
            if scale[0] != scale[1] or scale[0] != int(scale[0]):
                cells_of = f"fields of {pafs.shape[3]} x {pafs.shape[2]} cells"
                raise refusal(
                    "part_affinity_fields: resolution exact",
                    fault=f"{cells_of} for an input of {input_size[0]} x {input_size[1]}",
                    accepted="the same whole number of pixels per cell along both",
                    do="or take fast",
                )
            return Prepared(bordered(pafs), scale, heatmaps=bordered(heatmaps))
        cells, heights = refined_peaks(heatmaps, self.peak_threshold, self.max_peaks)
        found = int((heights > 0).sum(2).max()) if heights.numel() else 0
        cells, heights = cells[:, :, :found].double(), heights[:, :, :found].double()
        return Prepared(
            bordered(pafs), scale, cells=cells.cpu().numpy(), heights=heights.cpu().numpy()
        )

    def people(self, prepared: Prepared, image: int) -> People:
        """The host's part, one image; may run beside others and beside the device's work."""
        from data.codecs.limbs.grouping import group
        from data.codecs.limbs.peaks import enlarged_peaks

        enlarged = prepared.heatmaps is not None
        if prepared.heatmaps is not None:
            given = self.peak_threshold, self.peak_distance, self.max_peaks
            peaks = enlarged_peaks(prepared.heatmaps[image], round(prepared.scale[0]), *given)
        else:
            assert prepared.cells is not None and prepared.heights is not None
            peaks = self._apart(prepared.cells[image], prepared.heights[image], prepared.scale)
        limbs, order = np.array(OPENPOSE18.limb_indices), np.array(ASSEMBLY)
        last = prepared.scale, enlarged, self._rules()
        return group(peaks, prepared.pafs[image], limbs, order, LOOPS, *last)

    def _apart(self, cells: np.ndarray, heights: np.ndarray, scale: tuple[float, float]) -> Peaks:
        """Cells [K, P, 2], highest first -> peaks that are peak_distance apart in input pixels."""
        from data.codecs.limbs.peaks import Peaks

        points = (cells + 0.5) * scale - 0.5
        apart = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)  # [K, P, P]
        near = (apart < self.peak_distance) & (heights > 0)[:, None]
        kept = (heights > 0) & ~np.tril(near, -1).any(2)
        first = np.concatenate([[0], np.cumsum(kept.sum(1))])
        return Peaks(points[kept], heights[kept], first.astype(np.int64))

    def _rules(self) -> Rules:
        from data.codecs.limbs.grouping import Rules

        samples = self.limb_samples
        enough = (n for n in range(1, samples + 1) if n / samples > self.min_share)
        return Rules(
            self.limb_threshold, samples, next(enough), self.matching == "hungarian",
            self.min_parts, self.min_score,
        )  # fmt: skip

    def _decoded(self, people: list[People], device: torch.device) -> Decoded:
        counts = [len(found.total) for found in people]
        points = np.concatenate([found.points for found in people])[:, TO_COCO]
        scores = np.concatenate([found.scores for found in people])[:, TO_COCO]
        points = np.where(scores[..., None] > 0, points + self.shift, 0.0)
        parts = np.concatenate([found.parts for found in people])
        total = np.concatenate([found.total for found in people]) * np.maximum(parts - 1, 0)
        rows = np.repeat(np.arange(len(people)), counts)
        floats = (torch.from_numpy(a).float().to(device) for a in (points, scores, total))
        keypoints_input, keypoint_scores, pose_scores = floats
        index = torch.from_numpy(rows).to(device)
        return Decoded(keypoints_input, keypoint_scores, index, pose_scores)

    def mirror(self, stages: list[Fields], skeleton: Skeleton) -> list[Fields]:
        """Fields of a mirrored image -> fields of the image itself."""
        self.channels(skeleton)  # refuses others
        order = [*OPENPOSE18.mirror, KEYPOINTS]
        swapped = [(OPENPOSE18.mirror[a], OPENPOSE18.mirror[b]) for a, b in OPENPOSE18.limb_indices]
        limbs = [OPENPOSE18.limb_indices.index(limb) for limb in swapped]
        channels = [2 * limb + axis for limb in limbs for axis in (0, 1)]
        return [
            {
                "heatmaps": stage["heatmaps"].flip(-1)[:, order],
                "pafs": stage["pafs"].flip(-1)[:, channels]
                * stage["pafs"].new_tensor([-1.0, 1.0]).repeat(LIMBS)[:, None, None],
            }
            for stage in stages
        ]

    def merge(self, stages: list[Fields], *others: list[Fields]) -> list[Fields]:
        """The mean of several passes over an image, mirrored or at other scales, field by field;
        those of another size are brought to the first's."""
        return [
            {
                name: torch.stack([_resized(each[name], field) for each in same]).mean(0)
                for name, field in same[0].items()
            }
            for same in zip(stages, *others, strict=True)
        ]


def with_neck(points: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
    """COCO's [B, N, 17, 2], [B, N, 17] -> openpose18's points [B, N, 18, 2], labelled [B, N, 18].

    The neck lies in the middle of the shoulders and is labelled where both are.
    """
    if points.shape[2] != len(COCO.keypoints):
        fault = f"given {points.shape[2]} keypoints of a person"
        raise refusal("part_affinity_fields: encode", fault=fault, accepted="the 17 of coco")
    labelled = (visibility > 0) & torch.isfinite(points).all(-1)
    points = torch.cat([points, points[:, :, SHOULDERS].mean(2, keepdim=True)], 2)
    labelled = torch.cat([labelled, labelled[:, :, SHOULDERS].all(2, keepdim=True)], 2)
    own = [*COCO.keypoints, "neck"]
    order = [own.index(name) for name in OPENPOSE18.keypoints]
    return points[:, :, order], labelled[:, :, order]


def _sampled(keep: Tensor, size: tuple[int, int]) -> Tensor:
    """[B, H / 2, W / 2] -> [B, 1, h, w]: its value at the middle of each cell."""
    rows, columns = (
        ((torch.arange(n, device=keep.device) + 0.5) * (of / n)).long().clamp_max(of - 1)
        for n, of in zip(size[::-1], keep.shape[1:], strict=True)
    )
    return keep[:, rows][:, :, columns][:, None]


def _resized(field: Tensor, like: Tensor) -> Tensor:
    if field.shape[2:] == like.shape[2:]:
        return field
    return F.interpolate(field, size=like.shape[2:], mode="bicubic", align_corners=False)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="limbs")
