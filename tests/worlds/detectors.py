"""Detectors made in a test: ONNX graphs that find the one red rectangle in what they are fed.

Each puts its box out as one kind of detectors does, so that the box in image pixels is known, the
way to the input and back included. Whatever is not red is black, or the grey of a border.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT = 128, 96  # of the input
CELLS = [(HEIGHT // s, WIDTH // s) for s in (8, 16, 32)]
ROWS = sum(rows * columns for rows, columns in CELLS)
SCORE = 0.875  # of the rectangle's box
BINS = 16
FLOAT = TensorProto.FLOAT


@dataclass
class Graph:
    """Nodes and constants, added one at a time; each returns the name of its output."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, value: object, kind: type[np.generic] = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, kind), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name


@dataclass(frozen=True)
class Kind:
    """red: the channel that red is fed as; outputs: of a graph and its box [B, 4] in pixels."""

    kind: str
    red: int
    outputs: Callable[[Graph, str], dict[str, str]]
    feed_size: bool = False


def red_finder(
    path: Path,
    kind: Kind,
    *,
    batch: int | str = 1,
    size: tuple[int | str, int | str] = (WIDTH, HEIGHT),
    layout: str = "nchw",
    elements: int = FLOAT,
    names: str = "",
    convolved: bool = False,
    channels: int | str = 3,
) -> Path:
    """Writes the ONNX file. elements: type of the input's numbers; names: classes of metadata;
    convolved: a convolution that changes nothing reads the image first, but for its shape."""
    graph = Graph()
    image = graph.add("Cast", "image", to=FLOAT)
    if convolved:
        graph.add("Shape", image)
        image = graph.add("Conv", image, graph.constant(np.eye(3)[:, :, None, None]))
    if layout == "nhwc":
        image = graph.add("Transpose", image, perm=[0, 3, 1, 2])
    outputs = kind.outputs(graph, _box(graph, image, kind.red))
    for name, made in outputs.items():
        graph.nodes.append(helper.make_node("Identity", [made], [name]))
    columns, rows = size
    shape = [batch, channels, rows, columns]
    if layout == "nhwc":
        shape = [batch, rows, columns, channels]
    inputs = [helper.make_tensor_value_info("image", elements, shape)]
    if kind.feed_size:
        inputs.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [batch, 2]))
    made = [helper.make_tensor_value_info(n, _type(n), None) for n in outputs]
    return _write(path, graph, inputs, made, names)


def constant_detector(path: Path, outputs: dict[str, np.ndarray], names: str = "") -> Path:
    """An ONNX file that puts these out ([1, ...]) whatever it is fed (float, [1, 3, 96, 128])."""
    graph = Graph()
    for name, value in outputs.items():
        constant = graph.constant(value, value.dtype.type)
        graph.nodes.append(helper.make_node("Identity", [constant], [name]))
    inputs = [helper.make_tensor_value_info("image", FLOAT, [1, 3, HEIGHT, WIDTH])]
    made = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for n, v in outputs.items()
    ]
    return _write(path, graph, inputs, made, names)


def _write(
    path: Path,
    graph: Graph,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    names: str,
) -> Path:
    made = helper.make_graph(graph.nodes, "detector", inputs, outputs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if names:
        helper.set_model_props(model, {"names": names})
    onnx.save(model, path)
    return path


def _type(name: str) -> int:
    return TensorProto.INT64 if name == "whole_labels" else FLOAT


def _box(graph: Graph, image: str, red: int) -> str:
    """[B, 4] (x1, y1, x2, y2): the rectangle of pixels above the middle of darkest and lightest."""
    channel = graph.add("Gather", image, graph.constant(red, np.int64), axis=1)
    most = graph.add("ReduceMax", channel, axes=[1, 2], keepdims=1)
    least = graph.add("ReduceMin", channel, axes=[1, 2], keepdims=1)
    half = graph.add("Mul", graph.add("Add", most, least), graph.constant(0.5))
    lit = graph.add("Cast", graph.add("Greater", channel, half), to=FLOAT)
    ends = []
    for last in (0, 1):
        for axis in (1, 2):  # over rows: what columns hold; over columns: what rows hold
            line = graph.add("ReduceMax", lit, axes=[axis], keepdims=0)
            at = graph.add("ArgMax", line, axis=1, keepdims=1, select_last_index=last)
            at = graph.add("Cast", at, to=FLOAT)
            ends.append(graph.add("Add", at, graph.constant(float(last))))
    return graph.add("Concat", *ends, axis=1)


def _middle(graph: Graph, box: str) -> tuple[str, str]:
    """Middle [B, 2] and size [B, 2]."""
    first, last = graph.add("Split", box, axis=1), ""
    graph.nodes[-1].output.append(last := f"{first}_last")
    middle = graph.add("Mul", graph.add("Add", first, last), graph.constant(0.5))
    return middle, graph.add("Sub", last, first)


def _among(graph: Graph, row: str, others: np.ndarray) -> str:
    """A row [B, D] before the same others [N, D] of each image -> [B, 1 + N, D]."""
    row = graph.add("Unsqueeze", row, graph.constant([1], np.int64))
    batch = graph.add("Gather", graph.add("Shape", row), graph.constant([0], np.int64), axis=0)
    shape = graph.add("Concat", batch, graph.constant(others.shape, np.int64), axis=0)
    same = graph.add("Expand", graph.constant(others), shape)
    return graph.add("Concat", row, same, axis=1)


def _with(graph: Graph, box: str, *values: float) -> str:
    """[B, D] and the same values in each row -> [B, D + len(values)]."""
    nothing = graph.add("Mul", box, graph.constant(0.0))
    zero = graph.add("ReduceSum", nothing, graph.constant([1], np.int64), keepdims=1)
    return graph.add("Concat", box, graph.add("Add", zero, graph.constant([values])), axis=1)


def _middle_and_size(graph: Graph, box: str, scale: float = 1.0) -> str:
    middle, size = _middle(graph, box)
    made = graph.add("Concat", middle, size, axis=1)
    return graph.add("Mul", made, graph.constant(scale))


def _yolox(graph: Graph, box: str, cells: bool) -> dict[str, str]:
    """The box in the row of the first cell, of stride 8; the others have no score."""
    middle, size = _middle(graph, box)
    others = np.zeros((ROWS - 1, 8))
    if cells:
        middle = graph.add("Mul", middle, graph.constant(1 / 8))
        size = graph.add("Log", graph.add("Mul", size, graph.constant(1 / 8)))
    else:
        others[:, :2] = _cell_corners()[1:]
        others[:, 2:4] = 8
    row = _with(graph, graph.add("Concat", middle, size, axis=1), 1.0, SCORE, 0.2, 0.1)
    return {"output": _among(graph, row, others)}


def _cell_corners() -> np.ndarray:
    made = []
    for (rows, columns), stride in zip(CELLS, (8, 16, 32), strict=True):
        y, x = np.mgrid[:rows, :columns]
        made.append(np.stack([x, y], axis=-1).reshape(-1, 2) * stride)
    return np.concatenate(made).astype(np.float64)


def _yolo(graph: Graph, box: str, columns_first: bool) -> dict[str, str]:
    row = _with(graph, _middle_and_size(graph, box), SCORE, 0.2, 0.1)
    table = _among(graph, row, np.zeros((ROWS - 1, 7)))
    return {"output0": graph.add("Transpose", table, perm=[0, 2, 1]) if columns_first else table}


def _one_anchor(graph: Graph, box: str) -> dict[str, str]:
    """YOLOv6's: an objectness that is 1 in every row."""
    row = _with(graph, _middle_and_size(graph, box), 1.0, SCORE, 0.2)
    others = np.zeros((ROWS - 1, 7))
    others[:, :2], others[:, 2:5] = _cell_corners()[1:], [8, 8, 1]
    return {"outputs": _among(graph, row, others)}


def _anchors(graph: Graph, box: str) -> dict[str, str]:
    row = _with(graph, _middle_and_size(graph, box), 0.9, SCORE / 0.9, 0.2)
    return {"output": _among(graph, row, np.zeros((3 * ROWS - 1, 7)))}


def _end_to_end(graph: Graph, box: str) -> dict[str, str]:
    others = np.tile([0, 0, 50, 50, 0.9, 2.0], (299, 1))  # of another class
    return {"output0": _among(graph, _with(graph, box, SCORE, 0.0), others)}


def _in_shares(graph: Graph, box: str) -> str:
    shares = graph.constant([1 / WIDTH, 1 / HEIGHT, 1 / WIDTH, 1 / HEIGHT])
    return graph.add("Mul", _middle_and_size(graph, box), shares)


def _detr(classes: int, person: int, names: tuple[str, str]) -> Callable[[Graph, str], dict]:
    def outputs(graph: Graph, box: str) -> dict[str, str]:
        boxes = _among(graph, _in_shares(graph, box), np.full((19, 4), 0.5))
        logits = np.full(classes, -9.0)
        logits[person] = np.log(SCORE / (1 - SCORE))
        found = _with(graph, box, *logits)
        found = graph.add(
            "Slice", found, graph.constant([4], np.int64), graph.constant([4 + classes], np.int64),
            graph.constant([1], np.int64),
        )  # fmt: skip
        return {names[0]: _among(graph, found, np.full((19, classes), -9.0)), names[1]: boxes}

    return outputs


def _one_table(graph: Graph, box: str) -> dict[str, str]:
    row = _with(graph, _in_shares(graph, box), SCORE, 0.2)
    return {"output0": _among(graph, row, np.zeros((19, 6)))}


def _dets(graph: Graph, box: str) -> dict[str, str]:
    dets = _among(graph, _with(graph, box, SCORE), np.array([[0, 0, 50, 50, 0.9]]))
    return {"dets": dets, "whole_labels": _labels(graph, box)}


def _labels(graph: Graph, box: str) -> str:
    """int64 [B, 2]: 0, 1."""
    zero = graph.add("ReduceSum", graph.add("Mul", box, graph.constant(0.0)),
                     graph.constant([1], np.int64), keepdims=1)  # fmt: skip
    return graph.add("Cast", graph.add("Add", zero, graph.constant([[0.0, 1.0]])),
                     to=TensorProto.INT64)  # fmt: skip


def _sized(graph: Graph, box: str) -> dict[str, str]:
    """Boxes in the size that was fed beside the image."""
    given = graph.add("Cast", "sizes", to=FLOAT)
    scale = graph.add("Div", given, graph.constant([[WIDTH, HEIGHT]]))
    box = graph.add("Mul", box, graph.add("Concat", scale, scale, axis=1))
    scores = graph.add("Squeeze", graph.add("Slice", _among(graph, _with(graph, box, SCORE),
                       np.array([[0, 0, 9, 9, 0.9]])), graph.constant([4], np.int64),
                       graph.constant([5], np.int64), graph.constant([2], np.int64)),
                       graph.constant([2], np.int64))  # fmt: skip
    boxes = _among(graph, box, np.array([[0, 0, 50, 50.0]]))
    return {"whole_labels": _labels(graph, box), "boxes": boxes, "scores": scores}


def _distances(graph: Graph, box: str) -> str:
    """[B, 4 * BINS]: distributions around the distance from the middle of cell (4, 4), stride 8."""
    signed = graph.add("Sub", box, graph.constant([[36, 36, 36, 36]]))
    reach = graph.add("Mul", signed, graph.constant([[-1 / 8, -1 / 8, 1 / 8, 1 / 8]]))
    reach = graph.add("Unsqueeze", reach, graph.constant([2], np.int64))
    off = graph.add("Sub", graph.constant([[np.arange(BINS)]]), reach)
    logits = graph.add("Mul", graph.add("Mul", off, off), graph.constant(-3.0))
    return graph.add("Reshape", logits, graph.constant([-1, 4 * BINS], np.int64))


AT = 4 * CELLS[0][1] + 4  # row of that cell among those of stride 8


def _nanodet(graph: Graph, box: str) -> dict[str, str]:
    """Scores and distances of each stride; the cell's rows stand where they belong."""
    outputs = {}
    for (rows, columns), stride in zip(CELLS, (8, 16, 32), strict=True):
        count = rows * columns
        scores, distances = np.zeros((1, count, 4)), np.zeros((1, count, 4 * BINS))
        distances[..., ::BINS] = 1.5
        if stride == 8:
            scores[0, AT] = [SCORE, 0.1, 0.2, 0]
            made = _distances(graph, box)
            made = graph.add("Unsqueeze", made, graph.constant([1], np.int64))
            before, after = (
                graph.constant(distances[:, :AT]),
                graph.constant(distances[:, AT + 1 :]),
            )
            outputs["distance_8"] = graph.add("Concat", before, made, after, axis=1)
        else:
            outputs[f"distance_{stride}"] = graph.constant(distances)
        outputs[f"score_{stride}"] = graph.constant(scores)
    return outputs


KINDS = {
    "yolox": Kind("yolox", 2, lambda g, b: _yolox(g, b, True)),
    "yolox decoded": Kind("yolox", 2, lambda g, b: _yolox(g, b, False)),
    "nanodet": Kind("gfl", 2, _nanodet),
    "yolo": Kind("yolo_rows", 0, lambda g, b: _yolo(g, b, True)),
    "anchors": Kind("yolo_rows", 0, _anchors),
    "one anchor": Kind("yolo_rows", 0, _one_anchor),
    "end to end": Kind("yolo_rows", 0, _end_to_end),
    "d-fine": Kind("detr", 0, _detr(80, 0, ("logits", "pred_boxes"))),
    "rf-detr": Kind("detr", 0, _detr(91, 1, ("labels", "dets"))),
    "own names": Kind("detr", 0, _detr(3, 0, ("one", "other"))),
    "detr in one": Kind("detr", 0, _one_table),
    "mmdeploy": Kind("finished", 2, _dets),
    "sized": Kind("finished", 0, _sized, feed_size=True),
}
ROWS_ONLY = Kind("yolo_rows", 0, lambda g, b: _yolo(g, b, False))
