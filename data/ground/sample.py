"""The shapes that travel: images with their people from a data set, batches, decoded poses.

Axis letters: B batch, N poses, K keypoints, H W image pixels, h w field cells. Points are (x, y),
sizes (width, height), boxes (x, y, width, height); every coordinate array names its frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MOST_PEOPLE = 100  # of one image that a batch of whole images carries; over others no loss counts

# field name -> [B, *FieldSpec.shape], maps [B, C, h, w]; one dict per supervised stage
Fields: TypeAlias = "dict[str, Tensor]"
# field name -> (target, weight); one dict per stage
Targets: TypeAlias = "dict[str, tuple[Tensor, Tensor]]"


class FieldSpec(Protocol):
    """What one stage of an architecture paints for one field; networks have such of their own."""

    @property
    def channels(self) -> int: ...

    @property
    def stride(self) -> int: ...

    def shape(self, input_size: tuple[int, int]) -> tuple[int, ...]:
        """Of the field of one image of `input_size` (width, height), without the batch's axis."""


class Output(NamedTuple):
    """A field of maps: `channels` at 1/`stride` of the input."""

    channels: int
    stride: int

    def shape(self, input_size: tuple[int, int]) -> tuple[int, ...]:
        """(channels, height, width) in cells."""
        return self.channels, input_size[1] // self.stride, input_size[0] // self.stride


Outputs: TypeAlias = Sequence[Mapping[str, FieldSpec]]  # per stage: field name -> what is painted


@dataclass(frozen=True)
class Pose:
    """One person of one image, in image pixels.

    keypoints_image [K, 2] float64; visibility [K] int64 (0 absent, 1 occluded, 2 visible);
    box_image (x, y, w, h); area in pixels^2 (COCO's segment area: what OKS divides by);
    score and keypoint_scores [K] only mean something on a predicted pose; head_size in pixels (0:
    unknown) on a true one, where the data set has it (MPII: 0.6 x the head box's diagonal), and
    crowd_index, how crowded its image is (CrowdPose: 0 to 1). num_keypoints: how many keypoints the
    data set's file counts of a true one, whatever its flags say; None where it says nothing.
    """

    keypoints_image: np.ndarray
    visibility: np.ndarray
    box_image: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    area: float = 0.0
    is_crowd: bool = False
    id: int = 0
    score: float = 1.0
    keypoint_scores: np.ndarray | None = None
    head_size: float = 0.0
    crowd_index: float = 0.0
    num_keypoints: int | None = None

    @property
    def counted_keypoints(self) -> int:
        """The file's number where it tells one, else how many flags say labelled."""
        if self.num_keypoints is not None:
            return self.num_keypoints
        return int(np.count_nonzero(self.visibility > 0))

    @property
    def has_region(self) -> bool:
        """Whether losses over whole images leave it out: a crowd, nobody labelled, or counted 0."""
        return self.is_crowd or not self.visibility.any() or self.num_keypoints == 0


AREA_OF_BOX = 0.53  # what people fill of their boxes: CrowdPose's share, COCO's mean is 0.5
LARGEST_AREA = 1e10  # pixels^2: beyond any image, and OKS would forgive anything there


def box_around(points: np.ndarray) -> tuple[float, float, float, float]:
    """The box (x, y, w, h) that points [N, 2], at least one, span."""
    low, high = points.min(axis=0), points.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


@dataclass(frozen=True)
class Sample:
    """One image of a data set with all its people; crowd regions are poses with `is_crowd`.

    `ignore` holds, per pose with `has_region` and in their order, COCO's own segmentation (polygons
    or RLE): what training must not count as background. Width and height are 0 where no file
    tells them. clip: boxes are cut to the image, as COCO's loaders do; else they are views that an
    annotator chose and may leave it.
    """

    image_id: int
    image_path: Path
    width: int
    height: int
    poses: tuple[Pose, ...] = ()
    ignore: tuple[object, ...] = field(default=())
    clip: bool = True


@dataclass(frozen=True)
class Rejected:
    """A row of a data set that cannot be used, and why; goes to quarantine.csv.

    kind: "image", "person", or "note" of a row that is used all the same, by what it lacks.
    """

    split: str
    kind: str
    id: str
    image_id: str
    reason: str


Reject = Callable[[Rejected], None]


class Batch(NamedTuple):
    """A top-down training batch, as the loader ships it.

    images uint8 [B, H, W, 3] RGB; keypoints_input float32 [B, K, 2] in input pixels (outside the
    crop allowed); visibility int64 [B, K]; sample_id int64 [B] (row of the person table);
    to_image float64 [B, 2, 3] affine from input pixels to image pixels.
    """

    images: Tensor
    keypoints_input: Tensor
    visibility: Tensor
    sample_id: Tensor
    to_image: Tensor

    def on(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in self))


class WholeBatch(NamedTuple):
    """A batch of whole images with all their people, for networks that find everyone at once.

    images uint8 [B, H, W, 3] RGB; keypoints_input float32 [B, N, K, 2] in input pixels (outside
    the image allowed); visibility int64 [B, N, K], 0 absent, N the most people of one image;
    keep uint8 [B, H / 2, W / 2]: 0 over crowds and unlabelled people, which no loss counts;
    sample_id int64 [B] (row of the image table); to_image float64 [B, 2, 3]; others: the same
    images at other scales, each uint8 [B, H', W', 3], for the test at several.
    """

    images: Tensor
    keypoints_input: Tensor
    visibility: Tensor
    keep: Tensor
    sample_id: Tensor
    to_image: Tensor
    others: tuple[Tensor, ...] = ()

    def on(self, device: torch.device) -> WholeBatch:
        moved = {
            name: tensor.to(device, non_blocking=True)
            for name, tensor in self._asdict().items()
            if name != "others"
        }
        return WholeBatch(**moved, others=tuple(other.to(device) for other in self.others))


class Decoded(NamedTuple):
    """Poses read back from fields, in input pixels of the network.

    keypoints_input [N, K, 2] float32; scores [N, K] (peak heights, 0: not found); batch_index [N]
    int64: which image of the batch each pose belongs to (top-down: 0..B-1, one pose each);
    pose_scores [N]: of whole poses, where the codec itself scores them (bottom-up).
    """

    keypoints_input: Tensor
    scores: Tensor
    batch_index: Tensor
    pose_scores: Tensor | None = None
