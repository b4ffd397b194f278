"""Associative embedding: heatmaps of all people, and tags that say who each keypoint belongs to.

Newell, Huang, Deng, NeurIPS 2017, arXiv:1611.05424; targets and inference of HigherHRNet (Cheng
et al., CVPR 2020, arXiv:1908.10357, sections 3.3 and 3.4) and its code.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from data.codecs.tags.drawing import draw_heatmaps, draw_tags, mark_cells, sampled
from data.ground.codec import Codec
from data.ground.refusal import refusal
from data.ground.resize import Resize
from data.ground.sample import Decoded, Fields, FieldSpec, Outputs, Targets, WholeBatch
from data.ground.skeleton import Skeleton

# By the number of keypoints: head and shoulders first, then hips, elbows, wrists, knees, ankles,
# of COCO (17), MPII (16), CrowdPose (14) and OpenPose (18). Fields do not tell whose they are.
ORDERS = {
    17: (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16),
    16: (6, 7, 8, 9, 12, 13, 2, 3, 11, 14, 10, 15, 1, 4, 0, 5),
    14: (0, 1, 12, 13, 6, 7, 2, 3, 4, 5, 8, 9, 10, 11),
    18: (0, 1, 2, 5, 14, 15, 16, 17, 8, 11, 3, 6, 4, 7, 9, 12, 10, 13),
}

Grouping = Literal["gated", "reference"]
Resolution = Literal["exact", "fast"]
Scale = Literal["all", "coarse", "fine"]
KINDS = (("grouping", Grouping), ("resolution", Resolution), ("scale", Scale))
LARGEST = 1e4  # of what a network may paint


class Prepared(NamedTuple):
    """What grouping needs of a batch, on the host, finite: float32 heatmaps [B, K, h, w] at the
    finest scale that is read, tags [B, T, K, h', w'] of T passes; size: (width, height) that both
    are read at."""

    heatmaps: np.ndarray
    tags: np.ndarray
    size: tuple[int, int]


class Found(NamedTuple):
    """People of one image: points float32 [N, K, 2] in pixels of `Prepared.size`, scores float32
    [N, K] (0: not found), pose_scores float32 [N]."""

    points: np.ndarray
    scores: np.ndarray
    pose_scores: np.ndarray


@dataclass(frozen=True)
class AssociativeEmbedding(Codec):
    """sigma in cells of every scale. A peak is above detection_threshold and the highest within
    nms_kernel (odd) pixels; per keypoint the max_people highest count.

    tag_threshold: from this distance on two tags are of two people. grouping: see `group`.
    refine: keypoints that someone lacks are filled in, see `complete`. resolution "exact": all
    fields are read as if enlarged to the input (the papers' numbers); "fast": at the cells of the
    finest heatmaps. scale: which heatmaps are read, the mean of all sizes, or of the smallest or
    the largest alone (strides 4 and 2 of HigherHRNet); the same where a network paints one size.
    """

    sigma: float = 2.0
    max_people: int = 30
    detection_threshold: float = 0.1
    tag_threshold: float = 1.0
    nms_kernel: int = 5
    grouping: Grouping = "gated"
    refine: bool = True
    resolution: Resolution = "exact"
    scale: Scale = "all"

    whole_image: ClassVar[bool] = True
    resize: ClassVar[Resize] = Resize("short", multiple=64)

    def __post_init__(self) -> None:
        self._check("sigma", 0 < self.sigma <= 64, "above 0, at most 64")
        self._check("max_people", 1 <= self.max_people <= 1000, "1 to 1000")
        self._check("detection_threshold", 0 <= self.detection_threshold < LARGEST, "from 0")
        self._check("tag_threshold", 0 < self.tag_threshold <= 100, "above 0, at most 100")
        odd = self.nms_kernel % 2 == 1 and 1 <= self.nms_kernel <= 99
        self._check("nms_kernel", odd, "an odd number from 1 to 99")
        for name, kind in KINDS:
            names = get_args(kind)
            self._check(name, getattr(self, name) in names, ", ".join(names))

    def _check(self, option: str, right: bool, accepted: str) -> None:
        if not right:
            where = f"associative_embedding: {option}"
            raise refusal(where, given=getattr(self, option), accepted=accepted)

    def channels(self, skeleton: Skeleton) -> dict[str, int]:
        return {"heatmaps": len(skeleton.keypoints), "tags": len(skeleton.keypoints)}

    def encode(
        self, batch: WholeBatch, outputs: Outputs, input_size: tuple[int, int]
    ) -> list[Targets]:
        """Per stage, as its network paints them, on the batch's device:

        heatmaps: target [B, K, h, w], weight [B, 1, h, w] from `keep`; tags: target int64
        [B, N, K], the cell y * w + x, -1 where a keypoint is absent or outside, weight float32
        [B, N, K]. Stages of one stride share their targets. Memory: see `draw_heatmaps`.
        """
        of_stride = {output.stride: output for stage in outputs for output in stage.values()}
        drawn = {stride: self._draw(batch, o, input_size) for stride, o in of_stride.items()}
        return [{name: drawn[o.stride][name] for name, o in stage.items()} for stage in outputs]

    def _draw(self, batch: WholeBatch, output: FieldSpec, input_size: tuple[int, int]) -> Targets:
        stride, (_, height, width) = output.stride, output.shape(input_size)
        size = width, height
        points, seen = batch.keypoints_input, batch.visibility > 0
        cells = mark_cells(points / stride, seen, size)
        heatmaps = draw_heatmaps(cells, self.sigma, size)
        keep = sampled(batch.keep, input_size, stride, size).to(heatmaps.dtype)
        return {"heatmaps": (heatmaps, keep), "tags": (cells, (cells >= 0).to(heatmaps.dtype))}

    def decode(self, stages: list[Fields], input_size: tuple[int, int]) -> Decoded:
        """Everyone that the stages show; pose_scores: mean over all keypoints before refinement.

        Heatmaps are averaged over scales (of each the last stage; or one of them, see `scale`),
        tags are those of the last stage that paints them. Values that are not finite count as 0.
        At most K * max_people people of an image; see `find_peaks`, `group` and `complete` for
        what bounds the time.
        """
        prepared = self.prepare(stages, input_size)
        images = range(len(prepared.heatmaps))
        run: Callable[..., object] = _pool().map if len(images) > 1 else map
        people: list[Found] = list(run(lambda n: self.people(prepared, n), images))  # type: ignore[call-overload]
        scale = input_size[0] / prepared.size[0], input_size[1] / prepared.size[1]
        return _decoded(people, scale, stages[-1]["heatmaps"].device)

    def prepare(self, stages: list[Fields], input_size: tuple[int, int]) -> Prepared:
        """The device's part: scales averaged or chosen, all finite, one copy to the host."""
        tags = _finite([stage["tags"] for stage in stages if "tags" in stage][-1])
        heatmaps = _read_scales(stages, self.scale)
        keypoints, (height, width) = heatmaps.shape[1], heatmaps.shape[2:]
        passes = tags.shape[1] // keypoints
        if not passes or tags.shape[1] != passes * keypoints:
            raise refusal(
                "associative_embedding",
                fault=f"{tags.shape[1]} channels of tags for {keypoints} of heatmaps",
                accepted="as many, or a whole number of times as many (merged passes)",
            )
        size = (width, height) if self.resolution == "fast" else input_size
        apart = tags.unflatten(1, (passes, keypoints))
        return Prepared(_on_host(heatmaps), _on_host(apart), size)

    def people(self, prepared: Prepared, image: int) -> Found:
        """The host's part, one image; may run beside others and beside the device's work.

        Numba and SciPy are loaded by the first one: whoever only draws targets needs neither.
        """
        from data.codecs.tags.grouping import group
        from data.codecs.tags.peaks import find_peaks, grid
        from data.codecs.tags.refinement import complete

        heatmaps, tags = prepared.heatmaps[image], prepared.tags[image]
        cells = heatmaps.shape[:0:-1], tags.shape[:1:-1]
        read = grid(cells[0], cells[1], prepared.size)
        gated, order = self.grouping == "gated", grouping_order(len(heatmaps))
        given = self.detection_threshold, self.nms_kernel, self.max_people, gated
        peaks = find_peaks(heatmaps, tags, read, *given)
        members = group(peaks, order, self.tag_threshold, self.grouping, self.max_people)
        before = np.where(members >= 0, peaks.scores[np.arange(len(heatmaps)), members], 0)
        points, scores = complete(heatmaps, tags, read, peaks, members, self.refine)
        return Found(points, scores, before.mean(1, dtype=np.float32))

    def mirror(self, stages: list[Fields], skeleton: Skeleton) -> list[Fields]:
        """Fields of a mirrored image -> fields of the image itself; tags of every pass alike."""
        order = skeleton.mirror
        return [
            {
                name: field.flip(-1).unflatten(1, (-1, len(order)))[:, :, order].flatten(1, 2)
                for name, field in stage.items()
            }
            for stage in stages
        ]

    def merge(self, stages: list[Fields], *others: list[Fields]) -> list[Fields]:
        """One set of fields of several passes over an image: mirrored, or at other scales.

        Heatmaps are averaged at the size of the largest, so that a larger scale loses nothing.
        Tags [B, K, h, w] of the passes are stacked, pass after pass: [B, T K, h, w], so that a
        keypoint's tag is a vector; passes of another size than the first give heatmaps only
        (HigherHRNet's code). That code enlarges what each scale shows to the input by itself, and
        takes the mean there: at scales 0.5, 1 and 2 of painted people on COCO's images heights
        come out 0.001 apart in the median. Where that tips which keypoints someone is given, his
        score differs by theirs, each a 17th of it.
        """
        return [
            {
                name: _merged([stage[name] for stage in same], stack=name == "tags")
                for name in same[0]
            }
            for same in zip(stages, *others, strict=True)
        ]

    def paint(self, targets: list[Targets]) -> list[Fields]:
        """What an ideal network would paint; tags: everywhere the nearest person's number, x 2."""
        return [
            {
                name: draw_tags(target, stage["heatmaps"][0]) if name == "tags" else target
                for name, (target, _) in stage.items()
            }
            for stage in targets
        ]


def grouping_order(keypoints: int) -> tuple[int, ...]:
    """Keypoints in the order in which they are grouped; as they come where none is known."""
    return ORDERS.get(keypoints, tuple(range(keypoints)))


def _finite(field: Tensor) -> Tensor:
    return torch.nan_to_num(field.float(), 0.0, 0.0, 0.0).clamp_(-LARGEST, LARGEST)


def _mean(fields: Iterable[Tensor], size: Sequence[int]) -> Tensor:
    """The mean of fields [B, C, ...], all brought to `size` (h, w)."""
    alike = [
        field
        if field.shape[2:] == tuple(size)
        else F.interpolate(field, size=tuple(size), mode="bilinear", align_corners=False)
        for field in fields
    ]
    return alike[0] if len(alike) == 1 else sum(alike[1:], alike[0]) / len(alike)


def _read_scales(stages: Sequence[Fields], scale: Scale) -> Tensor:
    """Of the last heatmaps of each size one, or the mean of all at the finest one's."""
    last = {stage["heatmaps"].shape[2:]: stage["heatmaps"] for stage in stages}
    if scale == "coarse":
        return _finite(last[min(last, key=math.prod)])
    finest = max(last, key=math.prod)
    return _mean(map(_finite, last.values() if scale == "all" else [last[finest]]), finest)


def _merged(passes: Sequence[Tensor], stack: bool) -> Tensor:
    if stack:
        size = passes[0].shape[2:]
        return torch.cat([field for field in passes if field.shape[2:] == size], 1)
    return _mean(passes, max((field.shape[2:] for field in passes), key=math.prod))


def _decoded(people: list[Found], scale: tuple[float, float], device: torch.device) -> Decoded:
    points, scores, pose_scores = (np.concatenate(parts) for parts in zip(*people, strict=True))
    rows = np.repeat(np.arange(len(people)), [len(found.scores) for found in people])
    keypoints_input = (points * np.array(scale)).astype(np.float32)
    arrays = (keypoints_input, scores, rows, pose_scores)
    return Decoded(*(torch.from_numpy(array).to(device) for array in arrays))


def _on_host(field: Tensor) -> np.ndarray:
    return field.detach().contiguous().cpu().numpy()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="tags")
