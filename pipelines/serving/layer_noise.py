"""What each layer loses by being counted coarsely, all others in float: one run over samples.

Every layer has its coarse double beside it in the float graph, fed with the same activations; the
two outputs' difference is what that layer alone adds, whatever the layers before it did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from pipelines.serving.layers import Layers

Double = tuple[list[Any], list[Any]]  # nodes that end in the double's output, constants of theirs
Doubling = Callable[[Any, str], Double]  # of a layer's node, writing to the tensor of that name
DOUBLE, SIGNAL, NOISE = ".double", ".signal", ".noise"
INPUT, QUIET = "images", 4
MOST, LEAST = 200.0, 1e-30  # decibels; sums of squares that are told from nothing


def layer_noise(
    model: Any,
    layers: Layers,
    double: Doubling,
    batches: Iterable[np.ndarray],
) -> dict[str, float]:
    """Layer -> decibels of its output over what its double differs by, the worst first: -200 where
    that is no number, 200 where it is nothing."""
    doubled = onnx.ModelProto()
    doubled.CopyFrom(model)
    del doubled.graph.output[:]
    nodes = {node.name: node for node in model.graph.node}
    for layer in layers.layers:
        _add_double(doubled.graph, nodes[layer.node], double)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    session = onnxruntime.InferenceSession(doubled.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    power = dict.fromkeys(names, 0.0)
    for images in batches:
        for name, value in zip(names, session.run(None, {INPUT: images}), strict=True):
            power[name] += float(value)
    found: dict[str, float] = {}
    for layer in layers.layers:
        ratio = _decibels(power[layer.node + SIGNAL], power[layer.node + NOISE])
        found[layer.name] = min(found.get(layer.name, math.inf), ratio)
    return dict(sorted(found.items(), key=lambda each: each[1]))


def _add_double(graph: Any, node: Any, double: Doubling) -> None:
    copy = node.output[0] + DOUBLE
    nodes, constants = double(node, copy)
    graph.initializer.extend(constants)
    apart = helper.make_node("Sub", [node.output[0], copy], [copy + NOISE])
    graph.node.extend([*nodes, apart])
    for tensor, name in ((node.output[0], SIGNAL), (copy + NOISE, NOISE)):
        output = node.name + name
        graph.node.append(helper.make_node("ReduceSumSquare", [tensor], [output], keepdims=0))
        graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, []))


def _decibels(signal: float, noise: float) -> float:
    """Within MOST on either side: what is written down stays a number."""
    if not (math.isfinite(noise) and math.isfinite(signal)):
        return -MOST
    ratio = max(signal, LEAST) / max(noise, LEAST)
    return min(MOST, max(-MOST, 10 * math.log10(ratio)))
