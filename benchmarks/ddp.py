"""Samples/s of two one-thread ranks over one: whole optimizer steps on batches in memory, gloo DDP.

python -m benchmarks.ddp [--ray]     the aim: at least 1.9 on two free cores

Beside it two such processes at once that share nothing: what the machine itself gives the second,
whose cores share caches and memory, or are one core's two threads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPE, SIZE, WARM, STEPS, ROUNDS = "demo_hrnet", 16, 3, 20, 3


def measure(rank: int, world: int) -> float:
    """Samples/s of all ranks together: the median of some rounds, each from barrier to barrier."""
    import torch
    import torch.distributed as dist

    from data.ground.sample import Batch
    from pipelines.recipe.reader import load_recipe
    from pipelines.training.job import Job
    from pipelines.training.parts import build_parts
    from pipelines.training.rank import Rank
    from pipelines.training.step import train_step

    torch.set_num_threads(1)
    recipe = load_recipe(RECIPE)
    here = Path()
    job = Job(RECIPE, recipe, "", "", here, here, here)
    width, height = recipe.input_size
    draw = torch.Generator().manual_seed(rank)
    batch = Batch(
        torch.randint(0, 256, (SIZE, height, width, 3), dtype=torch.uint8, generator=draw),
        torch.rand(SIZE, 17, 2, generator=draw) * torch.tensor([width, height]),
        torch.full((SIZE, 17), 2),
        torch.arange(SIZE),
        torch.eye(2, 3, dtype=torch.float64).expand(SIZE, 2, 3),
    )
    this = Rank(rank, world)
    parts = build_parts(job, this)
    rates = []
    for number in range(ROUNDS + 1):
        if world > 1:
            dist.barrier()
        started = time.perf_counter()
        for _ in range(STEPS if number else WARM):
            train_step(job, this, parts, [batch])
        if world > 1:
            dist.barrier()
        rates.append(world * SIZE * STEPS / (time.perf_counter() - started))
    return sorted(rates[1:])[ROUNDS // 2]


def under_torchrun() -> None:
    import torch.distributed as dist

    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo")
    if os.environ["DDP_APART"]:
        dist.barrier()
        rates: list[float] = [0.0] * world
        dist.all_gather_object(rates, measure(rank, 1))
        rate = sum(rates)
    else:
        rate = measure(rank, world)
    if rank == 0:
        Path(os.environ["DDP_RESULT"]).write_text(json.dumps(rate))
    dist.destroy_process_group()


def torchrun(world: int, apart: bool = False) -> float:
    """apart: each rank a training of its own; the sum of them."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "rate.json"
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
                       "DDP_RESULT": str(result), "DDP_APART": "1" if apart else ""}  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
             str(world), __file__, "--rank"],
            env=environment, cwd=ROOT, check=True,
        )  # fmt: skip
        return float(json.loads(result.read_text()))


def ray_loop(_: dict[str, object]) -> float:
    import ray.train

    context = ray.train.get_context()
    return measure(context.get_world_rank(), context.get_world_size())


def through_ray(world: int) -> float:
    """The same in Ray Train's workers, on a head of its own."""
    from pipelines.cluster.head import ray_address

    with ray_address(None) as address:
        import ray
        from ray.train import ScalingConfig
        from ray.train.torch import TorchTrainer

        ray.init(address=address, logging_level="WARNING")
        scaling = ScalingConfig(num_workers=world, resources_per_worker={"CPU": 1})
        result = TorchTrainer(ray_loop, train_loop_config={}, scaling_config=scaling).fit()
        ray.shutdown()
    return float(result.return_value)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ray", action="store_true", help="Ray Train's figure beside it")
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rank:
        return under_torchrun()
    load = os.getloadavg()[0]
    one, apart, two = torchrun(1), torchrun(2, apart=True), torchrun(2)
    print(
        f"{RECIPE}, {SIZE} crops per rank and step, one thread per rank (load before: {load:.1f})"
    )
    print(f"one rank   {one:8.1f} samples/s")
    print(f"two apart  {apart:8.1f} samples/s   x {apart / one:.2f}   what the machine has")
    print(
        f"two ranks  {two:8.1f} samples/s   x {two / one:.2f}   torchrun, gloo; "
        f"{two / apart:.2f} of two apart"
    )
    if given.ray:
        rate = through_ray(2)
        print(f"two ranks  {rate:8.1f} samples/s   x {rate / one:.2f}   Ray Train, gloo")
    return None


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from benchmarks.ddp import main as start  # so that Ray's workers find `ray_loop` by its module

    start()
