"""What can be known before a long training: the ranks reach each other, and each machine has room.

    python -m pipelines.train RECIPE --preflight

In: a job and a rank of it, torch.distributed set up. Out: one line where all is well; ValueError on
every rank, with what each node lacks and what to do there. Every rank calls it. Sizes are those
that the training needs, so that a machine that can train passes.
"""

from __future__ import annotations

import math
import resource
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from data.ground.json_text import read_object
from data.ground.refusal import refusal
from pipelines.recipe.build import build_architecture
from pipelines.training.batches import plan_batches
from pipelines.training.board import Board, within
from pipelines.training.checkpoint import checkpoint_folder
from pipelines.training.job import Job
from pipelines.training.rank import Rank

MEETING_S = 120.0  # for ranks to come and to add up one number; NCCL's first call takes seconds
SHARED_MEMORY = Path("/dev/shm")
PREFETCHED = 2  # batches that each loader process has ready
BATCH_SHARE = 1.25  # of the images' bytes: what comes with them
FILES, FILES_PER_LOADER, FILES_PER_RANK = 160, 48, 8  # open at a time
GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """What a node has; handed in, so that a test can have another. None: cannot be known."""

    shared_bytes: Callable[[], int | None]
    open_files: Callable[[int], int]  # at least so many where that may be
    disk_bytes: Callable[[Path], int]


def shared_bytes() -> int | None:
    return shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None


def open_files(wanted: int) -> int:
    """The limit of this process, raised to `wanted` where the machine lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    highest = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
    return highest


def disk_bytes(folder: Path) -> int:
    """Free where the folder is, or will be."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free


THIS = Machine(shared_bytes, open_files, disk_bytes)


def preflight(
    job: Job,
    rank: Rank,
    *,
    measure: Callable[[Job, Rank], Job] | None = None,
    machine: Machine = THIS,
    meeting_s: float = MEETING_S,
) -> Job:
    """Says on rank 0 that all is well. Raises ValueError, the same on all ranks that answer.

    measure: once the ranks have met, what the job becomes by that, on every rank (`loaders.py`).
    """
    took = meet(job, rank, meeting_s)
    job = measure(job, rank) if measure else job
    nodes = rank.gather(socket.gethostname())
    found, lacking = look(job, rank, Counter(nodes)[nodes[rank.rank]], machine)
    everything = rank.gather(lacking)
    pairs = zip(nodes, everything, strict=True)
    if told := [f"{node}: {each}" for node, lacks in pairs for each in lacks]:
        raise ValueError("\n".join(dict.fromkeys(told)))
    if rank.is_main:
        places = f"{len(set(nodes))} node{'s' * (len(set(nodes)) > 1)}"
        ranks = f"{rank.world_size} ranks on {places} met in {took:.1f} s; "
        ranks = ranks if rank.world_size > 1 else ""
        print(f"{job.name}: preflight: {ranks}{'; '.join(found)}", flush=True)
    return job


def meet(job: Job, rank: Rank, limit_s: float) -> float:
    """Seconds until all ranks added up one number, rightly. Raises ValueError where they do not."""
    if rank.world_size == 1:
        return 0.0
    board, started = Board(rank, "preflight"), time.monotonic()
    board.say("came", socket.gethostname())

    def add_up() -> float | str:
        try:
            return float(rank.total(torch.full((1024,), rank.rank + 1.0, device=rank.device))[-1])
        except RuntimeError as error:  # torch's own words of a connection that failed
            return str(error)

    answer = within(limit_s, add_up)
    expected = rank.world_size * (rank.world_size + 1) / 2
    if answer == expected:
        return time.monotonic() - started
    came = board.heard("came", 5.0)
    raise not_met(job, rank, came, f"{answer}, not {expected:g}" if answer else "", limit_s)


def not_met(job: Job, rank: Rank, came: dict[int, str], answer: str, limit_s: float) -> ValueError:
    """came: rank -> node of those who were there."""
    missing = [str(each) for each in range(rank.world_size) if each not in came]
    fault = f"no sum over all ranks within {limit_s:g} s"
    fault = f"a wrong sum over all ranks: {answer}" if answer else fault
    if missing:
        fault += f"; rank {', '.join(missing)} did not come"
        do = "see that worker's log; a node that is lost comes back, or ask for fewer workers"
    elif rank.device.type == "cuda":
        do = (
            "boards without NVLink (a pair of RTX 3090 or 4090): export NCCL_P2P_DISABLE=1; "
            "several networks: export NCCL_SOCKET_IFNAME with the one that joins the nodes (see "
            "`ip address`); NCCL_DEBUG=INFO tells more"
        )
    else:
        do = (
            "several networks: export GLOO_SOCKET_IFNAME with the one that joins the nodes (see "
            "`ip address`); a firewall must let them through"
        )
    nodes = ", ".join(f"{number} on {node}" for number, node in sorted(came.items()))
    return refusal(f"{job.name}: rank {rank.rank}", fault=f"{fault} (came: {nodes})", do=do)


def look(job: Job, rank: Rank, here: int, machine: Machine) -> tuple[list[str], list[str]]:
    """(what was found, what is lacking) on this rank's node, where `here` ranks are."""
    return _sorted(_tables(job), *_room(job, rank, here, machine))


def look_for_room(
    job: Job, rank: Rank, here: int, machine: Machine = THIS
) -> tuple[list[str], list[str]]:
    """As `look`, of what the machine gives alone: also before the job has tables."""
    return _sorted(*_room(job, rank, here, machine))


def _room(job: Job, rank: Rank, here: int, machine: Machine) -> list[tuple[str, str]]:
    return [
        _shared(job, rank, here, machine),
        _files(job, rank, machine),
        _disk(job, rank, machine),
    ]


def _sorted(*checks: tuple[str, str]) -> tuple[list[str], list[str]]:
    return [well for well, _ in checks if well], [ill for _, ill in checks if ill]


def _tables(job: Job) -> tuple[str, str]:
    note = job.prepared / "summary.json"
    if not note.is_file():
        return "", ""
    try:
        digest = read_object(note).get("data_hash")
    except ValueError as error:
        return "", str(error)
    if digest == job.data_hash:
        return f"tables {digest[:8]}", ""
    fault = f"holds other tables ({str(digest)[:8]}) than the training's ({job.data_hash[:8]})"
    do = f"run `python -m pipelines.prepare {job.recipe.dataset}` on it, or set `storage`"
    return "", str(refusal(job.prepared, fault=fault, do=do))


def _shared(job: Job, rank: Rank, here: int, machine: Machine) -> tuple[str, str]:
    free = machine.shared_bytes()
    if free is None or not job.loader_workers:
        return "", ""
    needed = here * job.loader_workers * PREFETCHED * batch_bytes(job, rank.world_size)
    if free >= needed:
        return f"{SHARED_MEMORY} {mebibytes(free)} free of {mebibytes(needed)} needed", ""
    fault = f"{mebibytes(free)} free; {here} ranks hand {mebibytes(needed)} of images through it"
    do = (
        f"give the container more (docker: --shm-size={math.ceil(needed / GIB)}g or --ipc=host; "
        "Kubernetes: an emptyDir of medium Memory on /dev/shm), or set loader_workers of the "
        f"cluster profile to fewer than {job.loader_workers}"
    )
    return "", str(refusal(SHARED_MEMORY, fault=fault, do=do))


def batch_bytes(job: Job, world_size: int) -> int:
    """Of one batch as a loader process hands it over: images in 8 bits, and what comes along."""
    size, _ = plan_batches(job.recipe.training.global_batch, world_size, job.max_batch_per_worker)
    width, height = job.input_size
    return int(size * width * height * 3 * BATCH_SHARE)


def _files(job: Job, rank: Rank, machine: Machine) -> tuple[str, str]:
    needed = FILES + FILES_PER_LOADER * job.loader_workers + FILES_PER_RANK * rank.world_size
    limit = machine.open_files(needed)
    if limit >= needed:
        return f"{limit} open files", ""
    fault = f"{limit} files may be open, about {needed} will be"
    do = f"raise it: `ulimit -n {max(4096, needed)}`"
    return "", str(refusal("ulimit -n", fault=fault, do=do))


def _disk(job: Job, rank: Rank, machine: Machine) -> tuple[str, str]:
    """Rank 0 writes the checkpoints."""
    if not rank.is_main:
        return "", ""
    files = [path for path in checkpoint_folder(job.run_folder).glob("*") if path.is_file()]
    count = job.recipe.training.keep_best + 3  # the last two, and one that is being written
    needed = count * checkpoint_bytes(job) - sum(path.stat().st_size for path in files)
    free = machine.disk_bytes(job.run_folder)
    if free >= needed:
        return f"{free / GIB:.1f} GiB free for {max(needed, 0) / GIB:.1f} GiB of checkpoints", ""
    fault = f"{free / GIB:.1f} GiB free, {count} checkpoints take {needed / GIB:.1f} GiB more"
    do = "make room there, set LIMBER_HOME to a larger disk, or lower training.keep_best"
    return "", str(refusal(job.run_folder, fault=fault, do=do))


def checkpoint_bytes(job: Job) -> int:
    """Of the network, its average, and what the optimizer keeps of each weight; in float32."""
    with torch.device("meta"):
        network = build_architecture(job.recipe)
    weights = sum(tensor.numel() for tensor in network.parameters())
    buffers = sum(tensor.numel() for tensor in network.buffers())
    networks = 1 if job.recipe.training.ema_decay is None else 2
    moments = 1 if job.recipe.optimizer.name == "sgd" else 2
    return 4 * (networks * (weights + buffers) + moments * weights)


def mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
