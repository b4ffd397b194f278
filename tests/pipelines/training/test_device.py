"""How a training uses its device: what is decided for which, and in which order batches cross."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from data.ground.sample import Batch
from pipelines.recipe.schema import Optimizer
from pipelines.training import device
from pipelines.training.attempt import run_tags
from pipelines.training.device import PLAIN, DeviceUse, SideStream, device_use, use_for
from pipelines.training.optimizer import build_optimizer, load_optimizer
from pipelines.training.rank import Rank
from tests.worlds.drawn import small_job, small_recipe

pytestmark = pytest.mark.unit

FAST = DeviceUse(
    cudnn_benchmark=True, benchmark_validation=True, tf32=True, fused_optimizer=True,
    side_stream=True, resumes="to rounding",
)  # fmt: skip
RANKS = replace(FAST, bucket_views=True, whole_buckets=True, own_statistics=True, static_graph=True)
EXACT = replace(
    FAST, deterministic=True, cudnn_benchmark=False, benchmark_validation=False,
    resumes="to the bit",
)  # fmt: skip
GPU = Rank(device=torch.device("cuda"))


@pytest.mark.parametrize(
    ("training", "machine", "expected"),
    [
        ({}, {}, FAST),
        ({"precision": "bf16"}, {}, replace(FAST, validates_in="bf16")),
        ({"precision": "fp16"}, {}, replace(FAST, validates_in="fp16")),
        ({}, {"world_size": 2}, RANKS),
        ({}, {"accumulation": 2}, FAST),
        ({}, {"world_size": 2, "accumulation": 2}, replace(RANKS, static_graph=False)),
        ({"compile": True}, {"world_size": 2}, replace(RANKS, static_graph=False)),
        ({"cuda_graphs": True}, {"world_size": 2}, replace(RANKS, cuda_graphs=True)),
        ({"cuda_graphs": True}, {"accumulation": 2}, FAST),
        ({"cuda_graphs": True, "sync_batch_norm": True}, {}, FAST),
        ({}, {"whole": True}, replace(FAST, benchmark_validation=False)),
        ({"deterministic": True}, {}, EXACT),
        ({"deterministic": True}, {"whole": True}, EXACT),
    ],
)
def test_what_is_set_on_a_gpu(
    training: dict[str, Any], machine: dict[str, Any], expected: DeviceUse
) -> None:
    assert device_use(small_recipe(**training), "cuda", **machine) == expected


@pytest.mark.parametrize("training", [{}, {"deterministic": True}, {"precision": "bf16"}])
def test_a_cpu_is_left_as_it_is_and_resumes_to_the_bit(training: dict[str, Any]) -> None:
    recipe = small_recipe(**training)
    assert device_use(recipe, "cpu", world_size=2, whole=True) == PLAIN == DeviceUse()
    assert PLAIN.resumes == "to the bit" and PLAIN.validates_in == "fp32"
    assert not {value for value in vars(PLAIN).values() if value is True}


@pytest.mark.parametrize(("largest", "static"), [(4, True), (2, False)])
def test_a_jobs_ranks_and_micro_batches_decide(tmp_path: Path, largest: int, static: bool) -> None:
    """A global batch of 8 on two ranks: at once, or in two micro-batches."""
    job = small_job(tmp_path, (tmp_path, tmp_path), small_recipe(), max_batch_per_worker=largest)
    assert use_for(job, replace(GPU, world_size=2)).static_graph is static


def test_a_run_says_how_its_device_is_used_and_what_is_promised(tmp_path: Path) -> None:
    def tags(rank: Rank, **training: object) -> tuple[str, str]:
        recipe = small_recipe(**training)
        told = run_tags(small_job(tmp_path, (tmp_path, tmp_path), recipe), rank)
        return told["resumes"], told["device_use"]

    promised, use = tags(GPU, deterministic=True)
    assert promised == "to the bit" and "deterministic" in use and "benchmark" not in use
    promised, use = tags(GPU)
    assert promised == "to rounding" and "cudnn benchmark" in use and "deterministic" not in use
    assert tags(Rank()) == ("to the bit", "as torch leaves it")


def test_a_recipe_that_leaves_it_out_keeps_its_digest() -> None:
    assert small_recipe().digest() == small_recipe(deterministic=False).digest()
    assert small_recipe().digest() != small_recipe(deterministic=True).digest()


@pytest.fixture
def flags() -> Iterator[Callable[[], dict[str, Any]]]:
    """What torch says of each flag; all are put back."""

    def said() -> dict[str, Any]:
        return {
            "benchmark": torch.backends.cudnn.benchmark,
            "deterministic": torch.backends.cudnn.deterministic,
            "convolutions": torch.backends.cudnn.allow_tf32,
            "matmul": torch.get_float32_matmul_precision(),
            "algorithms": torch.are_deterministic_algorithms_enabled(),
            "workspace": os.environ.get(device.WORKSPACE),
        }

    before, filled = said(), torch.utils.deterministic.fill_uninitialized_memory  # type: ignore
    os.environ.pop(device.WORKSPACE, None)
    yield said
    torch.backends.cudnn.benchmark = before["benchmark"]
    torch.backends.cudnn.deterministic = before["deterministic"]
    torch.backends.cudnn.allow_tf32 = before["convolutions"]
    torch.set_float32_matmul_precision(before["matmul"])
    torch.use_deterministic_algorithms(before["algorithms"])
    torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore
    os.environ.pop(device.WORKSPACE, None)
    if before["workspace"] is not None:
        os.environ[device.WORKSPACE] = before["workspace"]


def test_flags_are_set_whatever_was_set_before(flags: Callable[[], dict[str, Any]]) -> None:
    device.set_flags(FAST)
    fast = {"benchmark": True, "deterministic": False, "convolutions": True, "matmul": "high"}
    assert flags() == {**fast, "algorithms": False, "workspace": None}
    device.set_flags(EXACT)
    exact = {**fast, "benchmark": False, "deterministic": True}
    assert flags() == {**exact, "algorithms": True, "workspace": ":4096:8"}
    device.set_flags(FAST)
    assert flags() == {**fast, "algorithms": False, "workspace": ":4096:8"}


def test_no_algorithm_is_looked_for_while_images_of_many_shapes_are_validated(
    flags: Callable[[], dict[str, Any]],
) -> None:
    for use, inside in ((FAST, True), (replace(FAST, benchmark_validation=False), False)):
        device.set_flags(use)
        with device.while_validating(use):
            assert flags()["benchmark"] is inside
        assert flags()["benchmark"] is True


class PlayedCuda:
    """As much of `torch.cuda` as a side stream uses; writes down what happens, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.now = "work"

    def Stream(self, _: torch.device) -> str:  # noqa: N802 - torch's name
        return "side"

    def stream(self, name: str) -> Any:
        played = self

        class Inside:
            def __enter__(self) -> None:
                self._before, played.now = played.now, name

            def __exit__(self, *_: object) -> None:
                played.now = self._before

        return Inside()

    def current_stream(self, _: torch.device) -> Any:
        def wait_stream(other: str) -> None:
            self.events.append(f"{name} waits for {other}")

        name = self.now
        return SimpleNamespace(name=name, wait_stream=wait_stream)


class PlayedTensor:
    def __init__(self, cuda: PlayedCuda, name: str) -> None:
        self._cuda, self.name = cuda, name

    def to(self, _: torch.device, non_blocking: bool) -> PlayedTensor:
        assert non_blocking
        self._cuda.events.append(f"{self._cuda.now} copies {self.name}")
        return PlayedTensor(self._cuda, f"{self.name}'")

    def record_stream(self, stream: Any) -> None:
        self._cuda.events.append(f"{stream.name} keeps {self.name}")


def test_a_batch_crosses_beside_the_work_which_waits_for_it_before_it_reads() -> None:
    cuda = PlayedCuda()
    batch = Batch(*(cast(Any, PlayedTensor(cuda, name)) for name in "abcde"))
    there = SideStream(torch.device("cuda"), cuda).bring(batch)
    assert [cast(Any, tensor).name for tensor in there] == ["a'", "b'", "c'", "d'", "e'"]
    assert cuda.events == [
        *(f"side copies {name}" for name in "abcde"),
        "work waits for side",
        *(f"work keeps {name}'" for name in "abcde"),
    ]
    assert cuda.now == "work"


def test_batches_cross_one_by_one_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is asked for before it is wanted: what a checkpoint keeps has no batch ahead of it."""
    asked: list[int] = []

    def loader() -> Iterator[Any]:
        for number in range(3):
            asked.append(number)
            yield number

    side = SimpleNamespace(bring=lambda number: f"brought {number}")
    monkeypatch.setattr(device, "side_stream", lambda _: side)
    there = device.crossing(loader(), torch.device("cuda"), FAST)
    assert asked == []
    assert next(there) == "brought 0" and asked == [0]
    assert list(there) == ["brought 1", "brought 2"]
    assert list(device.crossing(loader(), torch.device("cpu"), PLAIN)) == [0, 1, 2]


def test_what_torch_cannot_do_deterministically_is_refused() -> None:
    said = "pool_backward_cuda does not have a deterministic implementation, but you set ..."
    refused = r"training\.deterministic.*pool_backward.*set it to false"
    with pytest.raises(ValueError, match=refused), device.exact_or_refused():
        raise RuntimeError(said)
    with pytest.raises(RuntimeError, match="out of memory"), device.exact_or_refused():
        raise RuntimeError("out of memory")


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_an_optimizer_taken_over_from_another_device_steps_as_its_own_does(name: str) -> None:
    """torch has fused steps on CPUs too, so a state of CUDA can be had here."""
    settings = Optimizer(name, 0.1)  # type: ignore[arg-type]
    there, here = nn.Linear(2, 2), nn.Linear(2, 2)
    fused = build_optimizer(settings, there, fused=True)
    there(torch.ones(1, 2)).sum().backward()
    fused.step()
    plain = build_optimizer(settings, here)
    load_optimizer(plain, fused.state_dict())
    assert fused.param_groups[0]["fused"] is True
    assert plain.param_groups[0]["fused"] is None
    moments = [state for state in plain.state_dict()["state"].values() if state]
    assert len(moments) == 2
    load_optimizer(fused, plain.state_dict())
    assert fused.param_groups[0]["fused"] is True
