"""Samples/s of 1 to N GPUs: whole steps of the training, gradients summed by NCCL, without Ray.

    python -m benchmarks.gpu_ddp [--gpus N] [--recipe NAME] [--batch 128] [--steps 50]
                                 [--ways WAY ...] [--drawn 256 | --data COCO_FOLDER]

A process per GPU, started here. On each number of GPUs three figures: a step without its neighbours
(all processes at once, nothing summed), the same inside DistributedDataParallel, and so the share
of the step that waits for sums; then how the whole compares with as many times one. One GPU is
measured inside DistributedDataParallel too. --device cpu: over gloo, two processes unless --gpus
says more, which only shows that it runs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist

from benchmarks.gpu_training import (
    GOALS,
    RECIPES,
    WAYS,
    Measured,
    Way,
    add_arguments,
    clear,
    is_ready,
    job_of,
    lay_out,
    measure,
    parts_of,
)
from pipelines.training.device import device_use
from pipelines.training.parts import wrap
from pipelines.training.rank import Rank

HEAD = (
    "| way | GPUs | apart, samples/s | together | waits for sums | of as many times one "
    "| peak GiB | data wait |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)
USUAL = ["bf16, channels_last"]


def pair_of(rank: Rank, way: Way, given: argparse.Namespace) -> list[Measured]:
    """Of this rank: (apart from the others, together with them)."""
    alone = replace(rank, rank=0, world_size=1)
    job = job_of(given.recipe, way, given)
    apart = measure(job, alone, parts_of(job, alone, way), given)
    clear()
    dist.barrier()
    job = job_of(given.recipe, way, given, rank.world_size)
    parts = parts_of(job, rank, way)
    if rank.world_size == 1:  # what DistributedDataParallel itself costs
        use = device_use(job.recipe, rank.device.type, world_size=2)
        parts = replace(parts, wrapped=wrap(parts.network, rank, use))
    dist.barrier()
    return [apart, measure(job, rank, parts, given)]


def process(number: int, world: int, folder: str, given: argparse.Namespace) -> None:
    """One rank; rank 0 writes {way: [[apart, together] of each rank]}."""
    on_gpu = given.device == "cuda"
    device = torch.device("cuda", number) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    else:
        torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting-{world}"
    kind = "nccl" if on_gpu else "gloo"
    dist.init_process_group(kind, init_method=meeting, rank=number, world_size=world)
    rank, told = Rank(number, world, device), {}
    for name in given.ways:
        told[name] = rank.gather(pair_of(rank, WAYS[name], given))
        clear()
    if rank.is_main:
        Path(folder, f"{world}.json").write_text(json.dumps(told))
    dist.destroy_process_group()


def figures(world: int, given: argparse.Namespace, folder: str) -> dict[str, list[list[Measured]]]:
    """Of as many GPUs, each process fresh."""
    torch.multiprocessing.spawn(process, (world, folder, given), nprocs=world)  # type: ignore[no-untyped-call]
    told = json.loads(Path(folder, f"{world}.json").read_text())
    return {
        way: [[Measured(*each) for each in pair] for pair in ranks] for way, ranks in told.items()
    }


def row_of(way: str, pairs: list[list[Measured]], one: float) -> str:
    """pairs: of each rank; one: samples/s of one GPU without DistributedDataParallel."""
    apart, together = (sum(pair[n].samples_per_second for pair in pairs) for n in (0, 1))
    world, memory = len(pairs), max(pair[1].memory for pair in pairs)
    waiting = max(pair[1].waiting for pair in pairs)
    return (f"| {way} | {world} | {apart:,.1f} | {together:,.1f} | {1 - together / apart:.1%} | "
            f"{together / (world * one):.3f} | {memory:.2f} | {waiting:.1%} |")  # fmt: skip


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, USUAL)
    parser.add_argument("--recipe", default=RECIPES[0])
    parser.add_argument("--gpus", type=int, help="default: all")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    given = parse(arguments)
    if not is_ready(given):
        return
    most = given.gpus or (torch.cuda.device_count() if given.device == "cuda" else 2)
    with tempfile.TemporaryDirectory() as folder:
        lay_out(given, Path(folder))
        print(f"{given.recipe}: batch {given.batch} per GPU, {given.steps} steps; {GOALS}")
        print(HEAD)
        ones: dict[str, float] = {}
        for world in sorted({1, *(2**n for n in range(1, 8) if 2**n < most), most}):
            for way, pairs in figures(world, given, folder).items():
                ones.setdefault(way, pairs[0][0].samples_per_second)
                print(row_of(way, pairs, ones[way]), flush=True)


if __name__ == "__main__":
    main()
