"""ONNX files run by OpenVINO, where its package is installed (`pip install openvino`), as
onnxruntime's session is: `run`, names of inputs and outputs, what the file says of itself.

Counted in the file's own precision: OpenVINO rounds to bfloat16 of its own accord where a processor
has it, which is faster than float32 and no longer the network that was evaluated.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx

from data.ground.refusal import refusal
from pipelines.host.processes import usable_cores

PACKAGE = "openvino"


def has_openvino() -> bool:
    return find_spec(PACKAGE) is not None


class OpenVinoSession:
    """A file's graph, compiled for each shape of images that it meets: a fixed shape is faster, and
    compiling takes seconds. Raises ValueError without the package, and for what is no ONNX."""

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        if not has_openvino():
            do = f"run `pip install {PACKAGE}`"
            raise refusal("OpenVINO", fault="its package is not installed", do=do)
        os.environ.setdefault("OPENVINO_TELEMETRY_DISABLE", "1")
        import openvino

        self.core, self.path = openvino.Core(), path
        self.settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads or usable_cores(),
        }
        self.compiled: dict[tuple[Any, ...], Any] = {}
        try:
            self.model = self.core.read_model(str(path))
        except RuntimeError as error:
            raise refusal(path, fault=f"no ONNX that OpenVINO reads ({error})"[:300]) from error

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=each.get_any_name()) for each in self.model.inputs]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=each.get_any_name()) for each in self.model.outputs]

    def get_modelmeta(self) -> SimpleNamespace:
        entries = onnx.load(self.path, load_external_data=False).metadata_props
        return SimpleNamespace(custom_metadata_map={each.key: each.value for each in entries})

    def run(self, names: Sequence[str], feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        shapes = {name: each.shape for name, each in feeds.items()}
        key = tuple(shapes.items())
        if key not in self.compiled:
            model = self.model.clone()
            model.reshape({name: list(shape) for name, shape in shapes.items()})
            compiled = self.core.compile_model(model, "CPU", self.settings)
            self.compiled[key] = compiled.create_infer_request()
        made = self.compiled[key].infer(dict(feeds), share_inputs=True)
        return [np.array(made[name]) for name in names]
