"""Trains a recipe: one Ray Train job around pipelines/training/loop.py -> results/RECIPE/trained.

python -m pipelines.train RECIPE [--workers N]
python -m pipelines.train RECIPE --local             one process, no Ray
torchrun --nproc-per-node 2 -m pipelines.train RECIPE     several, no Ray
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence

import torch

from data.files.whole_file import write_text_whole
from pipelines.cluster.ray_train import train_through_ray
from pipelines.host import places
from pipelines.host.processes import Interrupted, catch_signals, say_interrupted
from pipelines.host.progress import Clock
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.training.attempt import train_in_this_process
from pipelines.training.job import TrainingStopped
from pipelines.training.plan import make_job
from pipelines.training.results import FINISHED, set_aside, write_results


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.train")
    parser.add_argument("recipe")
    parser.add_argument("--local", action="store_true", help="in this process, without Ray")
    parser.add_argument("--workers", type=int, help="instead of the profile's number")
    given = parser.parse_args(arguments)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # also into a file
    catch_signals()
    try:
        local = given.local or "TORCHELASTIC_RUN_ID" in os.environ  # torchrun: no Ray either
        stage(given.recipe, local=local, workers=given.workers)
    except (ValueError, TrainingStopped) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 2 if isinstance(error, ValueError) else 1
    except Interrupted as interrupted:
        return say_interrupted(given.recipe, int(interrupted.args[0]))
    return 0


def stage(name: str, *, local: bool, workers: int | None = None) -> None:
    """The whole stage. Raises ValueError, before Ray starts where it can, and TrainingStopped."""
    clock = Clock()
    with clock("configuration"):
        torchrun = int(os.environ.get("WORLD_SIZE", "1")) if local else None
        cluster = read_cluster(load_params(), torch.cuda.device_count(), torchrun or workers)
        job = make_job(name, cluster)
        main_process = not local or os.environ.get("RANK", "0") == "0"
        if main_process:
            places.leave_note()
            set_aside(job.run_folder)
    outcome = (
        train_in_this_process(job, cluster) if local else train_through_ray(job, cluster, clock)
    )
    if not main_process:
        return
    if outcome.summary is None:
        raise TrainingStopped(outcome.error) if outcome.stopped else ValueError(outcome.error)
    with clock("results"):
        write_results(job, outcome.summary, clock)
    write_text_whole(job.run_folder / FINISHED, json.dumps({"time": time.time()}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
