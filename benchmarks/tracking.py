"""A training that tells MLflow, which is well, absent, hangs or drips a byte a second, against one
that tells nobody.

    python -m benchmarks.tracking [--rounds 3] [--epochs 6] [--steps 10] [--width demo]

HRNet on drawn people, one thread, no loader processes; the sides train the same steps in turn. Told
are the clock and the CPU time of the whole process as ratios, without what is waited for at the end
(10 s at most), which is told apart. Servers are processes of the same machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from benchmarks.mirror import job_of, recipe_of
from data.datasets.stick_figures import draw_split
from pipelines.host import places
from pipelines.host.ports import free_ports
from pipelines.intake.preparing import prepare
from pipelines.recipe.schema import Recipe
from pipelines.training.attempt import open_run_log, run_rank
from pipelines.training.job import Job
from pipelines.training.rank import Rank
from pipelines.training.repeat import Untracked
from tests.worlds.fault_proxy import fault_proxy
from tests.worlds.mlflow_here import fill, mlflow_here

DATASET = "stick_figures"
FAULTS = {"well": "", "hangs": "hang", "drips": "drip"}  # of a server that is there
NOBODY, ABSENT = "tells nobody", "absent"


@dataclass(frozen=True)
class Side:
    """seconds, cpu: of the training until its end is told; waited: seconds after that."""

    seconds: float
    cpu: float
    waited: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10, help="of an epoch")
    parser.add_argument("--width", default="demo", help="HRNet's variant")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        os.environ["LIMBER_HOME"] = folder
        draw_split(places.raw(DATASET), "train", 64, seed=1)
        draw_split(places.raw(DATASET), "val", 8, seed=2)
        prepare(DATASET, bad_row_limit=0.0)
        servers = {how: stack.enter_context(server(Path(folder) / how, FAULTS[how]))
                   for how in FAULTS}  # fmt: skip
        addresses = servers | {ABSENT: f"http://127.0.0.1:{free_ports(1)[0]}"}
        recipe = recipe_of(asked.width, asked.steps, 10**6, asked.epochs)
        trained(recipe, "warm", None)
        rounds = [measured(recipe, number, addresses) for number in range(asked.rounds)]
    tell(rounds)


@contextmanager
def server(folder: Path, fault: str) -> Iterator[str]:
    """Address of an MLflow server in a process of its own, behind what its network does."""
    folder.mkdir()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(folder, fault, there), daemon=True
    )
    process.start()
    try:
        yield str(here.recv())
    finally:
        process.kill()
        process.join()


def serve(folder: Path, fault: str, told: Connection) -> None:
    fill(folder)
    with fault_proxy(mlflow_here(folder)) as proxy:
        if fault:
            proxy.add(fault)
        told.send(proxy.address)
        told.recv()  # never: it is ended


def measured(recipe: Recipe, number: int, addresses: dict[str, str]) -> dict[str, Side]:
    """A round: each side once, each time another one begins."""
    sides: list[tuple[str, str | None]] = [(NOBODY, None), *addresses.items()]
    turn = number % len(sides)
    order = [*sides[turn:], *sides[:turn]]
    return {how: trained(recipe, f"{number}-{how}", where) for how, where in order}


def trained(recipe: Recipe, mark: str, address: str | None) -> Side:
    times: list[tuple[float, float]] = []

    def log(job: Job, rank: Rank) -> Any:
        listener = open_run_log(job, rank) if address else Untracked()
        listener.close = partial(closing, listener.close)  # type: ignore[method-assign]
        return listener

    def closing(close: Any, *given: Any) -> Any:
        times.append((time.perf_counter(), time.process_time()))
        return close(*given)

    if address:
        os.environ["MLFLOW_TRACKING_URI"] = address
    began, cpu = time.perf_counter(), time.process_time()
    outcome = run_rank(job_of(recipe, mark), Rank(), open_log=log)
    assert outcome.summary is not None, outcome.error
    (ended, cpu_then), over = times[0], time.perf_counter()
    return Side(ended - began, cpu_then - cpu, over - ended)


def tell(rounds: list[dict[str, Side]]) -> None:
    plain = [each[NOBODY] for each in rounds]
    print(f"a training of {statistics.median(side.seconds for side in plain):.1f} s")
    for how in [name for name in rounds[0] if name != NOBODY]:
        sides = [each[how] for each in rounds]
        pairs = list(zip(sides, plain, strict=True))
        clock = sorted(side.seconds / other.seconds for side, other in pairs)
        cpu = sorted(side.cpu / other.cpu for side, other in pairs)
        waited = max(side.waited for side in sides)
        print(
            f"{how:>8}: clock {told(clock)}; CPU time {told(cpu)}; waited at the end {waited:.1f} s"
        )


def told(ratios: list[float]) -> str:
    return ", ".join(f"{ratio:.3f}" for ratio in ratios)


if __name__ == "__main__":
    main()
