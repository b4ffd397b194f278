"""Networks as exported programs: written, read back, held against PyTorch, timed."""

from __future__ import annotations

import logging
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from pipelines.prediction.trained import Trained
from pipelines.serving.graph import CropGraph, FieldGraph, ImageGraph, PoseGraph

Graph = CropGraph | ImageGraph
REPEATS = 5
MOST = 0.99  # of the keypoints
Run = Callable[[Tensor], Sequence[Tensor]]
CHECKED_BATCHES = (1, 2, 5)
POINT_TOLERANCE = 1e-2  # input pixels
SCORE_TOLERANCE = 1e-4
FIELD_TOLERANCE = 1e-4
TOLERANCES = {"keypoints_input": POINT_TOLERANCE, "scores": SCORE_TOLERANCE}


def build_graph(trained: Trained, flip_test: bool) -> Graph:
    codec, network = trained.codec, trained.network
    graph: Graph
    if codec.whole_image:
        graph = ImageGraph(network, codec.resize.multiple)
    else:
        graph = CropGraph(network, codec, trained.skeleton, trained.input_size, flip_test=flip_test)
    return graph.cpu().float().eval()


def export_program(graph: Graph, images: Tensor, *, any_size: bool = True) -> ExportedProgram:
    """For any batch, of whole images any size, if wanted; the example is a batch of two."""
    example = images[:2] if len(images) > 1 else images.repeat(2, 1, 1, 1)
    shapes: dict[int, Any] = {0: Dim("batch", min=1, max=4096)}
    if isinstance(graph, ImageGraph) and any_size:
        shapes |= graph.sides()
    return torch.export.export(graph, (example,), dynamic_shapes=(shapes,))


def write_onnx(program: ExportedProgram, graph: Graph, path: Path) -> None:
    """One file of any size, input `images`, outputs by their names."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.onnx.export(
            program,
            input_names=["images"],
            output_names=graph.names,
            dynamo=True,
            verbose=False,
        )
    assert made is not None
    made.save(path)


def program_runner(path: Path) -> Run:
    module: Run = torch.export.load(path).module()
    return module


def onnx_runner(path: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()  # as PyTorch beside it
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> list[Tensor]:
        return [
            torch.from_numpy(np.asarray(out))
            for out in session.run(None, {"images": images.numpy()})
        ]

    return run


def largest_difference(run: Run, graph: Graph, images: Sequence[Tensor]) -> dict[str, float]:
    """By output: pixels; of scores and fields parts of the largest value, or of 1.

    Of keypoints what 99 of 100 stay below: where a heatmap is flat, reading it magnifies the last
    bits of the fields, which are held to their own measure.
    """
    found = dict.fromkeys(graph.names, 0.0)
    moved = []
    for batch in (images[0][:1], *images):
        for name, given, true in zip(graph.names, run(batch), graph(batch), strict=True):
            if name == "keypoints_input":
                moved.append((given - true).abs().amax(-1).flatten())
            apart = (given - true).abs().amax().item()
            scale = max(1.0, true.abs().amax().item())
            found[name] = max(found[name], apart / scale)
    if moved:
        found["keypoints_input"] = torch.cat(moved).quantile(MOST).item()
    return found


def refuse_difference(file: str, found: Mapping[str, float]) -> None:
    for name, apart in found.items():
        accepted = TOLERANCES.get(name, FIELD_TOLERANCE)
        if not apart <= accepted:
            raise ValueError(f"{file}: differs from the network by {apart:.3g} in {name}, "
                             f"accepted: {accepted}; nothing was kept of the export")  # fmt: skip


def timed(runners: Mapping[str, Run], images: Tensor) -> dict[str, dict[str, float]]:
    """Median seconds of a call, by batch size and runner, taken in turns."""
    found: dict[str, dict[str, float]] = {}
    for batch in sorted({1, min(8, len(images))}):
        shown = images[:batch]
        times: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(REPEATS + 1):  # the first is not counted
            for name, run in runners.items():
                started = time.perf_counter()
                run(shown)
                times[name].append(time.perf_counter() - started)
        found[str(batch)] = {name: statistics.median(each[1:]) for name, each in times.items()}
    return found


def write_field_graph(graph: FieldGraph, path: Path) -> None:
    """Exports on the CPU in float32 to `path`, read back and compared with PyTorch.

    Raises ValueError where the two differ for images of several sizes.
    """
    graph = graph.cpu().float().eval()
    shapes = ({0: Dim("batch", min=1, max=64), **graph.sides()},)
    example = _images(2, 3 * graph.multiple, 4 * graph.multiple)
    with torch.no_grad():
        torch.export.save(torch.export.export(graph, (example,), dynamic_shapes=shapes), path)
        exported = torch.export.load(path).module()
        for batch, high, wide in ((1, 2, 3), (1, 4, 2), (3, 2, 2)):
            images = _images(batch, high * graph.multiple, wide * graph.multiple)
            _refuse_other_fields(exported(images), graph(images))


def _refuse_other_fields(given: list[dict[str, Tensor]], true: list[dict[str, Tensor]]) -> None:
    for stage, expected in zip(given, true, strict=True):
        for name, field in expected.items():
            moved = (stage[name] - field).abs().amax().item()
            if not moved <= FIELD_TOLERANCE * max(1.0, field.abs().amax().item()):
                raise ValueError(
                    f"the exported graph differs from the network by {moved:.3g} in {name} of "
                    f"{list(field.shape)}; accepted: {FIELD_TOLERANCE} of the largest"
                )


def write_graph(graph: PoseGraph, path: Path) -> None:
    """Exports on the CPU in float32 to `path`, read back and compared with PyTorch.

    Raises ValueError where the two differ for a batch of 1, 2 or 5 crops.
    """
    graph = graph.cpu().float().eval()
    torch.export.save(export_crops(graph), path)
    check_crops(torch.export.load(path), graph)


def export_crops(graph: PoseGraph) -> ExportedProgram:
    """A batch of two is the example: one of one would freeze the batch size."""
    with torch.no_grad():
        return torch.export.export(
            graph, (_crops(graph, 2),), dynamic_shapes=({0: Dim("batch", min=1, max=4096)},)
        )


@torch.no_grad()
def check_crops(program: ExportedProgram, graph: PoseGraph) -> None:
    exported = program.module()
    for batch in CHECKED_BATCHES:
        crops = _crops(graph, batch)
        points, scores = exported(crops)
        true_points, true_scores = graph(crops)
        moved = (points - true_points).abs().amax().item()
        changed = (scores - true_scores).abs().amax().item()
        if not (moved <= POINT_TOLERANCE and changed <= SCORE_TOLERANCE):
            raise ValueError(
                f"the exported graph differs from the network for {batch} crops: {moved:.3g} "
                f"pixels, {changed:.3g} in score; accepted: {POINT_TOLERANCE}, {SCORE_TOLERANCE}"
            )


def _crops(graph: PoseGraph, batch: int) -> Tensor:
    return _images(batch, graph.input_size[1], graph.input_size[0])


def _images(batch: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(0, 256, (batch, height, width, 3), generator=generator, dtype=torch.uint8)
