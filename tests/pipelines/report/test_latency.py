"""The page of latencies says plainly where fewer operations are not faster."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from pipelines.report.latency import Latency, Timed, compared, latency_page, write_latency

pytestmark = pytest.mark.unit

MIB, GI = 2**20, 2**30


def timed(precision: str, network: float, threads: int = 1) -> Timed:
    return Timed("onnx", precision, threads, 0.001, network, 0.0025, 20 * MIB, 3 * MIB)


def row(network: str, gi: float, size: str, *each: Timed, trained: bool = False) -> Latency:
    return Latency("a_recipe", network, size, 5_000_000, int(gi * GI), trained, each, {})


LITE = row("lite_higher_hrnet a", 29.0, "512x512", timed("float32", 0.2), timed("int8", 0.05))
HIGHER = row("higher_hrnet w32", 43.0, "512x512", timed("float32", 0.16), timed("int8", 0.1))
LONE = row("hrnet w32", 7.0, "256x192", timed("float32", 0.15, threads=2), trained=True)


def test_fewer_operations_that_take_longer_are_said() -> None:
    assert list(compared([HIGHER, LITE, LONE])) == [(LITE, HIGHER)]
    page = latency_page("a machine", [HIGHER, LITE])
    assert (
        "- lite_higher_hrnet a at 512x512 has 0.67 of the operations of higher_hrnet w32 and takes "
        "1.25 times the time in onnx float32, 1 thread; faster in onnx int8, 1 thread (2.00 times "
        "as fast)." in page
    )


def test_the_tables_tell_the_parts_of_the_time() -> None:
    page = latency_page("a machine", [HIGHER, LONE])
    assert "| higher_hrnet w32 † | 512x512 | 5.0 | 43.00 | 1.0 + **160.0** + 2.5 | 1.0 + " in page
    assert "| hrnet w32 | 256x192 | 5.0 | 7.00 | 1.0 + **150.0** + 2.5 | – |" in page
    assert page.index("## 1 thread\n") < page.index("## 2 threads\n")
    assert "| higher_hrnet w32 | 512x512 | float32 3.0 / int8 3.0 | 20 | 20 |" in page
    assert "No two of these networks are compared by a paper." in page
    assert "What came to nothing" not in page


def test_page_picture_and_numbers_are_written_also_where_a_way_failed(tmp_path: Path) -> None:
    failed = Latency("r", "cpn r50", "256x192", 1, GI, False, [], {"export": "took over 600 s"})
    page = write_latency(tmp_path / "reports", "a machine", [LITE, HIGHER, failed])
    assert "- cpn r50, export: took over 600 s" in page.read_text()
    numbers = json.loads(page.with_suffix(".json").read_text())
    assert numbers["networks"][0]["timed"][1]["network"] == 0.05
    picture = cv2.imread(str(page.with_suffix(".png")))
    assert picture is not None and picture.std() > 5
