"""A small network as an exported file of ONNX: normalising, three convolutions, a field, a reading.

One channel between the first two is wide: the first writes it so many times too large and the
second takes it so many times too small, which changes nothing in float and all in eight bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipelines.prediction.onnx_card import KEY

WIDE = "first"  # writes the wide channel
TAKES_WIDE = "second"
LAYERS = [WIDE, TAKES_WIDE, "last"]
SIZE = 16  # pixels a side


def write_small_onnx(path: Path, wide: float = 1.0) -> Path:
    """Takes `images` uint8 [B, 16, 16, 3], gives `heatmaps` [B, 2, 16, 16] and `scores` [B, 2]."""
    rng = np.random.default_rng(5)
    weights = {
        WIDE: rng.normal(size=(8, 3, 3, 3)) / 5,
        TAKES_WIDE: rng.normal(size=(8, 8, 3, 3)) / 8,
        "last": rng.normal(size=(2, 8, 1, 1)) / 3,
    }
    weights[WIDE][0] *= wide
    weights[TAKES_WIDE][:, 0] /= wide
    constants = {f"network.{name}.weight": w.astype(np.float32) for name, w in weights.items()}
    constants |= {"mean": np.float32(128), "spread": np.float32(1 / 64)}
    make = helper.make_node
    nodes = [
        make("Cast", ["images"], ["cast"], "cast", to=TensorProto.FLOAT),
        make("Sub", ["cast", "mean"], ["centred"], "sub"),
        make("Mul", ["centred", "spread"], ["scaled"], "mul"),
        make("Transpose", ["scaled"], ["fed"], "transpose", perm=[0, 3, 1, 2]),
        _conv("fed", WIDE, "a", 1),
        make("Relu", ["a"], ["b"], "relu"),
        _conv("b", TAKES_WIDE, "c", 1),
        make("Add", ["c", "b"] if wide == 1 else ["c", "c"], ["d"], "add"),
        make("Relu", ["d"], ["e"], "relu_1"),
        _conv("e", "last", "heatmaps", 0),
        make("ReduceMax", ["heatmaps", "sides"], ["scores"], "read", keepdims=0),
    ]
    constants["sides"] = np.array([2, 3], dtype=np.int64)
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["B", 2, SIZE, SIZE]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["B", 2]),
        ],
        [numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    model.metadata_props.add(key=KEY, value="{}")
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def noise(count: int) -> list[np.ndarray]:
    """uint8 [1, 16, 16, 3] each."""
    rng = np.random.default_rng(7)
    return [rng.integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8) for _ in range(count)]


def _conv(taken: str, name: str, given: str, pad: int) -> Any:
    inputs = [taken, f"network.{name}.weight"]
    return helper.make_node("Conv", inputs, [given], f"node_{name}", pads=[pad] * 4)
