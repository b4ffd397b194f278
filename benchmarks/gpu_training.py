"""Whole training steps on one GPU: eager float32 beside bf16 + channels_last + compile.

    python -m benchmarks.gpu_training [--batch 128] [--steps 50] [--recipe NAME ...]
                                      [--data COCO_FOLDER [--prepared TABLES] --loader-workers 8]

`pipelines.step.learn` with the parts of the recipe (network, codec, losses, optimizer), without
Ray: targets drawn on the device, forward, losses, backward, update. Batches lie in memory; with
--data they come from a folder of COCO's layout through the training's own loader. Told: samples/s,
peak memory, share of time waiting for data, share of the chip's peak; ratio. Without CUDA nothing
is measured; --device cpu only shows that it runs, in eager float32 unless --ways says more.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from data.datasets.coco import Coco
from data.ground.sample import Batch
from models import cost
from pipelines.host.progress import Pace
from pipelines.intake.splits import read_split
from pipelines.intake.tables import write_split
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from pipelines.training.job import Job
from pipelines.training.parts import build_feed, build_parts
from pipelines.training.rank import Rank
from pipelines.training.step import train_step

RECIPES = ("hrnet_w32_coco_256x192", "simple_baseline_r50_coco_256x192")
WAYS: dict[str, dict[str, Any]] = {
    "eager fp32": {"precision": "fp32", "channels_last": False, "compile": False},
    "bf16 + channels_last": {"precision": "bf16", "channels_last": True, "compile": False},
    "bf16 + channels_last + compile": {"precision": "bf16", "channels_last": True, "compile": True},
}
WARM = 8  # steps before the clock starts: allocations, choices of algorithms, compilation
# Listed TFLOP/s without sparsity, as NVIDIA's data sheets say (they print twice as much where they
# count sparsity): plain float32, TF32 and bf16 tensor cores. By part of the device's name; the
# longest that fits counts. TF32 is what torch lets cuDNN's convolutions use for float32.
PEAKS: dict[str, tuple[float, float, float]] = {
    "A100": (19.5, 156.0, 312.0),
    "A10": (31.2, 62.5, 125.0),
    "A30": (10.3, 82.0, 165.0),
    "H100": (66.9, 494.7, 989.4),
    "H100 PCIe": (51.2, 378.0, 756.0),
    "H200": (66.9, 494.7, 989.4),
    "L4": (30.3, 60.0, 121.0),
    "L40S": (91.6, 183.0, 362.0),
    "RTX 3090": (35.6, 35.6, 71.0),
    "RTX 4090": (82.6, 82.6, 165.2),
}


class Measured(NamedTuple):
    """samples_per_second; memory: peak GiB (nan on a CPU); waiting: share; peak: share or nan."""

    samples_per_second: float
    memory: float
    waiting: float
    peak: float


def listed_peak(device: str, precision: str, tf32: bool) -> float:
    """TFLOP/s of the device of that name, nan where the table above does not have it."""
    fitting = [name for name in PEAKS if name in device]
    if not fitting:
        return float("nan")
    plain, tensor, half = PEAKS[max(fitting, key=len)]
    return half if precision == "bf16" else tensor if tf32 else plain


def flops_per_sample(network: torch.nn.Module, input_size: tuple[int, int]) -> float:
    """Of a training step: 2 per multiply-accumulate, the backward pass twice the forward one."""
    return 3 * 2 * cost.count(network, input_size).macs_exact


def in_memory(recipe: Recipe, batch: int, pinned: bool) -> Iterator[list[Batch]]:
    """The same random batch again and again, on the host as a loader would leave it."""
    draw, (width, height) = torch.Generator().manual_seed(0), recipe.input_size
    made = Batch(
        torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=draw),
        torch.rand(batch, 17, 2, generator=draw) * torch.tensor([width, height]),
        torch.full((batch, 17), 2),
        torch.arange(batch),
        torch.eye(2, 3, dtype=torch.float64).expand(batch, 2, 3).contiguous(),
    )
    if pinned:
        made = Batch(*(tensor.pin_memory() for tensor in made))
    return itertools.repeat([made])


def from_loader(job: Job, rank: Rank) -> Iterator[list[Batch]]:
    """Batches of the training's own loader, epoch after epoch."""
    feed = build_feed(job, rank)
    for epoch in itertools.count():
        feed.sampler.set_epoch(epoch)
        for batch in feed.loader:
            yield [batch]


def tables_of(raw: Path, prepared: Path) -> None:
    """The train split of a COCO folder as tables, as `pipelines.prepare` writes them."""
    write_split(prepared / "train", read_split(Coco(), "coco", "train", raw), Coco.SKELETON)


def job_of(name: str, way: str, given: argparse.Namespace) -> Job:
    """The recipe, trained in that way, one micro-batch of `given.batch` per step."""
    recipe = load_recipe(name)
    steps = WARM + given.steps
    training = dataclasses.replace(
        recipe.training, global_batch=given.batch, steps_per_epoch=steps, **WAYS[way]
    )
    changed = dataclasses.replace(recipe, training=training)
    data = given.prepared or Path(), given.data or Path()
    return Job(name, changed, "", "", *data, Path(),
               max_batch_per_worker=given.batch, loader_workers=given.loader_workers)  # fmt: skip


def measure(job: Job, given: argparse.Namespace) -> Measured:
    """Whole steps after the warm-up; the device is waited for before and after."""
    device = torch.device(given.device)
    rank, on_gpu, training = Rank(device=device), device.type == "cuda", job.recipe.training
    parts = build_parts(job, rank)
    flops = flops_per_sample(parts.network, job.input_size)
    batches = from_loader(job, rank) if given.data else in_memory(job.recipe, given.batch, on_gpu)
    for _ in range(WARM if on_gpu else 1):
        train_step(job, rank, parts, next(batches))
    wait_for(device)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    pace = Pace()
    for _ in range(given.steps):
        with pace.waiting():
            batch = next(batches)
        train_step(job, rank, parts, batch)
    wait_for(device)
    rate = given.steps * given.batch / pace.seconds
    memory = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else float("nan")
    kind = torch.cuda.get_device_name() if on_gpu else "CPU"
    peak = listed_peak(kind, training.precision, torch.backends.cudnn.allow_tf32)
    return Measured(rate, memory, pace.wait_share, rate * flops / (peak * 1e12))


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def compare(name: str, given: argparse.Namespace) -> None:
    """A line per way; the first is what the others are compared with."""
    print(f"{name}: batch {given.batch}, {given.steps} steps, "
          f"batches {'from ' + str(given.data) if given.data else 'in memory'}")  # fmt: skip
    first = 0.0
    for way in given.ways:
        found = measure(job_of(name, way, given), given)
        torch._dynamo.reset()
        gc.collect()
        torch.cuda.empty_cache()
        first = first or found.samples_per_second
        print(f"  {way:32s}{found.samples_per_second:9.1f} samples/s  x "
              f"{found.samples_per_second / first:.2f}  peak memory {found.memory:.2f} GiB  "
              f"data wait {found.waiting:.1%}  of the listed peak {found.peak:.1%}",
              flush=True)  # fmt: skip


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", nargs="+", default=list(RECIPES), dest="recipes")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS),
                        help="default: all; on a CPU the first")  # fmt: skip
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--data", type=Path, help="folder of COCO's layout, through the loader")
    parser.add_argument("--prepared", type=Path, help="its tables; made anew without")
    parser.add_argument("--loader-workers", type=int, default=0)
    parser.add_argument("--cudnn-benchmark", action="store_true",
                        help="let cuDNN try its algorithms (the training does not)")  # fmt: skip
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        print("no CUDA device here: nothing was measured (--device cpu only shows that it runs)")
        return
    torch.backends.cudnn.benchmark = given.cudnn_benchmark
    on_gpu = given.device.startswith("cuda")
    given.ways = given.ways or list(WAYS)[: None if on_gpu else 1]
    kind = torch.cuda.get_device_name() if on_gpu else "CPU, a trial run: no number of a GPU"
    tf32 = "TF32" if torch.backends.cudnn.allow_tf32 else "plain float32"
    print(f"{kind}, torch {torch.__version__}, convolutions of fp32 in {tf32}, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        if given.data and not given.prepared:
            given.prepared = Path(folder)
            tables_of(given.data, given.prepared)
        for name in given.recipes:
            compare(name, given)


if __name__ == "__main__":
    main()
