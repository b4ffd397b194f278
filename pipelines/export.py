"""Exports a trained network as ONNX and torch.export, held against PyTorch and timed.

    python -m pipelines.export RECIPE [--flip-test]
    python -m pipelines.export SLOT [--flip-test]

RECIPE: results/RECIPE/trained -> results/RECIPE/export; SLOT: its champion, into
results/champions/SLOT/export and to the version's files. A network that is fed with crops becomes
crops in, keypoints and heatmaps out; one that reads whole images gives its fields, of any size.
The file of ONNX says of itself all that reading poses with it needs: it alone is enough, anywhere.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.folders import file_digest, whole_folder
from pipelines.prediction.boxes import truth_boxes
from pipelines.prediction.onnx_card import KEY
from pipelines.prediction.split import split_feed, split_place
from pipelines.prediction.trained import Trained, load_trained
from pipelines.recipe.reader import load_recipe, recipe_names
from pipelines.registry.rules import RULES, read_rules
from pipelines.registry.versions import CHAMPION, Registry, champion_checkpoint
from pipelines.serving.exported_card import exported_card
from pipelines.serving.graph import ImageGraph
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

ONNX, PROGRAM, NOTE = "model.onnx", "model.pt2", "export.json"


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("export", __doc__)
    arguments.add_argument("what", help="a recipe that is trained, or a promotion slot")
    arguments.add_argument("--flip-test", action="store_true", help="paint the mirrored too")
    return run_command(arguments, argv, lambda asked: export(asked.what, asked.flip_test))


def export(what: str, flip_test: bool) -> None:
    print(f"exported: {export_named(what, flip_test=flip_test)}")


def export_named(what: str, *, flip_test: bool = False) -> Path:
    """Raises ValueError for a name of neither kind, and where an export is not the network."""
    slots = list(read_rules(RULES))
    if what in slots:
        return export_champion(what, flip_test)
    if what not in recipe_names():
        accepted = f"a recipe, or one of the slots {', '.join(slots)}"
        raise refusal("export", given=what, accepted=accepted)
    trained = load_trained(places.best_weights(what), what, load_recipe(what))
    folder = places.exported(what)
    write_exports(trained, folder, flip_test, name=what)
    return folder


def export_champion(slot: str, flip_test: bool) -> Path:
    path, identity = champion_checkpoint(slot)
    trained = load_trained(path, f"champion of {slot}", None)
    folder = places.champion_exported(slot)
    write_exports(trained, folder, flip_test, name=identity.recipe)
    registry = Registry()
    version = registry.aliased(slot, CHAMPION)
    if version is not None and version.number == identity.version:
        registry.attach(version, folder, "export")
        print(f"{slot}: added to version {version.number}")
    return folder


def write_exports(
    trained: Trained, folder: Path, flip_test: bool = False, name: str = ""
) -> dict[str, Any]:
    """Fills `folder`, whole or not at all; returns what its export.json says. name: the recipe's,
    which the file of ONNX says of itself, with all that reading poses with it needs."""
    trained = replace(trained, network=trained.network.cpu(), device=torch.device("cpu"))
    images = real_images(trained)
    graph = build_graph(trained, flip_test)
    with whole_folder(folder) as part, torch.no_grad():
        program = export_program(graph, images[0])
        torch.export.save(program, part / PROGRAM)
        card = exported_card(trained, graph, name, flip_test)
        write_onnx(program, graph, part / ONNX, {KEY: card.text()})
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
    recipe, place = trained.recipe, split_place(trained.recipe)
    folder = place.prepared / place.split
    if not folder.is_dir():
        do = f"run `python -m pipelines.prepare {recipe.dataset}`: its images check exports"
        raise refusal(folder, fault="no such folder", do=do)
    people = truth_boxes(place.prepared, place.split, trained.codec.aligned)
    feed = split_feed(recipe, trained.codec, place, people)
    groups = ([row for row in group if row < feed.tried] for group in feed.groups(feed.tried))
    images = [batch.images for batch in feed.batches([group for group in groups if group])]
    if not images:
        raise refusal(folder, fault="nobody in it to check an export on")
    return images


def describe(trained: Trained, graph: Graph, images: Sequence[Tensor]) -> dict[str, Any]:
    """What a user of the files must know, and what they were made of."""
    multiple = graph.multiple if isinstance(graph, ImageGraph) else None
    return {
        "input": {
            "name": "images",
            "type": "uint8 RGB",
            "shape": ["B", "H", "W", 3] if multiple else ["B", *trained.input_size[::-1], 3],
            "multiple": multiple,
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
