"""What is said of a pose network of ONNX that is none of ours: NAME.yaml beside NAME.onnx.

RTMPose, of 192 x 256 pixels:

    input_size: [192, 256]   # width, height
    skeleton: coco           # a name of data/skeletons, or a file beside this one
    pixels: {mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375]}
    output: {kind: simcc, names: [simcc_x, simcc_y], split: 2}

HRNet, as its heatmaps:

    input_size: [192, 256]
    skeleton: coco
    pixels: {mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375]}
    output: {kind: heatmaps}

MoveNet Thunder, which reads pixels as they are:

    input_size: [256, 256]
    skeleton: coco
    pixels: {layout: nhwc}
    output: {kind: coordinates, order: yx, unit: crop, values: 3, score: 2}

Left out is what stands as its default here. What numbers the network takes (float32, float16,
int32, uint8) and how many images at once is told by the file of ONNX itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from data.ground.json_text import SUREST
from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton, load_skeleton, skeleton_names, skeleton_of_file
from data.ground.spans import DEVIATIONS, MEANS, Factor, Share, Span
from data.views.geometry import PADDING
from pipelines.recipe.beside import read_beside
from pipelines.recipe.options import SPANS
from pipelines.recipe.strict import read

LONGEST = 4096  # pixels of an input's side


@dataclass(frozen=True)
class FedPixels:
    """(pixel 0 to 255 - mean) / std, by channel in the order of `colour`; networks that take whole
    numbers are fed pixels as they are, and may say neither."""

    layout: Literal["nchw", "nhwc"] = "nchw"
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    std: list[float] = field(default_factory=lambda: [1.0, 1.0, 1.0])

    @property
    def as_they_are(self) -> bool:
        return not any(self.mean) and all(each == 1 for each in self.std)


@dataclass(frozen=True)
class Crop:
    """What of an image is shown: the box, its short side enlarged to the input's shape, `padding`
    times as large; aligned: corner pixels on corner pixels, as DARK's code cuts."""

    padding: Factor = PADDING
    aligned: bool = False


@dataclass(frozen=True)
class NetworkOutput:
    """kind heatmaps, [B, K, h, w]: decoding and blur_kernel as codec `heatmap` has them.

    kind simcc, [B, K, W x split] and [B, K, H x split], in this order: highest cells; their lower
    value is the score, with `softmax` of probabilities.

    kind coordinates, [B, ..., K x values]: `order` says where a point's x and y stand, `unit` what
    they are measured in (the crop: 0 to 1), `score` where its score stands (none: 1), as it is or
    as a logit. names: of outputs, where the network has others; in the order given here.
    """

    kind: Literal["heatmaps", "simcc", "coordinates"]
    names: list[str] = field(default_factory=list)
    decoding: Literal["argmax", "quarter_offset", "dark"] = "quarter_offset"
    blur_kernel: Annotated[int, SPANS["blur_kernel"]] = 11
    split: Annotated[float, Span(0, 64, open=True)] = 2.0
    softmax: bool = False
    order: Literal["xy", "yx"] = "xy"
    unit: Literal["crop", "pixels"] = "crop"
    values: Annotated[int, Span(2, 64)] = 3
    score: int | None = 2
    logits: bool = False


@dataclass(frozen=True)
class Sidecar:
    """keypoints: names in the network's order, where that is not the skeleton's; threshold:
    keypoints of a score up to it are left out; nms_threshold: OKS above which two are one."""

    input_size: list[int]
    skeleton: str
    output: NetworkOutput
    pixels: FedPixels = field(default_factory=FedPixels)
    crop: Crop = field(default_factory=Crop)
    keypoints: list[str] = field(default_factory=list)
    threshold: Annotated[float, Span(-SUREST, SUREST)] = 0.2
    nms_threshold: Share = 0.9

    @property
    def size(self) -> tuple[int, int]:
        return self.input_size[0], self.input_size[1]


def sidecar_of(path: Path) -> Path:
    """Where a network's sidecar is looked for."""
    return path.with_suffix(".yaml")


def read_sidecar(path: Path) -> tuple[Sidecar, Skeleton]:
    """Strictly. Raises ValueError that names file and key."""
    made: Sidecar = read(Sidecar, read_beside(path), str(path))
    for key, (value, fits, accepted) in _checks(made).items():
        if not fits:
            raise refusal(f"{path}: {key}", given=value, accepted=accepted)
    skeleton = _skeleton(made.skeleton, path)
    if made.keypoints and sorted(made.keypoints) != sorted(skeleton.keypoints):
        accepted = f"each of {', '.join(skeleton.keypoints)} once"
        raise refusal(f"{path}: keypoints", given=made.keypoints, accepted=accepted)
    return made, skeleton


def _checks(made: Sidecar) -> dict[str, tuple[Any, bool, str]]:
    """By key its value, whether it can be, what is accepted."""
    size, pixels, output = made.input_size, made.pixels, made.output
    inside = output.score is None or 2 <= output.score < output.values
    return {
        "input_size": (
            size,
            len(size) == 2 and 0 < min(size) <= max(size) <= LONGEST,
            f"[width, height], up to {LONGEST:,} pixels",
        ),
        "pixels.mean": _by_channel(pixels.mean, MEANS),
        "pixels.std": _by_channel(pixels.std, DEVIATIONS),
        "output.score": (
            output.score,
            inside or output.kind != "coordinates",
            "where of a keypoint's `values`, from 2 (0 and 1 are its x and y); null: none",
        ),
        "output.blur_kernel": (
            output.blur_kernel,
            output.blur_kernel % 2 == 1,
            f"an odd number, {SPANS['blur_kernel']}",
        ),
    }


def _by_channel(values: list[float], span: Span) -> tuple[list[float], bool, str]:
    """As a row of `_checks`."""
    return values, len(values) == 3 and all(each in span for each in values), f"three of {span}"


def _skeleton(given: str, path: Path) -> Skeleton:
    """By its name, or a file's path from the sidecar's folder."""
    if given in skeleton_names():
        return load_skeleton(given)
    file = path.parent / Path(given).expanduser()
    if file.suffix in (".yaml", ".yml"):
        return skeleton_of_file(file)
    accepted = f"{', '.join(skeleton_names())}, or the path of a yaml file"
    raise refusal(f"{path}: skeleton", given=given, accepted=accepted)
