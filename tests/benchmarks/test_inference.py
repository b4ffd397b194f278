"""The benchmark of inference runs on demo networks and compares like with like, without a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import inference
from benchmarks.fresh_process import peak_of, run_apart
from benchmarks.inference import (
    SAME,
    Case,
    Measured,
    cases_of,
    compared,
    export,
    groups_of,
    noise_of,
    ratios_table,
    seconds_of,
    settled_graph,
)
from models.cost import Cost
from pipelines.report.cost_rows import MIDDLE, Row
from pipelines.report.markdown import NONE
from pipelines.serving.program import onnx_runner

pytestmark = pytest.mark.contract
MEGA = 2**20


def here(work: Callable[..., Any], *arguments: object) -> Any:
    return work(*arguments)


LESS, MORE, OTHER = (
    Case(name, Row(name, variant, MIDDLE))
    for name, variant in (("hsr_msnet", "59"), ("hsrnet", "59"), ("hrnet", "w48"))
)


def test_every_network_of_coco_is_measured_once() -> None:
    cases = cases_of([])
    keys = [each.key for each in cases]
    assert len(keys) == len(set(keys)) > 40
    assert {("hrnet w32", "256x192"), ("lite_higher_hrnet a", "512x512")} <= set(keys)
    assert not any("demo" in network or "keypoints" in network for network, _ in keys)
    grouped = [each for group in groups_of(cases) for each in group]
    assert sorted(each.key for each in grouped) == sorted(keys)


def test_what_a_paper_compares_takes_turns() -> None:
    assert list(compared([OTHER, LESS, MORE])) == [(LESS, MORE)]
    assert groups_of([LESS, OTHER, MORE]) == [[LESS, MORE], [OTHER]]


def test_ratios_are_of_the_same_round_and_the_slower_stand_out() -> None:
    few, many = {"eager": 30}, {"eager": 40}
    found = [
        Measured(LESS, Cost(1, 80, 80), {"eager 1": [2.0, 8.0, 30.0], "onnx 1": [1.0] * 3}, few),
        Measured(MORE, Cost(1, 100, 100), {"eager 1": [1.0, 4.0, 10.0], "onnx 1": [2.0] * 3}, many),
    ]
    told = ratios_table(found)
    assert "| hsr_msnet 59 | hsrnet 59 | 256x192 | 0.80 | **2.00** | 0.50 | 0.75 |" in told
    assert ratios_table([Measured(OTHER, Cost(1, 1, 1), {"eager 1": [1.0]}, {"eager": 1})]) == NONE


@pytest.mark.full
def test_both_runtimes_paint_the_same_of_values_that_live(tmp_path: Path) -> None:
    file = tmp_path / "demo_hrnet.onnx"
    export("demo_hrnet", file)
    graph, images = settled_graph("demo_hrnet"), noise_of("demo_hrnet")
    with torch.no_grad():
        (true,) = graph(images)
    assert 1e-3 < true.std() < 1e3
    (other,) = onnx_runner(file)(images)
    assert (true - other).abs().max() < SAME * true.abs().max()
    spent = seconds_of(["demo_hrnet"], [file], [1], rounds=3)["demo_hrnet"]
    assert {way: len(rounds) for way, rounds in spent.items()} == {"eager 1": 3, "onnx 1": 3}


def test_a_peak_counts_what_was_let_go_again_and_nothing_earlier() -> None:
    for size in (128, 64):
        peak = peak_of(lambda size=size: len(bytearray(size * MEGA)))
        assert (size - 4) * MEGA < peak < (size + 64) * MEGA
    assert peak_of(lambda: None) < 8 * MEGA


def test_a_fresh_process_is_another_one() -> None:
    assert run_apart(os.getpid) != os.getpid()


def test_it_runs_without_exports(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    names = ["demo_hrnet", "demo_simple_baseline", "demo_hrnet"]
    given = [*names, "--no-onnx", "--rounds", "1", "--threads", "1", "--programs", str(tmp_path)]
    inference.main(given, here)
    told = capsys.readouterr().out
    assert "| network | input | params (M) | exact Gi | ms, eager 1 | MiB, eager |" in told
    assert told.count("| hrnet demo | 128x96 |") == 2  # as it goes, and in the table
    assert "onnx" not in told and not list(tmp_path.iterdir())
