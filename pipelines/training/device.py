"""How a training uses its device: decided in one place, from the device and the recipe.

On a CPU nothing is set, so that its bits are those of plain torch. On CUDA speed comes first, as in
the papers' code, unless the recipe says `training.deterministic: true`. That is not the default: it
takes the choice of convolutions away, some layers have no such form and are refused, and no
published number asks for it. Without it a training that was cut off goes on from the same state
(weights, optimizer, samples, random numbers), but its sums are rounded in another order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import torch

from data.ground.refusal import refusal
from data.ground.sample import Batch, WholeBatch
from pipelines.recipe.build import build_codec
from pipelines.recipe.schema import Recipe
from pipelines.training.batches import plan_batches
from pipelines.training.job import Job
from pipelines.training.rank import Rank

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # cuBLAS is deterministic with a workspace of its own alone
ON_CUDA, TO_ROUNDING, TO_THE_BIT = "cuda", "to rounding", "to the bit"


@dataclass(frozen=True)
class DeviceUse:
    """What is set for a training; as it stands, of a CPU.

    resumes: how like an undisturbed training one ends that was cut off and resumed on as many
    ranks; validates_in: precision of the forward passes of a validation.
    """

    deterministic: bool = False
    cudnn_benchmark: bool = False
    benchmark_validation: bool = False
    tf32: bool = False
    fused_optimizer: bool = False
    bucket_views: bool = False
    whole_buckets: bool = False
    own_statistics: bool = False
    static_graph: bool = False
    side_stream: bool = False
    cuda_graphs: bool = False
    validates_in: str = "fp32"
    resumes: str = TO_THE_BIT

    def __str__(self) -> str:
        """What is set, by name."""
        names = [each.name for each in fields(self) if getattr(self, each.name) is True]
        return ", ".join(name.replace("_", " ") for name in names) or "as torch leaves it"


PLAIN = DeviceUse()


def use_for(job: Job, rank: Rank) -> DeviceUse:
    """Of a job's rank. Raises ValueError where the ranks cannot share its batch."""
    batch, ranks = job.recipe.training.global_batch, rank.world_size
    _, accumulation = plan_batches(batch, ranks, job.max_batch_per_worker)
    whole = build_codec(job.recipe).whole_image
    kind = rank.device.type
    return device_use(job.recipe, kind, world_size=ranks, accumulation=accumulation, whole=whole)


def device_use(
    recipe: Recipe, kind: str, *, world_size: int = 1, accumulation: int = 1, whole: bool = False
) -> DeviceUse:
    """For a device of that kind (`torch.device.type`); whole: images of many sizes are validated.

    accumulation: micro-batches of a step.
    """
    if kind != ON_CUDA:
        return PLAIN
    training = recipe.training
    exact, ranks = training.deterministic, world_size > 1
    return DeviceUse(
        deterministic=exact,
        # Batches have one shape: the fastest algorithm is looked for once. Which one wins hangs on
        # the clock, so another process may choose another one.
        cudnn_benchmark=not exact,
        # Whole images come in many shapes, each of which would be looked for anew.
        benchmark_validation=not exact and not whole,
        tf32=True,  # ten bits of mantissa do, sums are float32; coordinates are in float64
        fused_optimizer=True,  # one kernel for all weights, not dozens that each read them again
        # Gradients lie where they are summed over the ranks, which spares a copy and its memory.
        bucket_views=ranks,
        # Gradients are divided by bucket, not one by one: of HRNet-W32 878.
        whole_buckets=ranks,
        # Nothing reads BatchNorm's running statistics, of HRNet-W32 876, while it trains: rank 0's
        # go round before validations and checkpoints (`resume.py`), not with each step.
        own_statistics=ranks,
        # The order of the gradients is learnt in the first backward pass. That must be one which
        # sums over the ranks: of micro-batches only the last does, and the sum would never start
        # again. What is compiled gives its gradients in pieces that DDP cuts itself.
        static_graph=ranks and accumulation == 1 and not training.compile,
        side_stream=True,  # a batch crosses while the device still works on the one before
        # A replay writes gradients where the one before did, so they must be used by then; and
        # statistics of all ranks are asked for in the middle of a pass.
        cuda_graphs=training.cuda_graphs and accumulation == 1 and not training.sync_batch_norm,
        # What the network was trained in; its fields are decoded in float32.
        validates_in=training.precision,
        resumes=TO_THE_BIT if exact else TO_ROUNDING,
    )


def set_flags(use: DeviceUse) -> None:
    """Of this process, before its first work on a CUDA device; every flag, whatever was set."""
    if use.deterministic:
        os.environ.setdefault(WORKSPACE, ":4096:8")
    torch.backends.cudnn.benchmark = use.cudnn_benchmark
    torch.backends.cudnn.deterministic = use.deterministic
    torch.backends.cudnn.allow_tf32 = use.tf32
    torch.set_float32_matmul_precision("high" if use.tf32 else "highest")
    torch.use_deterministic_algorithms(use.deterministic)
    # Nothing here reads memory that nobody wrote, so it need not be filled.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@contextmanager
def while_validating(use: DeviceUse) -> Iterator[None]:
    """No search for algorithms where there are many shapes."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before and use.benchmark_validation
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


@contextmanager
def exact_or_refused() -> Iterator[None]:
    """Raises ValueError where torch has no deterministic form of what a training does."""
    try:
        yield
    except RuntimeError as error:
        if "deterministic implementation" not in str(error):
            raise
        raise refusal(
            "training.deterministic",
            given=True,
            fault=str(error).partition(".")[0],
            accepted="false with this recipe on CUDA",
            do="set it to false: a resumed training then equals an undisturbed one to rounding",
        ) from error


class SideStream:
    """Brings batches to a CUDA device beside its work: the host has given that its backward pass
    when it asks for the next batch.

    cuda: as `torch.cuda`. A pinned batch is free to be filled again once it is across: torch keeps
    its pages.
    """

    def __init__(self, device: torch.device, cuda: Any = torch.cuda) -> None:
        self._device, self._cuda = device, cuda
        self._stream = cuda.Stream(device)

    def bring(self, batch: Batch | WholeBatch) -> Batch | WholeBatch:
        """The batch on the device; work that is given to it from now on waits for it."""
        with self._cuda.stream(self._stream):
            there = batch.on(self._device)
        work = self._cuda.current_stream(self._device)
        work.wait_stream(self._stream)
        for tensor in _tensors(there):
            tensor.record_stream(work)  # its memory is not given away while that work reads it
        return there


def crossing(
    batches: Iterable[Batch | WholeBatch], device: torch.device, use: DeviceUse
) -> Iterator[Any]:
    """The batches, in their order, on the device where it takes them beside its work."""
    if not use.side_stream:
        return iter(batches)
    return map(side_stream(device).bring, batches)


@cache
def side_stream(device: torch.device) -> SideStream:
    """One for all epochs: memory that one stream was given is not another's."""
    return SideStream(device)


def _tensors(batch: Batch | WholeBatch) -> list[torch.Tensor]:
    return [one for each in batch for one in (each if isinstance(each, tuple) else (each,))]
