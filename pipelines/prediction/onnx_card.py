"""What an exported file of ONNX says of itself, so that the file alone is enough to read poses."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from data.ground.plug import Plug
from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton, plain_skeleton, read_skeleton
from pipelines.recipe.strict import read

KEY = "limber"  # among the file's metadata


@dataclass(frozen=True)
class OnnxCard:
    """skeleton: its plain values; input_size (width, height); thresholds and scales as evaluation
    had them; flip_test: whether the graph has it in it; stages: field names of each; multiple: of
    the sides of whole images, None: fed with crops. recipe, epoch, fingerprint, data_hash: what the
    weights are of."""

    recipe: str
    epoch: int
    fingerprint: str
    data_hash: str
    skeleton_name: str
    skeleton: dict[str, Any]
    codec: Plug
    input_size: list[int]
    aligned: bool
    keypoint_threshold: float
    nms_threshold: float
    scales: list[float]
    flip_test: bool
    stages: list[list[str]]
    multiple: int | None

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    def whole_skeleton(self, where: str) -> Skeleton:
        return read_skeleton(self.skeleton_name, self.skeleton, where)


def read_onnx_card(text: str, where: str) -> OnnxCard:
    """Raises ValueError for what no export of ours wrote."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise refusal(where, fault=f"truncated or no json ({error})") from error
    card: OnnxCard = read(OnnxCard, content, where)
    return card


def skeleton_values(skeleton: Skeleton) -> dict[str, Any]:
    """`skeleton_name` and `skeleton` of a card."""
    return {"skeleton_name": skeleton.name, "skeleton": plain_skeleton(skeleton)}
