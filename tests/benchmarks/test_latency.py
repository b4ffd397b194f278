"""The benchmark of latencies runs on demo networks in every way that is there, without a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import latency
from benchmarks.fresh_process import run_apart
from pipelines.host import places
from pipelines.host.onnx_session import open_session
from pipelines.host.openvino_session import OpenVinoSession, has_openvino
from pipelines.prediction.onnx_reader import onnx_reader
from pipelines.recipe.reader import load_recipe
from tests.worlds.small_onnx import noise, write_small_onnx

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("one_thread")]


def here(work: Callable[..., Any], *arguments: object, limit: float) -> Any:
    return work(*arguments)


def test_every_architecture_is_measured_beside_what_it_is_to_beat() -> None:
    networks = [case.row.network for case in latency.chosen([])]
    assert len(networks) == len(set(networks)) > 12
    pairs = ("lite_higher_hrnet a", "higher_hrnet w32", "ghost_openpose decided",
             "lightweight_openpose r1", "hrnet w32", "hrnet w32 + pose_renet")  # fmt: skip
    assert set(pairs) <= set(networks)


@pytest.mark.full
@pytest.mark.parametrize("name", ["demo_simple_baseline", "demo_higher_hrnet"])
def test_a_network_is_timed_whole_and_in_parts(home: Path, name: str) -> None:
    latency.main([name, "--rounds", "1", "--threads", "1", "--programs", str(home / "p")], here)
    page = (places.reports() / "latency.md").read_text()
    assert "What came to nothing" not in page
    assert f"| {latency.chosen([name])[0].row.network} †" in page
    file = home / "p" / f"{name}.int8.onnx"
    read = onnx_reader(file, name, flip_test=False)
    clocked = latency.Clocked(open_session(file), lambda: 0.0)
    if not read.needs_boxes:
        clocked.painted = latency.painted_people(load_recipe(name))
        reader = onnx_reader(file, name, flip_test=False, session=clocked)
        photo, _ = latency.photo_of(whole=True)
        assert len(reader.read([photo], None)[0]) == latency.PEOPLE, "grouping meets people"


def test_work_that_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError):
        run_apart(time.sleep, 600, limit=0.5)
    assert run_apart(abs, -3, limit=300) == 3


@pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed")
def test_openvino_gives_what_onnxruntime_gives(tmp_path: Path) -> None:
    file, images = write_small_onnx(tmp_path / "model.onnx"), {"images": np.concatenate(noise(3))}
    ours, theirs = open_session(file, threads=1), OpenVinoSession(file, threads=1)
    names = [each.name for each in ours.get_outputs()]
    assert [each.name for each in theirs.get_outputs()] == names
    assert theirs.get_modelmeta().custom_metadata_map == ours.get_modelmeta().custom_metadata_map
    for true, given in zip(ours.run(names, images), theirs.run(names, images), strict=True):
        np.testing.assert_allclose(given, true, atol=1e-4)
