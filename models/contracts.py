"""What a network, a refinement and a loss are: images in, fields out, and how far fields are off.

The ground floor of the wing. Members with a default are those that a network may leave out.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, Protocol

from torch import Tensor, nn

Fields = dict[str, Tensor]  # field name -> [B, *Output.shape]; one dict per supervised stage


class Output(NamedTuple):
    """What one stage paints for one field: `channels` maps at 1/`stride` of the input."""

    channels: int
    stride: int

    def shape(self, input_size: tuple[int, int]) -> tuple[int, ...]:
        """Of the field of one image of `input_size` (width, height): (channels, height, width)."""
        width, height = input_size
        return self.channels, height // self.stride, width // self.stride


class Network(nn.Module):
    """Called with images float32 [B, 3, H, W], normalised; paints the fields of every stage.

    Built as `kind(channels, **options)`, channels {field: how many}; ValueError for what it cannot
    paint. VARIANTS: named options, among them a small "demo". FIELDS: what it paints; of the one
    name here, whatever `channels` names. HEADS: parts that no trunk's file fills; FRESH: patterns
    of the trunk's keys that a file may lack. stride_divisor: of which H and W are multiples.
    outputs: per stage what it paints.
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]]
    FIELDS: ClassVar[tuple[str, ...]] = ("heatmaps",)
    HEADS: tuple[str, ...] = ()
    FRESH: tuple[str, ...] = ()
    stride_divisor: int
    outputs: list[dict[str, Output]]

    def forward(self, images: Tensor) -> list[Fields]:
        """Stages, the last of which is decoded."""
        raise NotImplementedError


class Refinement(Network):
    """A network around a built one, whose fields it paints anew.

    Built as `kind(base, aligned=..., **options)`, aligned: whether the codec lays fields of all
    sizes over each other by their corner cells (DARK's coding) instead of their first one.
    freeze_base: whether only the refinement learns.
    """

    base: Network
    freeze_base: bool = False


class Loss(Protocol):
    """How far one painted field is from the written one; a frozen dataclass of its options."""

    def __init__(self, **options: Any) -> None:
        """Raises ValueError for an option outside its range."""
        super().__init__()

    @abstractmethod
    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """A scalar. predicted [B, *]; target and weight as the field's codec writes them, weight 0
        where nothing is known. Raises ValueError where their shapes do not fit."""
