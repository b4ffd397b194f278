"""A rank that stops moving, as a process: `-m tests.worlds.stalled FOLDER RANK WORLD MEETING HOW`.

HOW it stops: `sleeps` (its loader process does), `stopped` (SIGSTOP), `holds` Python in C, `debugs`
(a breakpoint).
"""

from __future__ import annotations

import bdb
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from torch.utils.data import Dataset

from data.feeds.loader import build_loader
from pipelines.training.rank import Rank
from pipelines.training.watch import watched
from tests.worlds.here import ROOT

STALL_S = 1.5  # four times of it for what is new: nothing here is done a third time
AGES_S = 120.0
SAY_S = {"sleeps": 60.0, "stopped": 0.5, "holds": 0.5, "debugs": 0.5}


class Sleepy(Dataset[int]):
    """Whose second sample never comes."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, row: int) -> int:
        return row if row == 0 else lie_down()


def lie_down() -> int:
    time.sleep(AGES_S)
    return 0


def start(folder: Path, how: str, world: int) -> list[subprocess.Popen[str]]:
    """The ranks; the last of them stops so."""
    return [
        subprocess.Popen(
            [sys.executable, "-m", "tests.worlds.stalled", str(folder), str(rank), str(world),
             str(folder / "meeting"), how],
            cwd=ROOT, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )
        for rank in range(world)
    ]  # fmt: skip


def main(folder: str, number: str, world: str, meeting: str, how: str) -> None:
    rank = Rank(int(number), int(world))
    if rank.world_size > 1:
        dist.init_process_group(
            "gloo", init_method=f"file://{meeting}", rank=rank.rank, world_size=rank.world_size
        )
    last = rank.rank == rank.world_size - 1
    with watched(rank, Path(folder), "", AGES_S) as moving:
        batches = iter(build_loader(Sleepy(), workers=int(last and how == "sleeps"), collate=list))
        next(batches)
    if rank.world_size > 1:
        dist.barrier()
    stall_s = STALL_S if last or how == "stopped" else AGES_S
    with watched(rank, Path(folder), "", stall_s, say_s=SAY_S[how]) as moving:
        moving.beat("waits for samples of epoch 1, step 1")
        if last:
            stop(how, batches)
        moving.beat("trains on samples of epoch 1, step 1")
        moving.total(torch.ones(1))
    print("moved", file=sys.stderr)


def stop(how: str, batches: Iterator[object]) -> None:
    if how == "sleeps":
        next(batches)
    elif how == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif how == "holds":
        ctypes.PyDLL(None).sleep(int(AGES_S))
    elif how == "debugs":
        Held().runcall(time.sleep, 6 * STALL_S)


class Held(bdb.Bdb):
    """A debugger that holds nobody of its own accord."""

    def dispatch_call(self, frame: object, arg: object) -> None:
        return None


if __name__ == "__main__":
    main(*sys.argv[1:])
