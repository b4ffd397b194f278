"""What one rank of a training works with: network, optimizer, losses, batches; built from a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel

from data.feeds.loader import EpochSampler, build_loader
from data.feeds.readable import Readable
from data.ground.codec import Codec
from data.ground.refusal import refusal
from models.contracts import Loss, Network, Refinement
from models.weight_files import read_state_dict
from models.weights import LoadReport, load_trunk
from pipelines.prediction.feed import SplitPlace
from pipelines.prediction.feeds import feed_kind
from pipelines.recipe.build import build_architecture, build_codec, build_losses, unrefined
from pipelines.recipe.schema import Training
from pipelines.training.batches import check_device, plan_batches
from pipelines.training.compiling import compile_blocks
from pipelines.training.device import PLAIN, DeviceUse, set_flags, use_for
from pipelines.training.graphs import record
from pipelines.training.job import Job
from pipelines.training.optimizer import Average, build_optimizer
from pipelines.training.rank import Rank


@dataclass(frozen=True)
class Parts:
    """What learns, and what it learns by."""

    network: Network
    wrapped: nn.Module  # the network inside DistributedDataParallel, or the network itself
    average: Average | None
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    codec: Codec
    losses: dict[str, list[tuple[Loss, float]]]  # per field: loss and weight of each stage
    use: DeviceUse = PLAIN

    @property
    def best(self) -> Network:
        """The network that is validated: the average, where there is one."""
        return self.average.network if self.average else self.network


@dataclass(frozen=True)
class TrainingFeed:
    """Training batches: `accumulation` of them per step and rank."""

    sampler: EpochSampler
    loader: Any
    accumulation: int
    ids: np.ndarray  # [N] of persons or images, by the rows that batches call `sample_id`

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return int(self.sampler.steps_per_epoch)


def build_parts(job: Job, rank: Rank, use: DeviceUse | None = None) -> Parts:
    """Everything that learns, on the rank's device, the same on every rank.

    use: of the device, another than `use_for` decides.
    """
    recipe, training = job.recipe, job.recipe.training
    check_device(recipe, rank.device)
    use = use or use_for(job, rank)
    if rank.device.type == "cuda":
        set_flags(use)
        if rank.is_main:
            print(f"{job.name}: {rank.device}: {use}; resumes {use.resumes}", flush=True)
    torch.manual_seed(recipe.seed)
    network = build_architecture(recipe)
    loaded = load_weights(network, job)
    if loaded and rank.is_main:
        print(loaded, flush=True)
    if training.sync_batch_norm:
        nn.SyncBatchNorm.convert_sync_batchnorm(network, rank.group)  # its parts, in place
    network = network.to(rank.device, memory_format=layout_of(training))  # type: ignore[call-overload]
    average = Average(network, training.ema_decay) if training.ema_decay is not None else None
    if training.compile:
        compile_blocks(network)
    if use.cuda_graphs:
        record(network, sample_of(job, rank), training.precision)
    wrapped: nn.Module = wrap(network, rank, use) if rank.world_size > 1 else network
    scaler = torch.amp.GradScaler(rank.device.type, enabled=training.precision == "fp16")
    optimizer = build_optimizer(recipe.optimizer, network, fused=use.fused_optimizer)
    losses = build_losses(recipe, network.outputs)
    return Parts(network, wrapped, average, optimizer, scaler, build_codec(recipe), losses, use)


def sample_of(job: Job, rank: Rank) -> Tensor:
    """Images as a micro-batch has them when the network reads them: [B, 3, H, W], normalised."""
    training, (width, height) = job.recipe.training, job.input_size
    count, _ = plan_batches(training.global_batch, rank.world_size, job.max_batch_per_worker)
    images = torch.randn(count, 3, height, width, device=rank.device)
    return images.contiguous(memory_format=layout_of(training))


def layout_of(training: Training) -> torch.memory_format:
    """Of weights and images in memory."""
    return torch.channels_last if training.channels_last else torch.contiguous_format


def wrap(network: Network, rank: Rank, use: DeviceUse) -> DistributedDataParallel:
    """The network, whose gradients are those of all ranks when a backward pass is through."""
    wrapped = DistributedDataParallel(
        network,
        process_group=rank.group,
        gradient_as_bucket_view=use.bucket_views,
        static_graph=use.static_graph,
    )
    wrapped.broadcast_buffers = not use.own_statistics  # at its start they went round anyway
    if use.whole_buckets:
        wrapped.register_comm_hook(rank.group, allreduce_hook)
    return wrapped


def load_weights(network: Network, job: Job) -> LoadReport | None:
    """Fills the architecture from the job's file, where it has one, and tells what was filled.

    Raises ValueError where the file is another network's, or leaves parts of a base unfilled that
    is not to learn.
    """
    base, report = unrefined(network), None
    if job.weights:
        report = load_trunk(base, read_state_dict(job.weights), str(job.weights))
    frozen = isinstance(network, Refinement) and network.freeze_base
    if frozen and (report is None or report.missing):
        lacking = f"; {job.weights} leaves some to chance\n{report}" if report else ""
        raise refusal(
            "refine.options.freeze_base",
            fault=f"a base that does not learn needs all of its weights{lacking}",
            accepted="with `pretrained` of a trained pose network, painting layer included",
            do="name such a file, as results/NAME/trained/best.pt of the control, or leave it out",
        )
    return report


def build_feed(job: Job, rank: Rank) -> TrainingFeed:
    """The recipe's global batch, cut to what a worker can take. Raises ValueError if it cannot."""
    recipe, training = job.recipe, job.recipe.training
    size, accumulation = plan_batches(
        training.global_batch, rank.world_size, job.max_batch_per_worker
    )
    codec, place = (
        build_codec(recipe),
        SplitPlace(job.prepared, job.raw, recipe.evaluation.train_split, job.tiles),
    )
    samples = feed_kind(codec).samples(recipe, codec, place, augmented=True)
    sampler = EpochSampler(
        len(samples),
        rank.rank,
        rank.world_size,
        seed=recipe.seed,
        global_batch=training.global_batch,
        shuffle=True,
        small_split=training.small_split,
        steps=training.steps_per_epoch,
    )
    loader = build_loader(
        Readable(samples.dataset), sampler, size, job.loader_workers, collate=samples.collate
    )
    return TrainingFeed(sampler, loader, accumulation, samples.ids)
