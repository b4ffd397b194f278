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

from data.ground.refusal import refusal
from pipelines.prediction.trained import Trained
from pipelines.serving.graph import CropGraph, ImageGraph, PoseGraph

Graph = PoseGraph | ImageGraph
Run = Callable[[Tensor], Sequence[Tensor]]
REPEATS = 5
MOST = 0.99  # of the keypoints of real crops
LARGEST_BATCH = 4096
CHECKED_BATCHES = (1, 2, 5)  # crops
CHECKED_IMAGES = ((1, 2, 3), (1, 4, 2), (3, 2, 2))  # batch, height and width in multiples
TOLERANCES = {"keypoints_input": 1e-2, "scores": 1e-4}  # input pixels; as they are
FIELD_TOLERANCE = 1e-4  # of the largest value, or of 1


def build_graph(trained: Trained, flip_test: bool, *, fields: bool = True) -> Graph:
    """The network as it is exported, on the CPU; of crops with the `fields` that are decoded."""
    codec, network, pixels = trained.codec, trained.network, trained.recipe.pixels
    graph: Graph
    if codec.whole_image:
        graph = ImageGraph(network, codec.resize.multiple, pixels=pixels, flip_test=flip_test)
    else:
        kind, size = CropGraph if fields else PoseGraph, trained.input_size
        graph = kind(network, codec, trained.skeleton, size, pixels=pixels, flip_test=flip_test)
    return graph.cpu().float().eval()


def export_program(graph: Graph, images: Tensor, *, any_size: bool = True) -> ExportedProgram:
    """For any batch, of whole images any size, if wanted.

    A batch of two is the example: one of one would freeze the batch size.
    """
    example = images[:2] if len(images) > 1 else images.repeat(2, 1, 1, 1)
    shapes: dict[int, Any] = {0: Dim("batch", min=1, max=LARGEST_BATCH)}
    if isinstance(graph, ImageGraph) and any_size:
        shapes |= graph.sides()
    return torch.export.export(graph, (example,), dynamic_shapes=(shapes,))


@torch.no_grad()
def write_program(graph: Graph, path: Path) -> None:
    """Exports to `path`, read back and held against PyTorch on noise of several sizes.

    Raises ValueError where the two differ.
    """
    images = noise_images(graph)
    torch.export.save(export_program(graph, images[-1]), path)
    refuse_difference(path.name, largest_difference(program_runner(path), graph, images, most=1.0))


def noise_images(graph: Graph) -> list[Tensor]:
    """uint8 noise as the graph takes it, in batches of several sizes; the last is no single one."""
    if isinstance(graph, ImageGraph):
        times = graph.multiple
        sides = [(batch, high * times, wide * times) for batch, high, wide in CHECKED_IMAGES]
    else:
        width, height = graph.input_size
        sides = [(batch, height, width) for batch in CHECKED_BATCHES]
    return [_noise(*side) for side in sides]


def _noise(batch: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(0, 256, (batch, height, width, 3), generator=generator, dtype=torch.uint8)


def write_onnx(
    program: ExportedProgram, graph: Graph, path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """One file of any size, input `images`, outputs by their names; metadata: kept in it."""
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
    made.model.metadata_props.update(metadata or {})
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


def largest_difference(
    run: Run, graph: Graph, images: Sequence[Tensor], most: float = MOST
) -> dict[str, float]:
    """By output: pixels, scores; of fields parts of the largest value, or of 1.

    Of keypoints what `most` of them stay below: where a heatmap is flat, reading it magnifies the
    last bits of the fields, which are held to their own measure.
    """
    apart = dict.fromkeys(graph.names, 0.0)
    moved = []
    for batch in (images[0][:1], *images):
        for name, exported, true in zip(graph.names, run(batch), graph(batch), strict=True):
            if name == "keypoints_input":
                moved.append((exported - true).abs().amax(-1).flatten())
            scale = 1.0 if name in TOLERANCES else max(1.0, true.abs().amax().item())
            apart[name] = max(apart[name], (exported - true).abs().amax().item() / scale)
    if moved:
        apart["keypoints_input"] = torch.cat(moved).quantile(most).item()
    return apart


def refuse_difference(file: str, apart: Mapping[str, float]) -> None:
    for name, difference in apart.items():
        accepted = TOLERANCES.get(name, FIELD_TOLERANCE)
        if not difference <= accepted:
            fault = f"differs from the network by {difference:.3g} in {name}"
            raise refusal(file, fault=fault, accepted=f"{accepted}", do="nothing was kept of it")


def timed(runners: Mapping[str, Run], images: Tensor) -> dict[str, dict[str, float]]:
    """Median seconds of a call, by batch size and runner, taken in turns."""
    medians: dict[str, dict[str, float]] = {}
    for batch in sorted({1, min(8, len(images))}):
        shown = images[:batch]
        times: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(REPEATS + 1):  # the first is not counted
            for name, run in runners.items():
                started = time.perf_counter()
                run(shown)
                times[name].append(time.perf_counter() - started)
        medians[str(batch)] = {name: statistics.median(each[1:]) for name, each in times.items()}
    return medians
