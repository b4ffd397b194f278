"""Whole training steps on one GPU, in each way that a recipe can ask for, beside the chip's wall.

    python -m benchmarks.gpu_training [--batch 128] [--steps 50] [--recipe NAME ...]
        [--ways WAY ...] [--drawn 256 | --data COCO_FOLDER [--prepared TABLES]]
        [--loader-workers 8 [--auto-loaders]]

`train_step` of the training loop with the parts of the recipe (network, codec, losses, optimizer),
no Ray: batches cross to the device, targets are drawn there, forward, losses, backward, update.
Batches lie in memory; with --data they come from a folder of COCO's layout through the training's
own loader, with --drawn from one that is drawn. Wall: what the chip's listed peak and bandwidth
allow (`chips.py`). Without CUDA nothing is measured; --device cpu only shows that it runs, in the
eager ways unless --ways says more.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.chips import bytes_per_sample, chip_of, flops_per_sample, versions, wall
from data.datasets.coco import Coco
from data.datasets.stick_figures import draw_split
from data.ground.sample import Batch
from pipelines.host.progress import Pace
from pipelines.intake.splits import read_split
from pipelines.intake.tables import write_split
from pipelines.recipe.build import build_architecture
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from pipelines.training.device import PLAIN, crossing
from pipelines.training.job import Job
from pipelines.training.loaders import with_loaders
from pipelines.training.parts import Parts, build_feed, build_parts
from pipelines.training.rank import Rank
from pipelines.training.step import train_step

RECIPES = ("hrnet_w32_coco_256x192", "simple_baseline_r50_coco_256x192")
WARM = 8  # steps before the clock starts: allocations, choices of algorithms, compilation
HEAD = (
    "| recipe | way | samples/s | x the first | peak GiB | data wait | before, s "
    "| wall, samples/s | of it |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
GOALS = (
    "goals: hrnet_w32_coco_256x192 2,500 samples/s on one H100, 1,500 on two RTX 3090; "
    "N GPUs 0.97 N times one"
)


@dataclass(frozen=True)
class Way:
    """training: keys of the recipe; mode: of torch.compile, for the network as one; before: as
    torch leaves a device."""

    training: dict[str, Any] = field(default_factory=dict)
    mode: str | None = None
    before: bool = False

    @property
    def is_eager(self) -> bool:
        return not (self.mode or self.training.get("compile") or self.training.get("cuda_graphs"))


BF16: dict[str, Any] = {"precision": "bf16", "channels_last": True}
WAYS = {
    "fp32, as torch leaves it": Way(before=True),  # TF32 in convolutions alone, nothing looked for
    "fp32": Way(),
    "fp32, channels_last": Way({"channels_last": True}),
    "bf16": Way({"precision": "bf16"}),
    "bf16, channels_last": Way(BF16),
    "bf16, channels_last, deterministic": Way({**BF16, "deterministic": True}),
    "bf16, channels_last, CUDA graphs": Way({**BF16, "cuda_graphs": True}),
    "bf16, channels_last, compile": Way({**BF16, "compile": True}),
    "bf16, channels_last, compile, CUDA graphs": Way(
        {**BF16, "compile": True, "cuda_graphs": True}
    ),
    "bf16, channels_last, compiled as one": Way(BF16, "default"),
    "bf16, channels_last, compiled as one, reduce-overhead": Way(BF16, "reduce-overhead"),
}
EAGER = [name for name, way in WAYS.items() if way.is_eager]


class Measured(NamedTuple):
    """samples_per_second; memory: peak GiB (nan on a CPU); waiting: share; first: seconds before
    the clock, of building, compiling, recording and the first steps; wall: samples/s, nan where
    the chip is not listed, and what makes it."""

    samples_per_second: float
    memory: float
    waiting: float
    first: float = float("nan")
    wall: float = float("nan")
    wall_by: str = ""


Measure = Callable[[str, Way, argparse.Namespace], Measured]


def in_memory(recipe: Recipe, batch: int, pinned: bool) -> Iterator[Batch]:
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
    return itertools.repeat(made)


def from_loader(job: Job, rank: Rank) -> Iterator[Batch]:
    """Batches of the training's own loader, epoch after epoch."""
    feed = build_feed(job, rank)
    for epoch in itertools.count():
        feed.sampler.set_epoch(epoch)
        yield from feed.loader


def tables_of(raw: Path, prepared: Path) -> None:
    """The train split of a COCO folder as tables, as `pipelines.prepare` writes them."""
    write_split(prepared / "train", read_split(Coco(), "coco", "train", raw), Coco.SKELETON)


def job_of(name: str, way: Way, given: argparse.Namespace, ranks: int = 1) -> Job:
    """The recipe, trained in that way, one micro-batch of `given.batch` per step and rank."""
    recipe = load_recipe(name)
    plain = {"precision": "fp32", "channels_last": False, "compile": False, "cuda_graphs": False}
    steps = WARM + given.steps
    training = dataclasses.replace(
        recipe.training,
        **{**plain, **way.training},
        global_batch=given.batch * ranks,
        steps_per_epoch=steps,
    )
    changed = dataclasses.replace(recipe, training=training)
    data = given.prepared or Path(), given.data or Path()
    return Job(name, changed, "", "", *data, Path(),
               max_batch_per_worker=given.batch, loader_workers=given.loader_workers)  # fmt: skip


def parts_of(job: Job, rank: Rank, way: Way) -> Parts:
    """What learns; compiled after all else, as a training's is."""
    parts = build_parts(job, rank, PLAIN if way.before else None)
    if way.before:
        torch.backends.cudnn.allow_tf32 = True  # torch's default, not that of `PLAIN`
    if way.mode:
        parts.network.compile(mode=way.mode)
    return parts


def measure(job: Job, rank: Rank, parts: Parts, given: argparse.Namespace) -> Measured:
    """Whole steps after the warm-up; the device is waited for before and after."""
    device = rank.device
    on_gpu = device.type == "cuda"
    source = from_loader(job, rank) if given.data else in_memory(job.recipe, given.batch, on_gpu)
    batches, began = crossing(source, device, parts.use), time.perf_counter()
    for _ in range(WARM if on_gpu else 1):
        step(job, rank, parts, next(batches))
    wait_for(device)
    first = time.perf_counter() - began
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    pace = Pace()
    for _ in range(given.steps):
        with pace.waiting():
            batch = next(batches)
        step(job, rank, parts, batch)
    wait_for(device)
    rate = given.steps * given.batch / pace.seconds
    return Measured(rate, peak_of(parts, device), pace.wait_share, first)


def peak_of(parts: Parts, device: torch.device) -> float:
    """GiB; what a graph keeps for itself counts as reserved alone."""
    if device.type != "cuda":
        return float("nan")
    graphs = parts.use.cuda_graphs
    held = torch.cuda.max_memory_reserved if graphs else torch.cuda.max_memory_allocated
    return held(device) / 2**30


def step(job: Job, rank: Rank, parts: Parts, batch: Batch) -> None:
    torch.compiler.cudagraph_mark_step_begin()  # what the step before painted may be overwritten
    train_step(job, rank, parts, [batch])


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def beside_the_wall(found: Measured, job: Job, device: str) -> Measured:
    """With what the chip's data sheet allows, in TF32 where it is float32."""
    chip, precision = chip_of(device), job.recipe.training.precision
    if chip is None:
        return found
    with torch.device("meta"):
        network = build_architecture(job.recipe)
    flops = flops_per_sample(network, job.input_size)
    moved = bytes_per_sample(network, job.input_size, precision)
    most = wall(chip, flops, moved, precision, tf32=True)
    return found._replace(wall=most.samples_per_second, wall_by=most.by)


def compare(name: str, given: argparse.Namespace, measured: Measure | None = None) -> list[str]:
    """Rows of the table, each printed when it is there; the first way is 1."""
    measured = measured or measured_alone
    first, rows = 0.0, []
    for way in given.ways:
        try:
            found = measured(name, WAYS[way], given)
        except RuntimeError as error:  # no memory, no such form; the other ways can still be had
            rows.append(f"| {name} | {way} | failed: {str(error).splitlines()[0][:90]} |")
        else:
            first = first or found.samples_per_second
            rows.append(row_of(name, way, found, first))
        print(rows[-1], flush=True)
        clear()
    return rows


def measured_alone(name: str, way: Way, given: argparse.Namespace) -> Measured:
    job, rank = job_of(name, way, given), Rank(device=torch.device(given.device))
    job = with_loaders(job, rank) if given.auto_loaders else job
    began = time.perf_counter()
    parts = parts_of(job, rank, way)
    built = time.perf_counter() - began
    found = measure(job, rank, parts, given)
    return beside_the_wall(found._replace(first=found.first + built), job, given.kind)


def clear() -> None:
    torch._dynamo.reset()
    gc.collect()
    torch.cuda.empty_cache()


def row_of(name: str, way: str, found: Measured, first: float) -> str:
    rate = found.samples_per_second
    at_most = f"{found.wall:,.0f} ({found.wall_by}) | {rate / found.wall:.0%}"
    return (f"| {name} | {way} | {rate:,.1f} | {rate / first:.2f} | {found.memory:.2f} | "
            f"{found.waiting:.1%} | {found.first:.1f} | "
            f"{at_most if found.wall_by else 'not listed | '} |")  # fmt: skip


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, list(WAYS))
    parser.add_argument("--recipe", nargs="+", default=list(RECIPES), dest="recipes")
    as_told = "as `loader_workers: auto` of a profile, at most --loader-workers"
    parser.add_argument("--auto-loaders", action="store_true", help=as_told)
    return parser.parse_args(arguments)


def add_arguments(parser: argparse.ArgumentParser, ways: list[str]) -> None:
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), metavar="WAY",
                        help=f"of {'; '.join(WAYS)}. Default: {'; '.join(ways)}")  # fmt: skip
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--batch", type=int, default=128, help="samples per GPU and step")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--data", type=Path, help="folder of COCO's layout, through the loader")
    parser.add_argument("--drawn", type=int, help="as many drawn images, through the loader")
    parser.add_argument("--prepared", type=Path, help="tables of --data; made anew without")
    parser.add_argument("--loader-workers", type=int, default=0)
    parser.set_defaults(all_ways=ways)


def is_ready(given: argparse.Namespace) -> bool:
    """Fills in what was left out, and says on what is measured; false where it cannot be."""
    on_gpu = given.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        print("no CUDA device here: nothing was measured (--device cpu only shows that it runs)")
        return False
    given.ways = given.ways or [way for way in given.all_ways if on_gpu or way in EAGER]
    given.kind = torch.cuda.get_device_name() if on_gpu else "CPU, a trial run: no number of a GPU"
    print(f"{given.kind}; {versions()}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return True


def lay_out(given: argparse.Namespace, folder: Path) -> None:
    """Data that are drawn, and tables that are missing."""
    if given.drawn:
        given.data = folder / "drawn"
        draw_split(given.data, "train", given.drawn, 1)
    if given.data and not given.prepared:
        given.prepared = folder / "prepared"
        given.prepared.mkdir()
        tables_of(given.data, given.prepared)


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    if not is_ready(given):
        return
    with tempfile.TemporaryDirectory() as folder:
        lay_out(given, Path(folder))
        source = f"from {given.data}" if given.data else "in memory"
        print(f"batch {given.batch}, {given.steps} steps, batches {source}; {GOALS}")
        print(HEAD)
        for name in given.recipes:
            compare(name, given)


if __name__ == "__main__":
    main()
