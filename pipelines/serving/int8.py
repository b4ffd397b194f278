"""A network's ONNX graph counted in 8 bits: ranges seen on samples, then QDQ per channel.

onnxruntime's own static quantisation, in two steps, so that samples are run once per calibration.
Weights have 7 of their 8 bits (`reduce_range`): sums of products then fit the 16 bits that x86
processors without VNNI have for them, and a file is as good there as where it was measured.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Collection, Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from pipelines.serving.layer_noise import Double, Doubling
from pipelines.serving.layers import Layers

Calibration = Literal["percentile", "entropy", "minmax"]
METHODS: dict[Calibration, Any] = {
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
    "minmax": CalibrationMethod.MinMax,
}
OPTIONS: dict[Calibration, dict[str, object]] = {
    "percentile": {"percentile": 99.99, "symmetric": False},
    "entropy": {},
    "minmax": {},
}
INPUT = "images"
CODING = ("QuantizeLinear", "DequantizeLinear")


class One(CalibrationDataReader):  # type: ignore[misc]
    """A single batch, handed over once: all that a calibrator keeps of it is gone with it."""

    def __init__(self, images: np.ndarray) -> None:
        self.left = [{INPUT: images}]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self.left.pop() if self.left else None


def calibrate(path: Path, method: Calibration, batches: Iterable[np.ndarray]) -> Any:
    """Ranges of all tensors (`TensorsData`) over batches uint8 [B, H, W, 3]."""
    with tempfile.TemporaryDirectory() as folder:
        calibrator = create_calibrator(
            path,
            augmented_model_path=f"{folder}/augmented.onnx",
            calibrate_method=METHODS[method],
            extra_options=OPTIONS[method],
        )
        with redirect_stdout(io.StringIO()):  # it says what it does, line by line
            for images in batches:
                calibrator.collect_data(One(images))
            return calibrator.compute_data()


def quantised(model: Any, ranges: Any, layers: Layers, in_float: Collection[str]) -> Any:
    """A copy of the `onnx.ModelProto`, in 8 bits but for the layers of these names."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kinds = sorted({*QLinearOpsRegistry, *QDQRegistry})
    quantiser = QDQQuantizer(
        copy,
        True,  # per channel
        True,  # reduce_range
        QuantType.QInt8,
        QuantType.QUInt8,
        ranges,
        layers.coarse(in_float),
        [],
        kinds,
        {"OpTypesToExcludeOutputQuantization": kinds},
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    return quantiser.model.model


def int8_double(quantised: Any) -> Doubling:
    """A layer in 8 bits beside the float one, as the graph that is quantised throughout has it."""
    graph = quantised.graph
    makers = {output: node for node in graph.node for output in node.output}
    layers = {node.name: node for node in graph.node}
    constants = {each.name: each for each in graph.initializer}

    def double(node: Any, output: str) -> Double:
        nodes, inputs, used = [], [], dict[str, Any]()
        for tensor, true in zip(layers[node.name].input, node.input, strict=True):
            inputs.append(tensor if tensor == true else f"{output}/{tensor}")
            while tensor != true and tensor in makers and makers[tensor].op_type in CODING:
                maker = makers[tensor]
                used |= {name: constants[name] for name in maker.input if name in constants}
                nodes.append(_renamed(maker, output, keep=true))
                tensor = maker.input[0]
        copy = _renamed(layers[node.name], output, keep=None)
        copy.ClearField("input")
        copy.input.extend(inputs)
        copy.output[0] = output
        return [*nodes[::-1], copy], [_called(each, f"{output}/{n}") for n, each in used.items()]

    return double


def _renamed(node: Any, before: str, keep: str | None) -> Any:
    """The node with its names behind `before/`, but for the tensor to keep."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = f"{before}/{node.name}"
    for names in (copy.input, copy.output):
        for n, name in enumerate(names):
            names[n] = name if name == keep else f"{before}/{name}"
    return copy


def _called(constant: Any, name: str) -> Any:
    copy = onnx.TensorProto()
    copy.CopyFrom(constant)
    copy.name = name
    return copy
