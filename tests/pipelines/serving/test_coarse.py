"""Files in fewer bits: what is counted coarsely, what stays in float, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from pipelines.host.folders import file_digest
from pipelines.host.onnx_session import open_session
from pipelines.prediction.onnx_card import KEY, Coarse, Precision
from pipelines.recipe.strict import read
from pipelines.serving.coarse import write_coarse
from pipelines.serving.file_accuracy import Scored
from pipelines.serving.layers import find_layers
from tests.worlds.small_onnx import LAYERS, TAKES_WIDE, WIDE, noise, write_small_onnx

pytestmark = pytest.mark.unit

SHOWN = np.concatenate(noise(4))


def heatmaps(path: Path) -> np.ndarray:
    session = open_session(path, threads=1)
    return np.asarray(session.run(["heatmaps"], {"images": SHOWN})[0])


def likeness(true: np.ndarray) -> Callable[[Path], Scored]:
    """Scores a file by how much of the heatmaps of the float file its own have."""

    def score(path: Path) -> Scored:
        apart = np.linalg.norm(heatmaps(path) - true) / np.linalg.norm(true)
        return Scored("AP@gt", float(1 - apart) if np.isfinite(apart) else 0.0, len(SHOWN))

    return score


def test_layers_are_found_between_pixels_and_reading(tmp_path: Path) -> None:
    layers = find_layers(onnx.load(write_small_onnx(tmp_path / "model.onnx")), ["heatmaps"])
    assert [layer.name for layer in layers.layers] == LAYERS
    convolutions = ["node_first", "node_second", "node_last"]
    assert layers.coarse([]) == [*convolutions, "relu", "add", "relu_1"]
    assert layers.coarse([WIDE]) == ["node_second", "node_last", "add", "relu_1"]
    assert layers.coarse([TAKES_WIDE]) == ["node_first", "node_last", "relu", "add", "relu_1"]
    assert layers.coarse(LAYERS[:2]) == ["node_last"]


@pytest.mark.parametrize(("precision", "least"), [("int8", 0.96), ("fp16", 0.999)])
def test_fewer_bits_paint_nearly_the_same(
    precision: Precision, least: float, tmp_path: Path
) -> None:
    source = write_small_onnx(tmp_path / "model.onnx")
    target, true = tmp_path / "coarse.onnx", heatmaps(source)
    about = write_coarse(precision, source, target, noise(8), likeness(true), 0.04)
    assert (about.in_float, about.before, about.images) == ([], 1.0, 4)
    made = likeness(true)(target).value
    assert made == about.after and least < made < 1
    model = onnx.load(target)
    onnx.checker.check_model(model)
    weights = {i.name: i for i in model.graph.initializer if "weight" in i.name and i.dims}
    kinds = {"int8": onnx.TensorProto.INT8, "fp16": onnx.TensorProto.FLOAT16}
    assert {i.data_type for i in weights.values() if len(i.dims) == 4} == {kinds[precision]}
    card = json.loads({p.key: p.value for p in model.metadata_props}[KEY])
    assert Coarse(**card["coarse"]) == about
    assert (about.calibration is None) == (precision == "fp16")
    assert about.float_sha256 == file_digest(source)
    assert set(about.worst) == set(LAYERS)


@pytest.mark.parametrize(("precision", "wide"), [("int8", 3e3), ("fp16", 3e5)])
def test_the_layers_that_lose_most_stay_in_float(
    precision: Precision, wide: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_small_onnx(tmp_path / "model.onnx", wide)
    target, true = tmp_path / "coarse.onnx", heatmaps(source)
    about = write_coarse(precision, source, target, noise(8), likeness(true), 0.04)
    assert next(iter(about.worst)) == (TAKES_WIDE if precision == "int8" else WIDE)
    assert about.in_float == [next(iter(about.worst))]
    card = json.loads({p.key: p.value for p in onnx.load(target).metadata_props}[KEY])
    assert read(Coarse, card["coarse"], "the card") == about, "all its numbers are finite"
    assert about.after > 0.96
    told = capsys.readouterr().out
    assert f"{precision}" in told and f"in float32 {about.in_float[0]}: AP@gt" in told


def test_what_loses_more_than_it_may_is_refused(tmp_path: Path) -> None:
    source = write_small_onnx(tmp_path / "model.onnx", wide=3e3)
    score = likeness(heatmaps(source))
    with pytest.raises(
        ValueError, match=r"int8: AP@gt 0\.\d+, in float32 1\.000: loses 0\."
    ) as told:
        write_coarse("int8", source, tmp_path / "coarse.onnx", noise(2), score, 0.0)
    assert "1 of 3 layers in float32 (the worst: second, " in str(told.value)
    assert "accepted: a loss of 0 (`export_loss`" in str(told.value)


def test_a_network_that_finds_nobody_is_said_to_lose_nothing_that_is_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_small_onnx(tmp_path / "model.onnx")
    nothing = Scored("AP@gt", 0.0, 4)
    write_coarse("fp16", source, tmp_path / "coarse.onnx", noise(1), lambda _: nothing, 0.01)
    assert "float32: AP@gt 0.000 (4 images): too low to see a loss" in capsys.readouterr().out
