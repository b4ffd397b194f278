"""What an exported file of ONNX says of itself, so that the file alone is enough to read poses."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, get_args

from data.ground.plug import Plug
from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton, plain_skeleton, read_skeleton
from data.ground.spans import Share, Span
from pipelines.recipe.strict import LATER, as_plain_data, read

Precision = Literal["int8", "fp16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
KEY = "limber"  # among the file's metadata
Side: TypeAlias = Annotated[int, Span(1, 16_384)]
Scale: TypeAlias = Annotated[float, Span(0.05, 4)]
Multiple: TypeAlias = Annotated[int, Span(1, 1024)]
MOST_SCALES = 16


@dataclass(frozen=True)
class Coarse:
    """What a file counts in fewer bits, and what that costs: `metric` (`AP@gt`) of the float file
    of that sha256 and of this one, on the same images of the split it was evaluated on.

    calibration: how ranges were found on so many `samples` of the training split, None: none were
    needed; in_float: layers that stay in float32; worst: layers that lose most, decibels of signal
    over what counting them coarsely adds.
    """

    precision: str
    metric: str
    before: float
    after: float
    most_loss: float
    images: int
    float_sha256: str
    in_float: list[str]
    worst: dict[str, float]
    calibration: str | None = None
    samples: int | None = None

    @property
    def told(self) -> str:
        """`int8, AP@gt 0.912 (float 0.918)`."""
        return f"{self.precision}, {self.metric} {self.after:.3f} (float {self.before:.3f})"


@dataclass(frozen=True)
class OnnxCard:
    """skeleton: its plain values; input_size (width, height); thresholds and scales as evaluation
    had them; flip_test: whether the graph has it in it; stages: field names of each; multiple: of
    the sides of whole images, None: fed with crops. recipe, epoch, fingerprint, data_hash: what the
    weights are of; coarse: None of a file in float32."""

    recipe: str
    epoch: int
    fingerprint: str
    data_hash: str
    skeleton_name: str
    skeleton: dict[str, Any]
    codec: Plug
    input_size: list[Side]
    aligned: bool
    keypoint_threshold: Share
    nms_threshold: Share
    scales: list[Scale]
    flip_test: bool
    stages: list[list[str]]
    multiple: Multiple | None
    coarse: Coarse | None = field(default=None, metadata=LATER)

    def text(self) -> str:
        return json.dumps(as_plain_data(self))

    def whole_skeleton(self, where: str) -> Skeleton:
        return read_skeleton(self.skeleton_name, self.skeleton, where)


def read_onnx_card(text: str, where: str) -> OnnxCard:
    """Raises ValueError for what no export of ours wrote."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refusal(where, fault=f"truncated or no json ({error})") from error
    card: OnnxCard = read(OnnxCard, content, where)
    if len(card.input_size) != 2:
        raise refusal(f"{where}: input_size", given=card.input_size, accepted="[width, height]")
    if not 1 <= len(card.scales) <= MOST_SCALES or not card.stages:
        fault = f"{len(card.scales)} scales, {len(card.stages)} stages"
        accepted = f"1 to {MOST_SCALES} scales, a stage or more"
        raise refusal(where, fault=fault, accepted=accepted)
    return card


def skeleton_values(skeleton: Skeleton) -> dict[str, Any]:
    """`skeleton_name` and `skeleton` of a card."""
    return {"skeleton_name": skeleton.name, "skeleton": plain_skeleton(skeleton)}
