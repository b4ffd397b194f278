"""What a codec is: poses in, fields out, and back.

A new one is a frozen dataclass, which is its own configuration, and one line of the menu in
`data/menus.py`. Members with a default here are those that a codec may leave out.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import Field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from data.ground.resize import Resize
from data.ground.sample import Decoded, Fields, Outputs, Targets
from data.ground.skeleton import Skeleton

if TYPE_CHECKING:
    from torch import Tensor


class Codec(Protocol):
    """Writes poses as fields and reads them back; sizes are (width, height) in input pixels.

    whole_image: fed with whole images (`WholeBatch`), else with one person per crop (`Batch`);
    resize: how a whole image is fed at test time, without meaning for crops.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # its options, as `dataclass` keeps them
    whole_image: ClassVar[bool] = False
    resize: ClassVar[Resize] = Resize()

    def __init__(self, **options: Any) -> None:
        """Raises ValueError for an option outside its range."""
        super().__init__()

    @property
    def aligned(self) -> bool:
        """Whether crops are cut with DARK's (size - 1) alignment of corner pixels."""
        return False

    @abstractmethod
    def channels(self, skeleton: Skeleton) -> dict[str, int]:
        """What a network has to paint: channels of each field; ValueError for a skeleton that the
        codec cannot write."""

    def keypoint_channels(self, skeleton: Skeleton) -> list[int]:
        """Channel of the field `heatmaps` of each keypoint; by default in the skeleton's order."""
        return list(range(len(skeleton.keypoints)))

    @abstractmethod
    def encode(self, batch: Any, outputs: Outputs, input_size: tuple[int, int]) -> list[Targets]:
        """A `WholeBatch` or a `Batch`, as `whole_image` says -> per stage {field: (target, weight)}
        at the sizes that `outputs` says, on the batch's device."""

    @abstractmethod
    def decode(self, stages: list[Fields], input_size: tuple[int, int]) -> Decoded:
        """Painted fields -> poses in input pixels; values that are not finite do no harm."""

    @abstractmethod
    def mirror(self, stages: list[Fields], skeleton: Skeleton) -> list[Fields]:
        """Fields of a mirrored image -> fields of the image itself, for the flip test."""

    @abstractmethod
    def merge(self, stages: list[Fields], *others: list[Fields]) -> list[Fields]:
        """One set of fields of several passes over an image: mirrored, or at other scales."""

    def hits(self, stages: list[Fields], targets: list[Targets]) -> Tensor | None:
        """float64 [2] of a training batch: over the keypoints of the skeleton that are labelled in
        it the sum of the shares that are found, and how many keypoints those are; the first over
        the second is the batch's accuracy. None, as by default: this codec counts none."""
        return None

    def paint(self, targets: list[Targets]) -> list[Fields]:
        """What an ideal network would paint; by default the targets themselves."""
        return [{name: target for name, (target, _) in stage.items()} for stage in targets]
