"""A network's ONNX graph counted in 16 bits of float; what goes in and comes out stays float32.

On CPUs onnxruntime has most layers in float32 all the same, between two roundings: such a file is
half as large there and no faster. A GPU or a neural unit counts in 16 bits itself. onnxruntime's
own converter rounds what float nodes hand to one another, too, keypoints among it: it is not used.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipelines.serving.layer_noise import Double
from pipelines.serving.layers import Layers

ALWAYS_FLOAT = {"Resize": (1, 2)}  # inputs that are float32 whatever the image is: roi, scales
HALF = "/half"


def halved(model: Any, layers: Layers, in_float: Collection[str]) -> Any:
    """A copy of the shape-inferred `onnx.ModelProto`, in fp16 but for the layers of these names."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _Halving(copy.graph, set(layers.coarse(in_float))).run()
    return copy


class _Halving:
    """A graph, node by node in its order. Tensors in fp16 have names of their own beside those in
    float32; what is needed in the other kind is cast once."""

    def __init__(self, graph: Any, coarse: Collection[str]) -> None:
        self.graph, self.coarse = graph, coarse
        told = [*graph.value_info, *graph.output, *graph.input]
        self.floats = {v.name for v in told if v.type.tensor_type.elem_type == TensorProto.FLOAT}
        self.constants = {each.name: each for each in graph.initializer}
        self.floats |= {n for n, c in self.constants.items() if c.data_type == TensorProto.FLOAT}
        self.nodes: list[Any] = []
        self.there = {each.name for each in graph.input} | self.constants.keys()

    def run(self) -> None:
        for node in list(self.graph.node):
            self._halve(node) if node.name in self.coarse else self._keep(node)
        for output in self.graph.output:
            self._need(output.name)
        used = {name for node in self.nodes for name in node.input}
        kept = [each for name, each in self.constants.items() if name in used]
        for field, values in (("node", self.nodes), ("initializer", kept), ("value_info", [])):
            self.graph.ClearField(field)
            getattr(self.graph, field).extend(values)

    def _halve(self, node: Any) -> None:
        for n, name in enumerate(node.input):
            if n in ALWAYS_FLOAT.get(node.op_type, ()):
                self._need(name)
            elif name in self.floats:
                node.input[n] = self._need(name, HALF)
            else:
                self._need(name)
        for n, name in enumerate(node.output):
            node.output[n] = name + HALF if name in self.floats else name
        self._put(node)

    def _keep(self, node: Any) -> None:
        for name in node.input:
            self._need(name)
        self._put(node)

    def _put(self, node: Any) -> None:
        self.nodes.append(node)
        self.there.update(node.output)

    def _need(self, name: str, kind: str = "") -> str:
        """The tensor's name in float32, or in fp16 (`HALF`), once it is there."""
        wanted = name + kind
        if not name or wanted in self.there:
            return wanted
        if name in self.constants:
            with np.errstate(over="ignore"):  # infinite weights score nothing, and are refused
                rounded = numpy_helper.to_array(self.constants[name]).astype(np.float16)
            self.constants[wanted] = numpy_helper.from_array(rounded, wanted)
            self.there.add(wanted)
            return wanted
        to = TensorProto.FLOAT16 if kind else TensorProto.FLOAT
        have = name if kind else name + HALF
        self._put(helper.make_node("Cast", [have], [wanted], name=f"cast {wanted}", to=to))
        return wanted


def half_double(node: Any, output: str) -> Double:
    """A layer between roundings to fp16, beside the float one."""
    nodes, inputs = [], []
    for tensor in node.input:
        nodes += _rounded(tensor, f"{output}/{tensor}")
        inputs.append(f"{output}/{tensor}")
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = f"{output}/layer"
    copy.ClearField("input")
    copy.input.extend(inputs)
    copy.output[0] = f"{output}/layer"
    return [*nodes, copy, *_rounded(f"{output}/layer", output)], []


def _rounded(tensor: str, output: str) -> list[Any]:
    half = f"{output}/half"
    return [
        helper.make_node("Cast", [tensor], [half], to=TensorProto.FLOAT16),
        helper.make_node("Cast", [half], [output], to=TensorProto.FLOAT),
    ]
