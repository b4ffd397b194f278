"""A trained network as ONNX and as a torch.export program, each held against PyTorch, and timed.

    python -m pipelines.export RECIPE [--flip-test]
    python -m pipelines.export SLOT [--flip-test]

RECIPE: results/RECIPE/trained -> results/RECIPE/export; SLOT: its champion, into
results/champions/SLOT/export and to the version's files. A network that is fed with crops becomes
crops in, keypoints and heatmaps out; one that reads whole images gives its fields, of any size.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from pipelines import places
from pipelines.decide import read_rules
from pipelines.detections import Boxes, image_files, truth_boxes
from pipelines.folders import file_digest, whole_folder
from pipelines.graph import (
    FIELD_TOLERANCE,
    POINT_TOLERANCE,
    SCORE_TOLERANCE,
    CropGraph,
    ImageGraph,
)
from pipelines.recipe import load_recipe, recipe_names
from pipelines.trained import Trained, crops, load_trained, whole

RULES = places.REPOSITORY / "mlflow" / "promotion.yaml"
Graph = CropGraph | ImageGraph
PEOPLE, IMAGES = 16, 4  # real ones that the exports are held against
REPEATS = 5
MOST = 0.99  # of the keypoints
ONNX, PROGRAM, NOTE = "model.onnx", "model.pt2", "export.json"
TOLERANCES = {"keypoints_input": POINT_TOLERANCE, "scores": SCORE_TOLERANCE}


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.export")
    parser.add_argument("what", help="a recipe that is trained, or a promotion slot")
    parser.add_argument("--flip-test", action="store_true", help="crops: paint the mirrored too")
    given = parser.parse_args(argv)
    try:
        folder = export_named(given.what, flip_test=given.flip_test)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"exported: {folder}")
    return 0


def export_named(what: str, *, flip_test: bool = False) -> Path:
    """Raises ValueError for a name of neither kind, and where an export is not the network."""
    slots = list(read_rules(RULES))
    if what in slots:
        return export_champion(what, flip_test)
    if what not in recipe_names():
        raise ValueError(f"export: given {what!r}, accepted: a recipe, or one of the slots "
                         f"{', '.join(slots)}")  # fmt: skip
    trained = load_trained(places.trained(what) / "best.pt", what, load_recipe(what))
    folder = places.home() / "results" / what / "export"
    write_exports(trained, folder, flip_test)
    return folder


def export_champion(slot: str, flip_test: bool) -> Path:
    from pipelines.registry import CHAMPION, Registry, champion_checkpoint

    path, identity = champion_checkpoint(slot)
    trained = load_trained(path, f"champion of {slot}", None)
    folder = places.home() / "results" / "champions" / slot / "export"
    write_exports(trained, folder, flip_test)
    registry = Registry()
    version = registry.behind(slot, CHAMPION)
    if version is not None and version.number == identity["version"]:
        registry.attach(version, folder, "export")
        print(f"{slot}: added to version {version.number}")
    return folder


def write_exports(trained: Trained, folder: Path, flip_test: bool = False) -> dict[str, Any]:
    """Fills `folder`, whole or not at all; returns what its export.json says."""
    trained = replace(trained, network=trained.network.cpu(), device=torch.device("cpu"))
    images = real_images(trained)
    graph = build_graph(trained, flip_test)
    with whole_folder(folder) as part, torch.no_grad():
        program = export_program(graph, images[0])
        torch.export.save(program, part / PROGRAM)
        write_onnx(program, graph, part / ONNX)
        runners = {
            PROGRAM: program_runner(part / PROGRAM),
            ONNX: onnx_runner(part / ONNX),
        }
        apart = {name: largest_difference(run, graph, images) for name, run in runners.items()}
        for name, found in apart.items():
            refuse_difference(name, found)
        seconds = timed({"pytorch": graph, **runners}, images[0])
        note = describe(trained, graph, images) | {"difference": apart, "seconds": seconds}
        note["files"] = {name: file_digest(part / name) for name in (ONNX, PROGRAM)}
        (part / NOTE).write_text(json.dumps(note, indent=2) + "\n")
    for batch, each in seconds.items():
        told = "  ".join(f"{name} {1000 * value:.0f} ms" for name, value in each.items())
        print(f"batch {batch}: {told}")
    return note


def build_graph(trained: Trained, flip_test: bool) -> Graph:
    codec, network = trained.codec, trained.network
    graph: Graph
    if codec.whole_image:
        graph = ImageGraph(network, codec.resize.multiple)
    else:
        graph = CropGraph(network, codec, trained.skeleton, trained.input_size, flip_test=flip_test)
    return graph.cpu().float().eval()


def real_images(trained: Trained) -> list[Tensor]:
    """Crops or whole images of the recipe's validation split, uint8 [B, H, W, 3], in batches."""
    recipe = trained.recipe
    prepared, split = places.prepared(recipe.dataset), recipe.evaluation.split
    if not (prepared / split).is_dir():
        raise ValueError(f"{prepared / split}: no such folder; run `dvc repro prepare@"
                         f"{recipe.dataset}`: exports are checked on its images")  # fmt: skip
    files = image_files(prepared, places.raw(recipe.dataset), split)
    batches: Iterator[Any]
    if trained.codec.whole_image:
        batches = whole(trained, dict(islice(files.items(), IMAGES)))
    else:
        every = truth_boxes(prepared, split, trained.codec.aligned).of_images(files.keys())
        some = Boxes(every.image_id[:PEOPLE], every.box_image[:PEOPLE], every.score[:PEOPLE])
        batches = crops(trained, some, files)
    found = [batch.images for batch in batches]
    if not found:
        raise ValueError(f"{prepared / split}: nobody in it to check an export on")
    return found


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


Run = Callable[[Tensor], Sequence[Tensor]]


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


def describe(trained: Trained, graph: Graph, images: Sequence[Tensor]) -> dict[str, Any]:
    """What a user of the files must know, and what they were made of."""
    crop = isinstance(graph, CropGraph)
    return {
        "input": {
            "name": "images",
            "type": "uint8 RGB",
            "shape": ["B", *trained.input_size[::-1], 3] if crop else ["B", "H", "W", 3],
            "multiple": None if crop else graph.multiple,
        },
        "outputs": graph.names,
        "keypoints": list(trained.skeleton.keypoints),
        "threads": torch.get_num_threads(),
        "checked_on": {"dataset": trained.recipe.dataset, "images": sum(map(len, images))},
        "recipe": trained.recipe.as_dict(),
        **{key: trained.checkpoint[key] for key in ("epoch", "fingerprint", "data_hash")},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
