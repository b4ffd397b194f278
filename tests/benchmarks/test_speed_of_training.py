"""The benchmarks of training run, and compare like with like; nothing here measures time."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from benchmarks import chips, gpu_ddp, gpu_training, training_step

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


@pytest.mark.parametrize("benchmark", [gpu_training, gpu_ddp])
def test_without_cuda_nothing_is_measured(
    benchmark: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    benchmark.main([])
    assert "nothing was measured" in capsys.readouterr().out


SMALL = ["--device", "cpu", "--batch", "2", "--steps", "2", "--recipe", "demo_hrnet"]


@pytest.mark.parametrize("source", [[], ["--drawn", "3"]], ids=["in memory", "loader"])
def test_whole_steps_run_on_a_cpu(source: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    gpu_training.main([*SMALL, "--ways", "fp32", *source])
    told = capsys.readouterr().out
    assert "no number of a GPU" in told and "goals: hrnet_w32_coco_256x192" in told
    assert "| demo_hrnet | fp32 |" in told and "| 1.00 | nan |" in told


@pytest.mark.full
def test_every_eager_way_runs_on_a_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    gpu_training.main(SMALL)
    told = capsys.readouterr().out
    assert all(f"| demo_hrnet | {way} |" in told for way in gpu_training.EAGER)
    assert "failed" not in told and "compile" not in told


@pytest.mark.full
def test_one_and_two_processes_sum_their_gradients_on_a_cpu(
    capfd: pytest.CaptureFixture[str],
) -> None:
    gpu_ddp.main(SMALL)
    told = capfd.readouterr().out
    assert "| bf16, channels_last | 1 |" in told and "| bf16, channels_last | 2 |" in told


def test_shares_of_ranks_come_from_their_sums() -> None:
    """Two ranks of 90 samples/s together, 100 apart; one alone made 100."""
    pair = [gpu_training.Measured(100, 1.0, 0.0), gpu_training.Measured(90, 2.0, 0.25)]
    row = gpu_ddp.row_of("bf16", [pair, pair], one=100.0)
    assert row == "| bf16 | 2 | 200.0 | 180.0 | 10.0% | 0.900 | 2.00 | 25.0% |"


def test_a_way_that_cannot_be_had_leaves_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    given = gpu_training.parse([*SMALL, "--ways", "fp32", "bf16"])
    assert gpu_training.is_ready(given)

    def broken(_: str, way: gpu_training.Way, __: object) -> gpu_training.Measured:
        if way.training:
            raise RuntimeError("out of memory\nmore")
        return gpu_training.Measured(50.0, 1.0, 0.0, 2.0, 100.0, "memory")

    first, second = gpu_training.compare("demo_hrnet", given, broken)
    assert first == "| demo_hrnet | fp32 | 50.0 | 1.00 | 1.00 | 0.0% | 2.0 | 100 (memory) | 50% |"
    assert second == "| demo_hrnet | bf16 | failed: out of memory |"


def test_the_chips_wall() -> None:
    def listed(device: str) -> chips.Chip:
        chip = chips.chip_of(device)
        assert chip is not None
        return chip

    assert listed("NVIDIA H100 80GB HBM3").half == 989.4
    assert listed("NVIDIA H100 PCIe").tf32 == 378.0
    assert listed("NVIDIA A100-SXM4-80GB").bandwidth == 2.039
    assert listed("NVIDIA L40S").half == 362.0
    assert chips.chip_of("CPU") is None
    network = torch.nn.Conv2d(3, 2, 1)
    assert chips.flops_per_sample(network, (4, 4)) == 6 * 3 * 2 * 16
    wall = chips.wall(chips.Chip(1.0, 2.0, 4.0, 0.5), 4e9, 1e8, "bf16", tf32=True)
    assert wall == (pytest.approx(1000.0), "arithmetic")
    assert chips.wall(chips.Chip(1, 2, 4, 0.5), 4e9, 1e9, "bf16", True).by == "memory"
    assert chips.wall(chips.Chip(1, 2, 4, 9), 4e9, 1, "fp32", True).samples_per_second == 500
    assert chips.wall(chips.Chip(1, 2, 4, 9), 4e9, 1, "fp32", False).samples_per_second == 250


def test_a_step_moves_what_it_keeps_twice() -> None:
    """A convolution keeps its input, 3 channels of 4x4 float32; in 16 bits half."""
    with torch.device("meta"):
        network = torch.nn.Conv2d(3, 2, 1)
    assert chips.bytes_per_sample(network, (4, 4), "fp32") == 2 * 3 * 16 * 4
    assert chips.bytes_per_sample(network, (4, 4), "bf16") == 3 * 16 * 4
