"""ONNX files: what is none is a sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipelines.host.onnx_session import open_session, run_session, signature


def doubling(path: Path) -> Path:
    """A graph that doubles what it is given, [n, 2]."""
    two = numpy_helper.from_array(np.array([2.0], np.float32), "two")
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, ["n", 2])
    doubled = helper.make_tensor_value_info("doubled", TensorProto.FLOAT, ["n", 2])
    node = helper.make_node("Mul", ["given", "two"], ["doubled"])
    graph = helper.make_graph([node], "doubling", [given], [doubled], [two])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return path


def test_runs_and_says_what_it_takes(tmp_path: Path) -> None:
    session = open_session(doubling(tmp_path / "graph.onnx"))
    made = run_session(session, {"given": np.array([[1, 2], [3, 4]], np.float32)}, "graph")
    assert made["doubled"].tolist() == [[2, 4], [6, 8]]
    told = "inputs given float ['n', 2]; outputs doubled float ['n', 2]"
    assert signature(session) == told


def test_a_run_that_fails_says_what_was_fed(tmp_path: Path) -> None:
    session = open_session(doubling(tmp_path / "graph.onnx"))
    with pytest.raises(ValueError, match=r"mine: the network fails on .*float32\[1, 3\]"):
        run_session(session, {"given": np.zeros((1, 3), np.float32)}, "mine")
    with pytest.raises(ValueError, match=r"mine: the network fails"):
        run_session(session, {"other": np.zeros((1, 2), np.float32)}, "mine")


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "zeros", "folder", "none", "no weights"])
def test_what_is_no_onnx(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    whole = doubling(tmp_path / "whole.onnx").read_bytes()
    contents = {"text": b"hello", "empty": b"", "cut": whole[:60], "zeros": bytes(4096)}
    if kind in contents:
        path.write_bytes(contents[kind])
    elif kind == "folder":
        path.mkdir()
    elif kind == "no weights":
        model = onnx.load(tmp_path / "whole.onnx")
        onnx.save(model, path, save_as_external_data=True, location="x.data", size_threshold=0)
        (tmp_path / "x.data").unlink()
    with pytest.raises(ValueError, match=r"graph\.onnx: (no such file|no ONNX|cannot be read)"):
        open_session(path)
