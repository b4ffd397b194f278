"""A training whose run folder goes to an S3 server while it trains, against one that keeps it.

    python -m benchmarks.mirror [--rounds 3] [--steps 30] [--every 10] [--width w32]

HRNet on drawn people, one thread, no loader processes, a checkpoint every so many steps; the sides
train the same steps in turn. Lost is told twice: by the clock, and as the CPU time of all that
mirrors over the clock, which is what is lost where no core is free. The server, `rclone serve s3`,
is a process of the same machine and takes of its cores too. What is left to go up when training
ends is waited for and told apart.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from data.datasets.stick_figures import draw_split
from pipelines.depot.key import run_key
from pipelines.depot.mirror import Mirror
from pipelines.depot.mirrored import mirrored_log
from pipelines.host import places
from pipelines.intake.prepared import data_hash
from pipelines.intake.preparing import prepare
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from pipelines.store.s3_store import S3Store
from pipelines.training.attempt import run_rank
from pipelines.training.job import Job
from pipelines.training.rank import Rank
from pipelines.training.repeat import Untracked
from tests.worlds.s3_servers import BUCKET, served, variables

DATASET, MB = "stick_figures", 1e6


@dataclass(frozen=True)
class Side:
    """seconds: of the training; mirroring: CPU seconds that were not the training's own; waited:
    seconds at its end until all was up."""

    seconds: float
    mirroring: float
    waited: float


class CountingStore(S3Store):
    """Counts what goes up, and the seconds of it."""

    sent, seconds = 0, 0.0

    def put(self, path: Path, name: str) -> None:
        began = time.perf_counter()
        super().put(path, name)
        self.seconds += time.perf_counter() - began
        self.sent += path.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30, help="of a training, in one epoch")
    parser.add_argument("--every", type=int, default=10, help="steps from checkpoint to checkpoint")
    parser.add_argument("--width", default="w32", help="HRNet's variant")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIMBER_HOME"] = folder
        pairs, store = measured(asked.rounds, recipe_of(asked.width, asked.steps, asked.every))
    tell(pairs, store, asked.steps // asked.every)


def measured(rounds: int, recipe: Recipe) -> tuple[list[tuple[Side, Side]], CountingStore]:
    buckets = places.home() / "s3"
    (buckets / BUCKET).mkdir(parents=True)
    with served("rclone", buckets) as address:
        os.environ |= variables(address)
        draw_split(places.raw(DATASET), "train", 64, seed=1)
        draw_split(places.raw(DATASET), "val", 4, seed=2)
        prepare(DATASET, bad_row_limit=0.0)
        store = CountingStore(f"s3://{BUCKET}/benchmark")
        trained(job_of(recipe, "warm"), None)
        return [pair(recipe, number, store) for number in range(rounds)], store


def pair(recipe: Recipe, number: int, store: S3Store) -> tuple[Side, Side]:
    """(without, with) in turn, who begins takes turns too."""
    without, with_mirror = job_of(recipe, f"plain{number}"), job_of(recipe, f"mirrored{number}")
    if number % 2:
        mirrored = trained(with_mirror, store)
        return trained(without, None), mirrored
    return trained(without, None), trained(with_mirror, store)


def trained(job: Job, store: S3Store | None) -> Side:
    times: list[tuple[float, float]] = []

    class Log(Untracked):
        """Whose end is when the training is over and nothing was waited for."""

        def close(self, status: str, patience: float) -> None:
            times.append(clocks())

    def log(job: Job, rank: Rank) -> Log:
        return Log()

    times.append(clocks())
    mirror = Mirror(store, run_key(job), job.run_folder) if store else None
    outcome = run_rank(job, Rank(), open_log=mirrored_log(mirror, log) if mirror else log)
    assert outcome.summary is not None, outcome.error
    times.append(clocks())
    (began, cpu), (trained_at, cpu_then) = times[0], times[1]
    return Side(trained_at - began, cpu_then - cpu, times[-1][0] - trained_at)


def clocks() -> tuple[float, float]:
    """The clock, and the CPU time of all threads but this one."""
    return time.perf_counter(), time.process_time() - time.thread_time()


def recipe_of(width: str, steps: int, every: int, epochs: int = 1) -> Recipe:
    demo = load_recipe("demo_hrnet")
    return replace(
        demo,
        input_size=[64, 64],
        architecture=replace(demo.architecture, variant=width),
        training=replace(
            demo.training,
            epochs=epochs,
            global_batch=8,
            steps_per_epoch=steps,
            checkpoint_every_steps=every,
        ),
    )


def job_of(recipe: Recipe, mark: str) -> Job:
    prepared, raw, runs = places.prepared(DATASET), places.raw(DATASET), places.runs()
    return Job("benchmark", recipe, mark, data_hash(DATASET), prepared, raw, runs / mark)


def tell(pairs: list[tuple[Side, Side]], store: CountingStore, checkpoints: int) -> None:
    ratios = sorted(mirrored.seconds / plain.seconds for plain, mirrored in pairs)
    more = [mirrored.mirroring - plain.mirroring for plain, mirrored in pairs]
    shares = [cpu / plain.seconds for cpu, (plain, _) in zip(more, pairs, strict=True)]
    each = store.sent / len(pairs) / (checkpoints + 1) / MB
    seconds = statistics.median(plain.seconds for plain, _ in pairs)
    waited = statistics.median(mirrored.waited for _, mirrored in pairs)
    print(f"a training of {seconds:.1f} s, {checkpoints} checkpoints or more of {each:.0f} MB")
    print(f"clock, mirrored / plain: {', '.join(f'{ratio:.3f}' for ratio in ratios)}")
    told = ", ".join(f"{100 * share:.2f} %" for share in sorted(shares))
    print(f"CPU time that mirrors, of the training's seconds: {told}")
    per = sum(more) / (store.sent / MB) * 1000
    print(f"up: {store.sent / store.seconds / MB:.0f} MB/s, {per:.1f} s of CPU per GB")
    print(f"waited for at the end: {waited:.1f} s")


if __name__ == "__main__":
    main()
