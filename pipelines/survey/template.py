"""A recipe that fits an own data set: the text of recipes/NAME.yaml.

Top-down: crops of single people, one heatmap per keypoint. With weights to start from it is their
network, fine-tuned at half of HRNet's learning rate; without any a small HRNet from scratch, which
learns tens of people by heart in minutes on two cores and thousands in an evening.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from data.ground.skeleton import Skeleton
from pipelines.recipe.schema import Recipe
from pipelines.recipe.strict import as_plain_data
from pipelines.survey.counts import Counts
from pipelines.survey.flow import flow

SMALL, WIDE_BOX, HIGH_BOX = 96, 1.2, 1 / 1.2  # shorter side of an input; width / height of boxes
LARGE_BATCH, SMALL_BATCH = 32, 8  # the split decides between them
STEPS = 900  # of a training from scratch, at least: 27 real people are then known by heart
EPOCHS, EPOCH_STEPS = 20, 20  # at least
ALL_KEYPOINTS = 8  # more than these, and half-body views are drawn


@dataclass(frozen=True)
class Start:
    """What fine-tuning starts from: a source as `pretrained` takes it, its digest, a recipe whose
    network the weights are of, and what that is called in words."""

    source: str
    sha256: str
    recipe: Recipe
    told: str


def recipe_text(
    dataset: str, skeleton: Skeleton, counts: Counts, evaluator: str, start: Start | None
) -> str:
    """The recipe of a data set whose training split has these counts; `load_recipe` reads it."""
    people = max(counts.people - counts.unlabelled, 1)
    batch = batch_that_fills(people)
    size = [start.recipe.input_size, ""] if start else [*input_size(counts.ratio)]
    steps = max(people // batch, EPOCH_STEPS)
    more = f"  steps_per_epoch: {steps}  # views of {people} people, drawn anew"
    epochs = max(EPOCHS, -(-STEPS // steps))
    lines = [
        f"# {dataset}: {len(skeleton.keypoints)} keypoints, {people} people to train on; written",
        "# by `python -m pipelines.datasets add`, and yours to change.",
        f"dataset: {dataset}",
        "seed: 1",
        f"input_size: {size[0]}  # width, height{size[1]}",
        *(_network(start.recipe) if start else _small_network()),
        *_augmentation(skeleton, fine=start is not None),
        *_optimizer(fine=start is not None),
        "training:",
        f"  epochs: {epochs}",
        f"  global_batch: {batch}  # never more than there are people",
        *([more] if people // batch < EPOCH_STEPS else []),
        f"  validate_every: {max(epochs // 6, 1)}",
        f"evaluation: {{evaluator: {evaluator}, flip_test: {flow(bool(skeleton.mirrored))}}}",
        *_pretrained(start),
    ]
    return "\n".join(lines) + "\n"


def recipe_name(dataset: str, start: Start | None) -> str:
    return f"{dataset}_{start.recipe.architecture.name if start else 'small_hrnet'}"


def batch_that_fills(people: int) -> int:
    """The largest power of two up to LARGE_BATCH of which the people fill four, or SMALL_BATCH;
    never more than there are people."""
    batch = LARGE_BATCH
    while batch > SMALL_BATCH and batch * 4 > people:
        batch //= 2
    return min(batch, people)


def input_size(ratio: float) -> tuple[list[int], str]:
    """[width, height] for boxes of that width / height, 3:4 as the papers', square or 4:3."""
    if ratio != ratio:
        return [SMALL, SMALL * 4 // 3], ""
    told = f": boxes have {ratio:.2f} (median)"
    if ratio < HIGH_BOX:
        return [SMALL, SMALL * 4 // 3], told
    return ([SMALL * 4 // 3, SMALL] if ratio > WIDE_BOX else [128, 128]), told


def _small_network() -> list[str]:
    return [
        "architecture:",
        "  name: hrnet",
        "  variant: demo",
        "  options: {width: 16, stem: 32, modules: [1, 1, 1], blocks: 2, bottlenecks: 1}",
        "codec:",
        "  name: heatmap",
        "  options: {sigma: 2.0, unbiased: true, decoding: dark}  # maps are small",
        "losses:",
        "  heatmaps: {name: keypoint_mse}",
    ]


def _network(recipe: Recipe) -> list[str]:
    parts = ("architecture", "refine", "pixels", "codec", "losses")
    plain = as_plain_data(recipe)
    return [f"{part}: {flow(plain[part])}" for part in parts if part in plain]


def _augmentation(skeleton: Skeleton, fine: bool) -> list[str]:
    pairs = bool(skeleton.mirrored)
    halves = len(skeleton.keypoints) > ALL_KEYPOINTS and len(skeleton.upper_body) > 0
    halves = halves and fine and len(skeleton.upper_body) < len(skeleton.keypoints)
    none = "" if pairs else "  # no left-right pairs"
    return [
        "augmentation:",
        f"  scale: {0.3 if fine else 0.1}",
        f"  rotation: {30.0 if fine else 10.0}",
        f"  flip_probability: {0.5 if pairs else 0.0}{none}",
        *(["  half_body_probability: 0.3"] if halves else []),
    ]


def _optimizer(fine: bool) -> list[str]:
    rate = "5.0e-4" if fine else "3.0e-3"
    return [
        f"optimizer: {{name: adam, learning_rate: {rate}}}",
        "schedule: {name: cosine, warmup_steps: 20}",
    ]


def _pretrained(start: Start | None) -> list[str]:
    if start is None:
        return ["pretrained: null  # from scratch; `add --from` starts from a trained network"]
    source, digest = flow(start.source), json.dumps(start.sha256)
    return [f"pretrained:  # {start.told}", f"  source: {source}", f"  sha256: {digest}"]
