"""ONNX files run by onnxruntime: what is no ONNX, or fails to run, is a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from data.ground.refusal import refusal
from pipelines.host.processes import usable_cores

FAULTS = (  # onnxruntime's own errors, which share no class
    faults.EPFail, faults.EngineError, faults.Fail, faults.InvalidArgument, faults.InvalidGraph,
    faults.InvalidProtobuf, faults.ModelLoaded, faults.NoModel, faults.NoSuchFile,
    faults.NotImplemented, faults.RuntimeException,
)  # fmt: skip
QUIET = 4  # fatal alone: what goes wrong comes back as an error
PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")
LONGEST = 300  # characters of a fault that are told
NUMPY: dict[str, type[np.generic]] = {  # types of inputs that are fed
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


def open_session(path: Path, *, threads: int | None = None) -> onnxruntime.InferenceSession:
    """The file's graph, ready to run on a GPU where this onnxruntime has one, else on the CPU.

    threads: of one run; None: as many as this process may use cores. They sleep between runs, so
    that what decodes and draws meanwhile has the cores. Raises ValueError for what is no whole
    ONNX, or one that this onnxruntime cannot run.
    """
    if not path.is_file():
        raise refusal(path, fault="no such file", accepted="an ONNX file")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    options.intra_op_num_threads = threads or usable_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    here = onnxruntime.get_available_providers()
    providers = [name for name in PREFERRED if name in here]
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except FAULTS as error:
        do = "check that it came whole, with the files of weights (.data) that it may name"
        fault = f"no ONNX that onnxruntime {onnxruntime.__version__} reads ({_told(error)})"
        raise refusal(path, fault=fault, do=do) from error
    except (OSError, RuntimeError, UnicodeError) as error:
        raise refusal(path, fault=f"cannot be read ({_told(error)})") from error


def filled(images: np.ndarray, batch: int) -> np.ndarray:
    """Up to `batch` images as exactly so many, for a graph that takes no fewer: the last again."""
    return np.concatenate([images, images[-1:].repeat(batch - len(images), axis=0)])


def run_session(
    session: onnxruntime.InferenceSession, feeds: Mapping[str, np.ndarray], where: object
) -> dict[str, np.ndarray]:
    """All outputs by name. where: what a refusal names. Raises ValueError where the run fails."""
    names = [output.name for output in session.get_outputs()]
    try:
        made = session.run(names, dict(feeds))
        return {name: np.asarray(each) for name, each in zip(names, made, strict=True)}
    except (*FAULTS, RuntimeError, ValueError) as error:
        given = {name: f"{each.dtype}{list(each.shape)}" for name, each in feeds.items()}
        raise refusal(where, fault=f"the network fails on {given} ({_told(error)})") from error


def signature(session: onnxruntime.InferenceSession) -> str:
    """Inputs and outputs in words, for a refusal: `images float [1, 3, 416, 416] -> ...`."""
    inputs, outputs = (
        ", ".join(f"{one.name} {one.type.removeprefix('tensor')[1:-1]} {one.shape}" for one in each)
        for each in (session.get_inputs(), session.get_outputs())
    )
    return f"inputs {inputs or 'none'}; outputs {outputs or 'none'}"


def _told(error: Exception) -> str:
    """Its last line without onnxruntime's codes."""
    text = " ".join(str(error).split())
    return text.rsplit("[ONNXRuntimeError] : ", 1)[-1][:LONGEST]
