"""What tests run in processes: `-m tests.worlds.two_ranks JOB RANK WORLD MEETING WHAT`."""

from __future__ import annotations

import math
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from data.feeds.person_crops import collate
from data.ground.sample import Fields
from pipelines.training.attempt import before_training
from pipelines.training.device import PLAIN, DeviceUse, device_use
from pipelines.training.job import Job, SilentListener, TrainingStopped
from pipelines.training.loop import train_loop
from pipelines.training.parts import Parts, TrainingFeed, build_feed, build_parts
from pipelines.training.preflight import preflight
from pipelines.training.rank import Rank
from pipelines.training.resume import Position, resume, save_checkpoint, share_buffers
from pipelines.training.step import Taken, train_step
from pipelines.training.totals import empty_sums
from pipelines.training.validation import build_validation, validate
from tests.worlds.alike import assert_same
from tests.worlds.here import ROOT


class BrokenSteps:
    """As `train_step`; in the steps (from 1) that `broken` names the network paints no numbers."""

    def __init__(self, broken: Callable[[int], bool]) -> None:
        self._broken, self._steps = broken, 0

    def __call__(self, job: Job, rank: Rank, parts: Parts, micro: Sequence[Any]) -> Taken:
        self._steps += 1
        if not self._broken(self._steps):
            return train_step(job, rank, parts, micro)
        hook = parts.network.register_forward_hook(paint_no_numbers)
        try:
            return train_step(job, rank, parts, micro)
        finally:
            hook.remove()


def paint_no_numbers(_: object, __: object, stages: list[Fields]) -> list[Fields]:
    return [{name: field * math.nan for name, field in fields.items()} for fields in stages]


def start(job: Job, what: str, meeting: Path, world: int = 2) -> list[subprocess.Popen[str]]:
    """The ranks as processes that run `what`, each in a session of its own."""
    path = meeting.with_suffix(".job")
    path.write_bytes(pickle.dumps(job))
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tests.worlds.two_ranks", str(path), str(rank), str(world),
             str(meeting), what],
            cwd=ROOT, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )
        for rank in range(world)
    ]  # fmt: skip


def finish(ranks: list[subprocess.Popen[str]]) -> list[str]:
    """What each printed; none may fail."""
    said = [rank.communicate(timeout=240)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * len(ranks), said
    return said


def kill(ranks: list[subprocess.Popen[str]]) -> None:
    for rank in ranks:
        rank.send_signal(signal.SIGKILL)
        rank.wait()


def main(path: str, number: str, world: str, meeting: str, what: str) -> None:
    job: Job = pickle.loads(Path(path).read_bytes())
    rank = Rank(int(number), int(world), torch.device("cpu"))
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank.rank, world_size=rank.world_size
    )
    for each in what.split(","):
        {
            "train": trained,
            "compare": compared,
            "as_on_gpus": as_on_gpus,
            "not_finite": not_finite,
            "unread": unread,
            "preflight": preflight,
            "count_loaders": count_loaders,
            "resume_apart": resume_apart,
            "alone": alone,
        }[each](job, rank)
    dist.destroy_process_group()


def trained(job: Job, rank: Rank) -> None:
    """The training, with a word after every step."""

    def step_aloud(*given: Any) -> Taken:
        answer = train_step(*given)
        print("step", flush=True)
        return answer

    train_loop(job, rank, SilentListener(), step_aloud)


def count_loaders(job: Job, rank: Rank) -> None:
    """What comes before a training whose profile says `loader_workers: auto`."""
    counted = before_training(True)(job, rank)
    print(f"takes {counted.loader_workers}", flush=True)


def resume_apart(job: Job, rank: Rank) -> None:
    """Rank 1's node has not the checkpoint that rank 0 goes on from, but another of that name."""
    parts, feed = build_parts(job, rank), build_feed(job, rank)
    here = replace(job, run_folder=job.run_folder / f"node_{rank.rank}")
    train_step(job, rank, parts, micro_batches(feed, job, rank))
    alone = replace(rank, rank=0, world_size=1)
    with torch.no_grad():
        next(parts.network.parameters()).add_(rank.rank)
    at = Position(1, 0, 0, empty_sums(len(parts.losses)), [{"epoch": 1.0, "step": 1.0}])
    save_checkpoint(here, alone, parts, feed, at, SilentListener())
    fresh = build_parts(job, rank)
    resume(here, rank, fresh, SilentListener())
    moments = [v for s in fresh.optimizer.state_dict()["state"].values() for v in s.values()]
    state = [*fresh.network.state_dict().values(), *moments]
    sums = [float(torch.as_tensor(value).double().sum()) for value in state]
    assert sums == rank.from_main(sums) and moments
    ours = rank.from_main([v.clone() for v in parts.network.state_dict().values()])
    assert all(map(torch.equal, fresh.network.state_dict().values(), ours))
    print("alike")


def compared(job: Job, rank: Rank) -> None:
    """Two ranks against one process: weights after a step (BatchNorm in eval), validation."""
    together = one_step(job, rank)
    alone = one_step(job, Rank())
    worst = max(float((a - b).abs().max()) for a, b in zip(together, alone, strict=True))
    moved = max(float(a.abs().max()) for a in alone)
    print(f"gradients differ by {worst:.3e} of {moved:.3e}")
    network = build_parts(job, Rank()).network
    both, found = validate(network, build_validation(job, rank), job, rank)
    single, expected = validate(network, build_validation(job, Rank()), job, Rank())
    assert both == single
    assert (found.sample_id == expected.sample_id).all()
    assert (found.keypoints_image == expected.keypoints_image).all()
    assert (found.scores == expected.scores).all()
    print(f"validated {len(found.sample_id)}")


def as_on_gpus(job: Job, rank: Rank) -> None:
    """DistributedDataParallel as it is set on GPUs: rank 0 keeps the bits of the plain one."""
    micro = build_feed(job, rank).accumulation
    kind = device_use(job.recipe, "cuda", world_size=2, accumulation=micro)
    ranks = ("bucket_views", "whole_buckets", "own_statistics", "static_graph")
    use = replace(PLAIN, **{name: getattr(kind, name) for name in ranks})
    assert use.bucket_views and use.whole_buckets and use.own_statistics
    assert_same(_kept_after_steps(job, rank, use), _kept_after_steps(job, rank, PLAIN))
    print("alike")


def _kept_after_steps(job: Job, rank: Rank, use: DeviceUse) -> dict[str, Any]:
    """What every rank would go on from, after three steps."""
    parts, feed = build_parts(job, rank, use), build_feed(job, rank)
    for _ in range(3):
        train_step(job, rank, parts, micro_batches(feed, job, rank))
    share_buffers(rank, parts)
    assert parts.average is not None
    return {
        "model": parts.network.state_dict(),
        "average": parts.average.state_dict(),
        "optimizer": parts.optimizer.state_dict(),
    }


def one_step(job: Job, rank: Rank) -> list[torch.Tensor]:
    """How far SGD with learning rate 1 moves each parameter: the gradient."""
    parts, feed = build_parts(job, rank), build_feed(job, rank)
    parts.network.eval()
    parts.network.train = lambda mode=True: parts.network  # type: ignore
    before = [p.detach().clone() for p in parts.network.parameters()]
    train_step(job, rank, parts, micro_batches(feed, job, rank))
    return [a - p.detach() for a, p in zip(before, parts.network.parameters(), strict=True)]


def micro_batches(feed: TrainingFeed, job: Job, rank: Rank) -> list:  # type: ignore[type-arg]
    share = job.recipe.training.global_batch // rank.world_size
    rows = list(feed.sampler)[:share]
    size = share // feed.accumulation
    chunks = [rows[n : n + size] for n in range(0, share, size)]
    return [collate([feed.loader.dataset[row] for row in chunk]) for chunk in chunks]


def not_finite(job: Job, rank: Rank) -> None:
    """One rank's loss is not finite in the fourth step; all ranks must stop."""
    steps = BrokenSteps(lambda step: rank.rank == 1 and step == 4)
    try:
        train_loop(job, rank, SilentListener(), steps)
    except TrainingStopped as stopped:
        print(f"stopped: {stopped}")


def unread(job: Job, rank: Rank) -> None:
    """An image may be unreadable; all ranks leave its step out, or stop."""
    try:
        print(f"left out {train_loop(job, rank, SilentListener()).skipped}")
    except TrainingStopped as stopped:
        print(f"stopped: {stopped}")


def alone(job: Job, rank: Rank) -> None:
    """Rank 1 comes to a preflight when rank 0 has given it up."""
    given_up = job.prepared / "given_up"
    if not rank.is_main:
        while not given_up.exists():
            time.sleep(0.05)
        rank.total(torch.ones(1024))  # that rank 0 still waits for
        return
    try:
        preflight(job, rank, meeting_s=0.5)
    except ValueError as error:
        print(error)
    given_up.touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
