"""How the workers of a training on our own head find each other: on loopback alone.

Ray Train has rank 0's store (torch's TCPStore) listen to every network of the machine, and asks no
one for a token. Here it is given a socket that listens on loopback, bound from the start on, so
that nobody else gets its port meanwhile either.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import ray
import torch.distributed as dist
from ray.train.torch import TorchConfig
from ray.train.torch.config import _set_torch_distributed_env_vars, _TorchBackend

from pipelines.host.ports import LOOPBACK

# As Ray Train sets it: a collective that fails ends its process.
FAILS = "TORCH_NCCL_ASYNC_ERROR_HANDLING"
_listening: list[socket.socket] = []  # of this process, until its store has it


@dataclass
class OnLoopback(TorchConfig):
    """`TorchConfig` for workers that are all on this machine."""

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        return _LoopbackBackend


class _LoopbackBackend(_TorchBackend):
    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        port = worker_group.execute_single(0, listen)
        worker_group.execute(_set_torch_distributed_env_vars)
        workers = len(worker_group)
        backend, timeout_s = backend_config.backend, backend_config.timeout_s
        ray.get([
            worker_group.execute_single_async(
                number, meet, backend, number, workers, port, timeout_s
            )
            for number in range(workers)
        ])  # fmt: skip


def listen() -> int:
    """The port on which this process will keep the store of all; others may connect at once."""
    for each in _listening:  # of a start that came to nothing
        each.close()
    _listening[:] = [socket.create_server((LOOPBACK, 0), backlog=1024)]
    return int(_listening[0].getsockname()[1])


def meet(backend: str, rank: int, workers: int, port: int, timeout_s: float) -> None:
    """Sets up torch.distributed in this process; returns when all have."""
    if "TORCH_NCCL_BLOCKING_WAIT" not in os.environ:
        os.environ.setdefault(FAILS, "1")
    timeout = timedelta(seconds=timeout_s)
    own: dict[str, Any] = {}
    if rank == 0:  # who has it closes it
        own["master_listen_fd"] = _listening.pop().detach()
    store = dist.TCPStore(
        LOOPBACK, port, workers, is_master=rank == 0, timeout=timeout, wait_for_workers=False, **own
    )
    dist.init_process_group(backend, store=store, rank=rank, world_size=workers, timeout=timeout)
