"""A training of two ranks that are killed: `-m tests.worlds.ranks_that_die JOB FOLDER SEED KILLS`.

What Ray does for a training is done here without it, so that a trial is cheap: all is imported
once, ranks are forked; one is killed at a random moment, the other as soon as that is seen; the
training is begun again until it is through.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import sys
import time
import traceback
from functools import partial
from pathlib import Path

import torch
import torch._dynamo  # an optimizer imports it: once here, not in each process
import torch.distributed as dist

from pipelines.training.attempt import open_run_log, run_rank
from pipelines.training.job import Job
from pipelines.training.rank import Rank

WORLD = 2
SEEN_S = 0.3  # until a killed rank is seen, at most
LONGEST_S = 20.0  # of a training that nobody has seen yet


def train(job: Job, folder: Path, attempt: int, number: int) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder / f'meeting_{attempt}'}"
    dist.init_process_group("gloo", init_method=meeting, rank=number, world_size=WORLD)
    told = partial(open_run_log, later=True)
    outcome = run_rank(job, Rank(number, WORLD), f"attempt-{attempt}", open_log=told)
    assert outcome.summary, outcome.error
    dist.destroy_process_group()


def begin(job: Job, folder: Path, attempt: int) -> list[int]:
    """The ranks' processes."""
    ranks = []
    for number in range(WORLD):
        process = os.fork()
        if not process:
            code = 1
            try:
                train(job, folder, attempt, number)
                code = 0
            except BaseException:  # noqa: BLE001 - told here: nothing is, after `_exit`
                traceback.print_exc()
            finally:
                os._exit(code)
        ranks.append(process)
    return ranks


def main(path: str, given: str, seed: str, kills: str) -> None:
    job: Job = pickle.loads(Path(path).read_bytes())
    folder, draw = Path(given), random.Random(seed)
    for attempt in range(int(kills)):
        ranks = begin(job, folder, attempt)
        time.sleep(draw.uniform(0, float(os.environ.get("RANKS_SECONDS", LONGEST_S))))
        draw.shuffle(ranks)
        for process in ranks:
            os.kill(process, signal.SIGKILL)
            time.sleep(draw.uniform(0, SEEN_S))
        codes = [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in ranks]
        print(f"attempt {attempt}: {codes}", flush=True)
        if -signal.SIGKILL in codes:
            print("struck rank", flush=True)
    began = time.monotonic()
    ranks = begin(job, folder, int(kills))
    codes = [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in ranks]
    (folder / "seconds").write_text(str(time.monotonic() - began))
    assert codes == [0] * WORLD, codes


if __name__ == "__main__":
    main(*sys.argv[1:])
