"""The layers of a network in its ONNX graph: what may be counted coarsely, and what paints fields.

Normalised pixels, the flip test and the reading of keypoints are in the graph too; they are no part
of the network, and stay in float32 whatever its layers are counted in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
Near = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Layer:
    """A node with weights. name: as the network calls it (twice in a graph with the flip test);
    weight: its constant; paints: a field comes of it with no other layer between."""

    node: str
    name: str
    weight: str
    paints: bool


@dataclass(frozen=True)
class Layers:
    """layers: in the order of the graph; before, behind: of each node without weights that lies
    between layers the nearest on either side."""

    layers: list[Layer]
    before: Near
    behind: Near

    def coarse(self, in_float: Collection[str]) -> list[str]:
        """Nodes that are not counted in float where the layers of these names are: of those without
        weights the ones between two layers that are not."""
        nodes = [layer.node for layer in self.layers if layer.name not in in_float]
        layers, sides = set(nodes), zip(self.before.items(), self.behind.values(), strict=True)
        return nodes + [node for (node, a), b in sides if a & layers and b & layers]

    @property
    def painting(self) -> list[str]:
        return list(dict.fromkeys(layer.name for layer in self.layers if layer.paints))


def find_layers(model: Any, fields: Collection[str]) -> Layers:
    """Of an `onnx.ModelProto` that its exporter sorted; fields: names of the outputs that are
    painted, of which the others are read."""
    constants = {each.name for each in model.graph.initializer}
    nodes = _ancestors(list(model.graph.node), fields)
    weights = {
        node.name: next(each for each in node.input if each in constants)
        for node in nodes
        if node.op_type in WEIGHTED and constants.intersection(node.input)
    }
    made = _nearest(nodes, weights, forward=True)
    used = _nearest(nodes[::-1], weights, forward=False)
    painting = frozenset().union(*(made.get(field, frozenset()) for field in fields))
    layers = [Layer(n, _named(w), w, n in painting) for n, w in weights.items()]
    plain = [node for node in nodes if node.name not in weights]
    before = {n.name: _union(made, n.input) for n in plain}
    behind = {n.name: _union(used, n.output) for n in plain}
    between = [name for name in before if before[name] and behind[name]]
    return Layers(layers, {n: before[n] for n in between}, {n: behind[n] for n in between})


def _ancestors(nodes: list[Any], outputs: Collection[str]) -> list[Any]:
    """The nodes that these outputs are made by, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _nearest(nodes: list[Any], weights: Mapping[str, str], *, forward: bool) -> Near:
    """Tensor -> the nearest layers that it comes of (forward), or goes to."""
    found: dict[str, frozenset[str]] = {}
    for node in nodes:
        ins, outs = (node.input, node.output) if forward else (node.output, node.input)
        near = frozenset((node.name,)) if node.name in weights else _union(found, ins)
        for tensor in outs:
            found[tensor] = found.get(tensor, frozenset()) | near
    return found


def _union(near: Near, tensors: Collection[str]) -> frozenset[str]:
    return frozenset().union(*(near.get(tensor, frozenset()) for tensor in tensors))


def _named(weight: str) -> str:
    return weight.removeprefix("network.").removesuffix(".weight")
