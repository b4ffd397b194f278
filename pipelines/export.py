"""Exports a trained network as ONNX and torch.export, held against PyTorch and timed.

    python -m pipelines.export RECIPE [--flip-test] [--precision int8|fp16]
    python -m pipelines.export SLOT [--flip-test] [--precision int8|fp16]

RECIPE: results/RECIPE/trained -> results/RECIPE/export; SLOT: its champion, into
results/champions/SLOT/export and to the version's files. A network that is fed with crops becomes
crops in, keypoints and heatmaps out; one that reads whole images gives its fields, of any size.
The file of ONNX says of itself all that reading poses with it needs: it alone is enough, anywhere.

--precision writes model.int8.onnx or model.fp16.onnx into export_int8 or export_fp16 beside it:
ranges are found on samples of the training split, both files are scored on the evaluation's split,
the worst layers stay in float32 until no more is lost than `export_loss` of mlflow/promotion.yaml
(or --most-loss), and a file that loses more is refused. What was lost stands in the file.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.ground.refusal import refusal
from data.ground.spans import Span
from pipelines.host import places
from pipelines.host.command import Arguments, run_command, whole_number
from pipelines.host.folders import file_digest, whole_folder
from pipelines.prediction.onnx_card import KEY, PRECISIONS, Precision

if TYPE_CHECKING:
    from torch import Tensor

    from pipelines.prediction.trained import Trained
    from pipelines.serving.program import Graph

SAMPLES = 64
ONNX, PROGRAM, NOTE = "model.onnx", "model.pt2", "export.json"


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("export", __doc__)
    arguments.add_argument("what", help="a recipe that is trained, or a promotion slot")
    arguments.add_argument("--flip-test", action="store_true", help="paint the mirrored too")
    arguments.add_argument("--precision", choices=PRECISIONS, help="in fewer bits, too")
    arguments.add_argument(
        "--samples",
        type=whole_number(Span(1, 1_000_000)),
        default=SAMPLES,
        metavar="N",
        help="to find ranges on (%(default)s)",
    )
    arguments.add_argument(
        "--most-loss", type=float, metavar="L", help="accepted, fraction of 1 (the rule book's)"
    )
    return run_command(arguments, argv, export)


def export(asked: Namespace) -> None:
    from pipelines.registry.rules import RULES, read_export_loss

    fewer = None
    if asked.precision:
        loss = read_export_loss(RULES) if asked.most_loss is None else asked.most_loss
        fewer = Fewer(asked.precision, asked.samples, loss)
    for folder in export_named(asked.what, flip_test=asked.flip_test, fewer=fewer):
        print(f"exported: {folder}")


@dataclass(frozen=True)
class Fewer:
    """Fewer bits than float32's: samples to find ranges on; most_loss: of the main number."""

    precision: Precision
    samples: int
    most_loss: float

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise refusal("--samples", given=self.samples, accepted="from 1")
        if not 0 <= self.most_loss <= 1:
            raise refusal("--most-loss", given=self.most_loss, accepted="from 0 to 1")


def export_named(what: str, *, flip_test: bool = False, fewer: Fewer | None = None) -> list[Path]:
    """The folders that were written: of float32, of fewer bits where wanted. Raises ValueError for
    a name of neither kind, and where an export is not the network, or loses more than it may."""
    from pipelines.prediction.trained import load_trained
    from pipelines.recipe.reader import load_recipe, recipe_names
    from pipelines.registry.rules import RULES, read_rules

    slots = list(read_rules(RULES))
    if what in slots:
        return export_champion(what, flip_test, fewer)
    if what not in recipe_names():
        accepted = f"a recipe, or one of the slots {', '.join(slots)}"
        raise refusal("export", given=what, accepted=accepted)
    trained = load_trained(places.best_weights(what), what, load_recipe(what))
    return write_both(trained, places.exported(what), flip_test, what, fewer)


def export_champion(slot: str, flip_test: bool, fewer: Fewer | None = None) -> list[Path]:
    from pipelines.prediction.trained import load_trained
    from pipelines.registry.versions import CHAMPION, Registry, champion_checkpoint

    path, identity = champion_checkpoint(slot)
    trained = load_trained(path, f"champion of {slot}", None)
    place = places.champion_exported(slot)
    folders = write_both(trained, place, flip_test, identity.recipe, fewer)
    registry = Registry()
    version = registry.aliased(slot, CHAMPION)
    if version is not None and version.number == identity.version:
        for folder in folders:
            registry.attach(version, folder, folder.name)
        print(f"{slot}: added to version {version.number}")
    return folders


def write_both(
    trained: Trained, folder: Path, flip_test: bool, name: str, fewer: Fewer | None
) -> list[Path]:
    """The float32 exports, and those in fewer bits beside them."""
    import torch

    from pipelines.serving.coarse import write_coarse
    from pipelines.serving.file_accuracy import score_onnx
    from pipelines.serving.samples import training_samples

    write_exports(trained, folder, flip_test, name)
    if fewer is None:
        return [folder]
    trained = replace(trained, network=trained.network.cpu(), device=torch.device("cpu"))
    beside = folder.with_name(f"{folder.name}_{fewer.precision}")
    file = f"model.{fewer.precision}.onnx"
    samples = training_samples(trained, fewer.samples)
    with whole_folder(beside) as part:
        score = partial(score_onnx, trained)
        source, target = folder / ONNX, part / file
        about = write_coarse(fewer.precision, source, target, samples, score, fewer.most_loss)
        sizes = {each.name: each.stat().st_size for each in (source, target)}
        note = asdict(about) | {"bytes": sizes, "files": {file: file_digest(target)}}
        (part / NOTE).write_text(json.dumps(note, indent=2) + "\n")
    mib = {name: size / 2**20 for name, size in sizes.items()}
    print(f"{about.told}, {mib[file]:.1f} MiB (float32 {mib[ONNX]:.1f})")
    return [folder, beside]


def write_exports(
    trained: Trained, folder: Path, flip_test: bool = False, name: str = ""
) -> dict[str, Any]:
    """Fills `folder`, whole or not at all; returns what its export.json says. name: the recipe's,
    which the file of ONNX says of itself, with all that reading poses with it needs."""
    import torch

    from pipelines.serving.exported_card import exported_card
    from pipelines.serving.program import (
        build_graph,
        export_program,
        largest_difference,
        onnx_runner,
        program_runner,
        refuse_difference,
        timed,
        write_onnx,
    )

    trained = replace(trained, network=trained.network.cpu(), device=torch.device("cpu"))
    images = real_images(trained)
    graph = build_graph(trained, flip_test)
    with whole_folder(folder) as part, torch.no_grad():
        program = export_program(graph, images[0])
        torch.export.save(program, part / PROGRAM)
        card = exported_card(trained, graph, name, flip_test)
        write_onnx(program, graph, part / ONNX, {KEY: card.text()})
        runners = {PROGRAM: program_runner(part / PROGRAM), ONNX: onnx_runner(part / ONNX)}
        apart = {name: largest_difference(run, graph, images) for name, run in runners.items()}
        for name, found in apart.items():
            refuse_difference(name, found)
        seconds = timed({"pytorch": graph, **runners}, images[0])
        note = describe(trained, graph, images) | {"difference": apart, "seconds": seconds}
        note["files"] = {name: file_digest(part / name) for name in (ONNX, PROGRAM)}
        (part / NOTE).write_text(json.dumps(note, indent=2) + "\n")
    _tell_speed(seconds)
    return note


def _tell_speed(seconds: Mapping[str, Mapping[str, float]]) -> None:
    for batch, each in seconds.items():
        told = "  ".join(f"{name} {1000 * value:.0f} ms" for name, value in each.items())
        print(f"batch {batch}: {told}")


def real_images(trained: Trained) -> list[Tensor]:
    """Crops or whole images of the recipe's validation split, uint8 [B, H, W, 3], in batches."""
    from pipelines.prediction.boxes import truth_boxes
    from pipelines.prediction.split import split_feed, split_place

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
    import torch

    from pipelines.serving.graph import ImageGraph

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
