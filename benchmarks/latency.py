"""What a device feels of each architecture: one image, one and two threads, float32 and int8, in
onnxruntime and (where it is installed) OpenVINO; milliseconds and peak memory, into reports/.

    python -m benchmarks.latency [RECIPE ...] [--threads 1 2] [--rounds 7] [--programs FOLDER]

Without recipes: of each architecture the plainest network among COCO's recipes, at 256x192 or of
whole images. The very files that `export` writes are read by
the very reader that `predict` has, so cutting, resizing, grouping and OKS-NMS are in the time, and
told apart. Every figure is of a process of its own, with a time limit. One thread: CPU time; more:
the clock. Of the rounds the quickest. Weights are the trained ones where there are any, else
random, and grouping is then given painted people.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch

from benchmarks.fresh_process import peak_of, run_apart
from benchmarks.inference import Case, cases_of, cost_of, noise_of, settled_graph
from benchmarks.machine import cpu_model
from data.ground.sample import WholeBatch
from pipelines.host import places
from pipelines.host.onnx_session import FAULTS, open_session
from pipelines.host.openvino_session import OpenVinoSession, has_openvino
from pipelines.prediction.best_weights import Origin
from pipelines.prediction.onnx_card import KEY
from pipelines.prediction.onnx_reader import onnx_reader
from pipelines.prediction.reader import People
from pipelines.prediction.trained import Trained, load_trained
from pipelines.recipe.build import build_architecture, build_codec
from pipelines.recipe.datasets import data_set
from pipelines.recipe.reader import load_recipe
from pipelines.recipe.schema import Recipe
from pipelines.report.latency import Latency, Timed, told_threads, write_latency
from pipelines.serving.exported_card import exported_card
from pipelines.serving.program import build_graph, export_program, write_onnx

LIMIT = 600.0  # seconds of one process
FAILURES = (TimeoutError, ValueError, RuntimeError, *FAULTS)
PHOTO = (640, 480)  # width, height; whole images are square, as operations are counted
PEOPLE = 4
PRECISIONS = ("float32", "int8")
MIDDLE = "256x192"
Apart = Callable[..., Any]  # calls a function with its arguments and a limit; `run_apart`
READ = ("keypoints_input", "scores")  # outputs that are not painted


def chosen(names: Sequence[str]) -> list[Case]:
    """Of each architecture the plainest at 256x192 or whole images; or those of the recipes."""
    cases = cases_of(names)
    if names:
        return cases
    fair = [c for c in cases if c.row.input == MIDDLE or c.row.size[0] == c.row.size[1]]
    plain: dict[tuple[str, bool], Case] = {}
    for case in sorted(fair, key=lambda c: (len(c.row.network), c.row.network)):
        plain.setdefault((case.row.architecture, case.row.refine is not None), case)
    keys = {case.key for case in plain.values()}
    return [case for case in fair if case.key in keys]


def load(name: str) -> Trained:
    """The recipe's network with trained weights, where there are any."""
    recipe = load_recipe(name)
    if places.best_weights(name).is_file():
        return load_trained(places.best_weights(name), name, recipe)
    network, skeleton = settled_graph(name).network, data_set(recipe.dataset).SKELETON
    cpu, nowhere = torch.device("cpu"), Origin(0, "", "")
    return Trained(recipe, network, build_codec(recipe), skeleton, cpu, nowhere)


@torch.no_grad()
def write_files(name: str, files: Mapping[str, Path]) -> None:
    """By precision. Ranges of int8 are those of noise, which times do not hang on."""
    from onnxruntime.quantization.quant_utils import load_model_with_shape_infer

    from pipelines.serving.int8 import calibrate, quantised
    from pipelines.serving.layers import find_layers

    trained = load(name)
    graph = build_graph(trained, flip_test=False)
    plain, images = files["float32"], noise_of(name)
    card = exported_card(trained, graph, name, flip_test=False)
    program = export_program(graph, images, any_size=False)
    write_onnx(program, graph, plain, {KEY: card.text()})
    model = load_model_with_shape_infer(plain)
    fields = [each.name for each in model.graph.output]
    layers = find_layers(model, [name for name in fields if name not in READ])
    ranges = calibrate(plain, "minmax", [images.numpy()])
    onnx.save(quantised(model, ranges, layers, ()), files["int8"])


class Clocked:
    """A session that says when it began and ended; painted: what it gives in place of what came."""

    def __init__(self, session: Any, clock: Callable[[], float]) -> None:
        self.session, self.clock = session, clock
        self.spans: list[tuple[float, float]] = []
        self.painted: dict[str, np.ndarray] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, names: Sequence[str], feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        began = self.clock()
        made = self.session.run(names, feeds)
        self.spans.append((began, self.clock()))
        return [self.painted.get(name, each) for name, each in zip(names, made, strict=True)]


def painted_people(recipe: Recipe) -> dict[str, np.ndarray]:
    """Fields of some people as a network is to paint them, by the names of a graph's outputs."""
    codec, (width, height) = build_codec(recipe), recipe.size
    with torch.device("meta"):
        outputs = build_architecture(recipe).outputs
    count = len(data_set(recipe.dataset).SKELETON.keypoints)
    draw = np.random.default_rng(4)
    corner = draw.uniform(0, 0.6, (PEOPLE, 1, 2))
    points = (corner + draw.uniform(0, 0.35, (PEOPLE, count, 2))) * [width, height]
    batch = WholeBatch(
        torch.zeros(1, height, width, 3, dtype=torch.uint8),
        torch.from_numpy(points.astype(np.float32))[None],
        torch.full((1, PEOPLE, count), 2),
        torch.ones(1, height // 2, width // 2, dtype=torch.uint8),
        torch.zeros(1, dtype=torch.int64),
        torch.zeros(1, 2, 3, dtype=torch.float64),
    )
    stages = codec.paint(codec.encode(batch, outputs, (width, height)))
    return {f"{k}_{n}": v.numpy() for n, stage in enumerate(stages) for k, v in stage.items()}


def photo_of(whole: bool) -> tuple[np.ndarray, list[People] | None]:
    """A photo of noise as a camera might give it, and for networks of crops a person in it."""
    width, height = (PHOTO[0], PHOTO[0]) if whole else PHOTO
    small = np.random.default_rng(3).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    box = np.array([[200.0, 80.0, 160.0, 320.0]])
    return cv2.resize(small, (width, height)), None if whole else [People(box, np.ones(1))]


def time_file(
    name: str, file: Path, runtime: str, threads: int, rounds: int, ours: bool
) -> dict[str, float]:
    """Seconds before, in and behind the network in the quickest round, and bytes at most. ours:
    whether the weights are trained, so that what the network paints is what grouping meets."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    recipe = load_recipe(name)
    session = opened(file, runtime, threads)  # its libraries are in memory before it is measured
    images = np.zeros((1, recipe.size[1], recipe.size[0], 3), np.uint8)

    def work() -> None:
        again = opened(file, runtime, threads)
        for _ in range(2):
            again.run([each.name for each in again.get_outputs()], {"images": images})

    memory = peak_of(work)
    clocked = Clocked(session, clock)
    reader = onnx_reader(file, name, flip_test=False, session=clocked)  # type: ignore[arg-type]
    photo, people = photo_of(not reader.needs_boxes)
    if not ours and not reader.needs_boxes:
        clocked.painted = painted_people(recipe)
    found = []
    for turn in range(rounds + 1):  # the first is not counted
        began = clock()
        reader.read([photo], people)
        ended = clock()
        (start, end), *_ = clocked.spans[turn:]
        found.append((ended - began, start - began, end - start, ended - end))
    _, before, network, behind = min(found[1:])
    return {"before": before, "network": network, "behind": behind, "memory": memory}


def opened(file: Path, runtime: str, threads: int) -> Any:
    if runtime == "openvino":
        return OpenVinoSession(file, threads=threads)
    return open_session(file, threads=threads)


def measure(
    case: Case, folder: Path, threads: Sequence[int], rounds: int, apart: Apart = run_apart
) -> Latency:
    """Each way in a process of its own; what fails or takes too long is told, not fatal."""
    files = {kind: folder / f"{case.recipe}.{kind}.onnx" for kind in PRECISIONS}
    cost = cost_of(case.recipe)
    ours = places.best_weights(case.recipe).is_file()
    timed, failed = list[Timed](), dict[str, str]()
    ways = [(r, p, t) for t in threads for r in runtimes() for p in PRECISIONS]
    try:
        if not all(file.is_file() for file in files.values()):
            apart(write_files, case.recipe, files, limit=LIMIT)
    except FAILURES as error:
        ways, failed = [], {"export": str(error)}
    for runtime, precision, number in ways:
        given = (case.recipe, files[precision], runtime, number, rounds, ours)
        try:
            found = apart(time_file, *given, limit=LIMIT)
        except FAILURES as error:
            failed[f"{runtime} {precision}, {told_threads(number)}"] = str(error)
            continue
        size = files[precision].stat().st_size
        timed.append(Timed(runtime, precision, number, file=size, **found))
    row = case.row
    macs = cost.macs_exact
    return Latency(case.recipe, row.network, row.input, cost.params, macs, ours, timed, failed)


def runtimes() -> list[str]:
    return ["onnx", *(["openvino"] if has_openvino() else [])]


def machine() -> str:
    """What all of it ran on, and how busy that was."""
    versions = [f"onnxruntime {version('onnxruntime')}"]
    versions += [f"openvino {version('openvino')}"] if has_openvino() else ["no OpenVINO installed"]
    flags = torch.backends.cpu.get_cpu_capability()
    return f"{cpu_model()}, {flags}, {os.cpu_count()} cores, {', '.join(versions)}, " \
        f"load {os.getloadavg()[0]:.1f} at the end."  # fmt: skip


def main(arguments: Sequence[str] | None = None, apart: Apart = run_apart) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="none: see above")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--programs", type=Path, help="a folder that keeps the exports")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as own:
        folder = given.programs or Path(own)
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for case in chosen(given.recipes):
            print(f"{case.row.network} {case.row.input} ({case.recipe})", flush=True)
            rows.append(measure(case, folder, given.threads, given.rounds, apart))
            write_latency(places.reports(), machine(), rows)
    print(write_latency(places.reports(), machine(), rows))


if __name__ == "__main__":
    main()
