"""The benchmarks of training run, and compare like with like; nothing here measures time."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_training, training_step
from data.datasets.stick_figures import draw_split

pytestmark = pytest.mark.contract


def test_the_plain_build_is_the_same_graph_with_the_same_gradients() -> None:
    ours, plain = training_step.both("demo")
    images, target = torch.randn(2, 3, 64, 64), torch.rand(2, 17, 16, 16)
    assert training_step.check(ours, plain, images) <= 1e-5
    assert training_step.step(ours, images, target) == pytest.approx(
        training_step.step(plain, images, target), rel=1e-6
    )
    others = dict(plain.named_parameters())
    for name, parameter in ours.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, others[name].grad, rtol=1e-4, atol=1e-7)


def test_the_plain_build_of_w32_has_the_official_parameters() -> None:
    with torch.device("meta"):
        plain = training_step.PlainHRNet(32, (1, 4, 3), 4, 64, 4)
    assert sum(p.numel() for p in plain.parameters()) == 28_536_113


def test_outputs_that_differ_are_an_error() -> None:
    ours, plain = training_step.both("demo")
    with torch.no_grad():
        plain.final_layer.bias += 1e-3
    with pytest.raises(AssertionError, match="outputs differ"):
        training_step.check(ours, plain, torch.randn(1, 3, 64, 64))


def test_without_cuda_nothing_is_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu_training.main([])
    assert "nothing was measured" in capsys.readouterr().out


@pytest.mark.parametrize("loader", [False, True], ids=["in memory", "loader"])
def test_whole_steps_run_on_a_cpu(
    loader: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--device", "cpu", "--batch", "2", "--steps", "2", "--recipe", "demo_hrnet"]
    if loader:
        draw_split(tmp_path, "train", 3, 1)
        given += ["--data", str(tmp_path)]
    gpu_training.main(given)
    told = capsys.readouterr().out
    assert "no number of a GPU" in told and "eager fp32" in told and "samples/s  x 1.00" in told


def test_the_share_of_the_peak() -> None:
    listed = gpu_training.listed_peak
    assert listed("NVIDIA H100 80GB HBM3", "bf16", tf32=True) == 989.4
    assert listed("NVIDIA H100 PCIe", "fp32", tf32=True) == 378.0
    assert listed("NVIDIA A100-SXM4-80GB", "fp32", tf32=False) == 19.5
    assert listed("NVIDIA L40S", "bf16", tf32=False) == 362.0
    assert math.isnan(listed("CPU", "fp32", tf32=True))
    network = torch.nn.Conv2d(3, 2, 1)
    assert gpu_training.flops_per_sample(network, (4, 4)) == 6 * 3 * 2 * 16
