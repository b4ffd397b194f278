"""A recipe as frozen typed dataclasses: everything that one training needs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from data.ground.plug import Plug
from data.ground.spans import Seed, Share, Span
from data.views.settings import Augmentation, PersonCropAugmentation, WholeImageAugmentation
from pipelines.recipe.strict import LATER, as_plain_data

Pixels = Literal["imagenet_rgb", "imagenet_bgr", "openpose_bgr"]
Options = dict[str, Any]  # keyword arguments of a plug, checked against its own signature
Epochs: TypeAlias = Annotated[int, Span(1, 100_000)]
Rate: TypeAlias = Annotated[float, Span(0, 10, open=True)]
Steps: TypeAlias = Annotated[int, Span(1, 10_000_000)]
Weight: TypeAlias = Annotated[float, Span(0, 1_000_000)]
Side: TypeAlias = Annotated[int, Span(1, 4096)]  # pixels


@dataclass(frozen=True)
class Architecture:
    name: str
    variant: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Pretrained:
    """Weights to start from: a path, `s3://`, `https://`, `hf://owner/name/file`, or a model that
    is registered here: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/RUN`.

    `sha256` is the digest of the file, or its first 8 or more hex digits; `python -m
    pipelines.fetch --weights RECIPE --pin` writes it, and nothing trains without.
    """

    source: str
    sha256: str = ""


@dataclass(frozen=True)
class FieldLoss:
    """The loss of one kind of field, and its weight per stage (one number serves all stages).

    stage_options: for single stages, over `options`: {"-1": {"top_k": 8}}. Stages count among
    those that paint the field, from 0 or, from the last, from -1.
    """

    name: str
    weight: Weight | list[Weight] = 1.0
    options: Options = field(default_factory=dict)
    stage_options: dict[str, Options] = field(default_factory=dict, metadata=LATER)

    def options_of(self, stage: int, stages: int) -> Options:
        """Options of one of `stages` stages, counted from 0."""
        own = (self.stage_options.get(str(n), {}) for n in (stage, stage - stages))
        return self.options | {key: value for each in own for key, value in each.items()}


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that learn at another rate or decay otherwise; each is in the first that fits.

    part: of the network, by name ("": all of it); weight_decay null: the optimizer's.
    """

    kinds: list[Literal["weight", "bias", "depthwise_weight", "norm_weight", "norm_bias"]]
    part: str = ""
    learning_rate_factor: Annotated[float, Span(0, 1000)] = 1.0
    weight_decay: Share | None = None


@dataclass(frozen=True)
class Optimizer:
    name: Literal["adam", "adamw", "sgd"]
    learning_rate: Rate
    weight_decay: Share = 0.0
    momentum: Share = 0.9
    clip_norm: Annotated[float, Span(0, 1_000_000, open=True)] | None = None
    groups: list[ParameterGroup] = field(default_factory=list, metadata=LATER)


@dataclass(frozen=True)
class Schedule:
    """`multi_step`: times `factor` at the start of each epoch in `milestones`; `cosine`: to
    `final_factor` of the learning rate at the last step; both after a linear warm-up."""

    name: Literal["multi_step", "cosine"]
    milestones: list[Epochs] = field(default_factory=list)
    factor: Annotated[float, Span(0, 1, open=True)] = 0.1
    final_factor: Share = 0.0
    warmup_steps: Annotated[int, Span(0, 10_000_000)] = 0


@dataclass(frozen=True)
class Training:
    """compile: block by block (`training/compiling.py`); deterministic: on GPUs a resumed training
    ends with the bits of an undisturbed one, at some speed (`training/device.py`), on CPUs it does
    so anyway; cuda_graphs: `training/graphs.py`, nothing on CPUs."""

    epochs: Epochs
    global_batch: Annotated[int, Span(1, 65_536)]
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    ema_decay: Share | None = None
    sync_batch_norm: bool = False
    small_split: Literal["repeat", "refuse"] = "repeat"
    skip_non_finite: Annotated[int, Span(0, 10_000_000)] = 0
    validate_every: Epochs = 1
    checkpoint_every_steps: Steps | None = None
    keep_best: Annotated[int, Span(1, 1000)] = 2
    steps_per_epoch: Steps | None = None
    deterministic: bool = field(default=False, metadata=LATER)
    cuda_graphs: bool = field(default=False, metadata=LATER)


@dataclass(frozen=True)
class Evaluation:
    """scales: of the input's short side or height, that whole images are read at together."""

    evaluator: str
    monitor: str = "AP@gt"
    flip_test: bool = True
    keypoint_threshold: Share = 0.2
    nms_threshold: Share = 0.9
    train_split: str = "train"
    split: str = "val"
    scales: list[Annotated[float, Span(0.05, 4)]] = field(
        default_factory=lambda: [1.0], metadata=LATER
    )


@dataclass(frozen=True)
class Published:
    """A row of a paper: what this recipe is to reproduce, under which protocol, and from where.

    metrics hold fractions of 1, keyed like ours (`AP@det`; `AP@test-dev`: by COCO's server, from a
    detector's boxes); cost is as printed, with its count. protocol_doubtful: the paper says or
    implies this protocol, but its numbers look like another one's; the note says why.
    """

    source: str
    metrics: dict[str, Share]
    params_m: Annotated[float, Span(0, 1_000_000, open=True)] | None = None
    gflops: Annotated[float, Span(0, 1_000_000, open=True)] | None = None
    gflops_count: Literal["exact_g", "exact_gi", "hr_g", "hr_gi"] | None = None
    note: str = ""
    protocol_doubtful: bool = False


@dataclass(frozen=True)
class Recipe:
    """Everything one training needs; `input_size` is (width, height).

    refine: a plug-in around the architecture, its name or {name, options}. pixels: how images are
    fed: ImageNet's mean and deviation on RGB, or on BGR (SimpleBaseline's code), or (BGR - 128) /
    256 (OpenPose's family).
    """

    dataset: str
    seed: Seed
    input_size: list[Side]
    architecture: Architecture
    codec: Plug
    losses: dict[str, FieldLoss]
    augmentation: Augmentation | WholeImageAugmentation | PersonCropAugmentation
    optimizer: Optimizer
    schedule: Schedule
    training: Training
    evaluation: Evaluation
    refine: Plug | None = field(default=None, metadata=LATER)
    pixels: Pixels = field(default="imagenet_rgb", metadata=LATER)
    pretrained: Pretrained | None = None
    published: list[Published] = field(default_factory=list)
    cite: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """`input_size` as (width, height)."""
        return self.input_size[0], self.input_size[1]

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def digest(self) -> str:
        """sha256 over what decides the training; the papers' numbers and citations do not."""
        decides = as_plain_data(self, without=("published", "cite"))
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
