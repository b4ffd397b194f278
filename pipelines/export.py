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
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipelines.host import places
from pipelines.host.folders import file_digest, whole_folder
from pipelines.intake.prepared import image_files
from pipelines.prediction.boxes import Boxes, truth_boxes
from pipelines.prediction.feeds import crops, whole
from pipelines.prediction.trained import Trained, load_trained
from pipelines.recipe.reader import load_recipe, recipe_names
from pipelines.registry.rules import RULES, read_rules
from pipelines.serving.graph import CropGraph
from pipelines.serving.program import (
    Graph,
    build_graph,
    export_program,
    largest_difference,
    onnx_runner,
    program_runner,
    refuse_difference,
    timed,
    write_onnx,
)

PEOPLE, IMAGES = 16, 4  # real ones that the exports are held against
ONNX, PROGRAM, NOTE = "model.onnx", "model.pt2", "export.json"


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
    from pipelines.registry.versions import CHAMPION, Registry, champion_checkpoint

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
        **asdict(trained.origin),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
