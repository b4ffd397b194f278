"""A recorded network: what a stand-in for CUDA's recorder is given, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipelines.training import graphs
from pipelines.training.device import PLAIN
from pipelines.training.graphs import record
from pipelines.training.parts import build_parts, sample_of
from pipelines.training.rank import Rank
from tests.worlds.drawn import small_job, small_recipe

pytestmark = pytest.mark.unit


class Recorder:
    """As torch.cuda.make_graphed_callables: warms up, then trains by what it keeps."""

    def __init__(self) -> None:
        self.warm_ups, self.replays = 0, 0
        self.shape: torch.Size = torch.Size()
        self.last = False
        self.casts: tuple[bool, bool] = (True, True)

    def __call__(
        self, network: nn.Module, given: tuple[Tensor], num_warmup_iters: int,
        allow_unused_input: bool,
    ) -> nn.Module:  # fmt: skip
        assert network.training and allow_unused_input
        (images,) = given
        self.shape = images.shape
        self.last = images.is_contiguous(memory_format=torch.channels_last)
        self.casts = torch.is_autocast_enabled("cpu"), torch.is_autocast_cache_enabled()
        for _ in range(num_warmup_iters):
            self.warm_ups += 1
            network(images)
        written: Callable[..., Any] = network.forward

        def forward(*images: Tensor) -> Any:
            self.replays += network.training
            return written(*images)

        network.forward = forward
        return network


@pytest.mark.parametrize(("precision", "half"), [("fp32", False), ("bf16", True)])
def test_recording_leaves_statistics_as_they_were(precision: str, half: bool) -> None:
    network, recorder = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)), Recorder()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    places = [buffer.data_ptr() for buffer in network.buffers()]
    record(network, torch.randn(2, 3, 4, 4), precision, recorder)
    assert recorder.warm_ups == graphs.WARM_UPS and recorder.casts == (half, False)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert [buffer.data_ptr() for buffer in network.buffers()] == places
    assert torch.is_autocast_cache_enabled() and not torch.is_autocast_enabled("cpu")


def test_a_training_records_the_shape_of_its_micro_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, recipe = Recorder(), small_recipe(global_batch=6, channels_last=True)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", recorder)
    job = small_job(tmp_path, (tmp_path, tmp_path), recipe)
    parts = build_parts(job, Rank(), replace(PLAIN, cuda_graphs=True))
    width, height = job.input_size
    assert recorder.shape == (6, 3, height, width) and recorder.last
    parts.network.train()
    parts.network(sample_of(job, Rank()))
    parts.network.eval()
    parts.network(torch.randn(1, 3, height, width))
    assert recorder.replays == 1, "a validation goes the ordinary way"


def test_what_is_not_asked_for_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", recorder)
    recipe = small_recipe(cuda_graphs=True)  # nothing on a CPU
    build_parts(small_job(tmp_path, (tmp_path, tmp_path), recipe), Rank())
    assert recorder.warm_ups == 0
