"""Adds your own data sets, whatever tool labelled them, and looks at those that are there.

    python -m pipelines.datasets add NAME LABELS IMAGES [--format ...] [--val-share 0.2] [--from W]
    python -m pipelines.datasets list
    python -m pipelines.datasets check NAME
    python -m pipelines.datasets sigmas NAME SECOND_LABELS [--write]
    python -m pipelines.datasets export NAME --format FORMAT --to FOLDER
    python -m pipelines.datasets example FOLDER

`add` looks at labels and images, says what is in them and what is odd, and writes the data set's
entry in params.yaml, its skeleton, a recipe that fits and a page of samples; it replaces nothing.
Labels and images stay where and as they are. `example` draws twelve photos to try it with.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.datasets.formats.guessing import guess
from data.datasets.formats.labels import Labels
from data.datasets.formats.menu import READERS, WRITERS
from data.datasets.own import Part
from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton
from pipelines.host import places
from pipelines.host.command import SEEDS, Arguments, Verb, called, run_command, whole_number
from pipelines.host.places import told_path
from pipelines.recipe.datasets import own_data
from pipelines.survey.listing import listed

if TYPE_CHECKING:
    from pipelines.survey.adding import Check, Targets


def main(argv: Sequence[str], targets: Targets | None = None, check: Check | None = None) -> int:
    """targets, check: where files are written, and who reads the recipe (a test's own)."""
    from pipelines.survey.adding import Targets

    arguments = Arguments("datasets", __doc__)
    verbs = arguments.add_subparsers(dest="verb", required=True, parser_class=Verb)
    _add_adding(verbs)
    verbs.add_parser("list", text="All data sets, a line each.")
    verb = verbs.add_parser("check", text="What is in an own data set, and what is odd.")
    verb.add_argument("name", help="an own data set of params.yaml")
    verb = verbs.add_parser("sigmas", text="OKS fall-offs from people who were labelled twice.")
    verb.add_argument("name", help="an own data set of params.yaml")
    second = "labels of the same images by somebody else: a file or folder of any format"
    verb.add_argument("second", metavar="SECOND", type=Path, help=second)
    verb.add_argument("--write", action="store_true", help="into the data set's skeleton file")
    verb = verbs.add_parser("export", text="An own data set's labels in another format.")
    verb.add_argument("name", help="an own data set of params.yaml")
    verb.add_argument("--format", required=True, help=", ".join(WRITERS))
    verb.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="is made")
    verb = verbs.add_parser("example", text="Draws twelve photos of a tool, labelled.")
    verb.add_argument("folder", type=Path, help="is made")
    given = targets or Targets()
    acts: dict[str, Callable[[Any], None]] = {
        "add": lambda asked: add(asked, given, check),
        "list": lambda _: print("\n".join(listed(given.params))),
        "check": lambda asked: check_data_set(asked.name, given),
        "sigmas": lambda asked: sigmas(asked, given),
        "export": lambda asked: export(asked, given),
        "example": lambda asked: example(asked.folder),
    }
    return run_command(arguments, argv, lambda asked: acts[asked.verb](asked))


def _add_adding(verbs: Any) -> None:
    verb = verbs.add_parser("add", text="A data set from labels and images, wherever they lie.")
    verb.add_argument("name", help="of the data set: letters, digits, _")
    verb.add_argument("labels", type=Path, help="the tool's file or folder")
    verb.add_argument("images", type=Path, help="the folder that the labels' file names lie below")
    verb.add_argument("--format", help=f"{', '.join(READERS)}; found out where it is left out")
    verb.add_argument("--val-labels", type=Path, help="labels to evaluate on")
    verb.add_argument("--val-images", type=Path, help="their images; left out: IMAGES")
    share = "of the images to evaluate on (0.2); 0: evaluated on those that are trained on"
    verb.add_argument("--val-share", type=float, help=share)
    kinds = ("file", "folder", "video")
    verb.add_argument("--by", choices=kinds, default="file", help="what a split keeps together")
    verb.add_argument("--seed", type=whole_number(SEEDS), default=1, help="of the split (1)")
    verb.add_argument("--category", help="what a person is called, where several have keypoints")
    verb.add_argument("--skeleton", help="one that is there, or a yaml file; else made")
    start = "weights to fine-tune: models:/SLOT@ALIAS, a recipe's, or a file's"
    verb.add_argument("--from", dest="start", metavar="W", help=start)
    verb.add_argument("--network", metavar="RECIPE", help="of a file that does not tell its own")


def add(asked: argparse.Namespace, targets: Targets, check: Check | None = None) -> None:
    from pipelines.recipe.reader import load_recipe
    from pipelines.registry.starts import start_of
    from pipelines.survey.adding import Wish, look, write
    from pipelines.survey.overview import overview_lines

    if asked.val_labels and asked.val_share is not None:
        do = "leave one of them out"
        raise refusal("--val-share", fault="given beside --val-labels", do=do)
    if asked.val_share is not None and not 0 <= asked.val_share < 1:
        raise refusal("--val-share", given=asked.val_share, accepted="0 up to, not including, 1")
    if asked.val_images and not asked.val_labels:
        raise refusal("--val-images", fault="given without --val-labels")
    val = (asked.val_labels, asked.val_images or asked.images) if asked.val_labels else None
    wish = Wish(
        asked.name, asked.labels, asked.images, asked.format, val, asked.val_share, asked.by,
        asked.seed, asked.category, asked.skeleton,
    )  # fmt: skip
    start = start_of(asked.start, asked.network) if asked.start else None
    found = look(wish, targets.params)
    print("\n".join(overview_lines(found.overview)))
    files = write(found, start, targets, check or load_recipe)
    recipe = files["recipe"].stem
    print(f"\nparams.yaml: datasets.{asked.name}: {found.entry}")
    for what, path in files.items():
        print(f"{what:<8}  {told_path(path)}")
    print(f"\nnext: look at {told_path(files['samples'])}, then\n  make repro RECIPE={recipe}")


def check_data_set(name: str, targets: Targets) -> None:
    from pipelines.survey.overview import TRAIN, VAL, overview_lines, overview_of
    from pipelines.survey.samples import write_samples

    labels, folders, skeleton = _read(name, targets)
    source = own_data(name, targets.params).source
    if source.val is not None and _places(source.val) == _places(source.train):
        del labels[VAL]  # those that are trained on, once
    where = {split: (source.val if split == VAL and source.val else source.train).labels
             for split in labels}  # fmt: skip
    overview = overview_of(labels, folders, skeleton, where)
    page = places.surveyed(name)
    shown = write_samples(page, overview.labels[TRAIN], folders[TRAIN], skeleton)
    print("\n".join(overview_lines(overview)))
    print(f"samples: {told_path(page)}" if shown else "samples: none can be read")


def sigmas(asked: argparse.Namespace, targets: Targets) -> None:
    """Told, and with --write put into the skeleton's file."""
    from pipelines.survey.overview import in_order
    from pipelines.survey.sigmas import (
        labelled_by_both,
        measured_lines,
        measured_sigmas,
        write_sigmas,
    )

    labels, _, skeleton = _read(asked.name, targets)
    ordered = [in_order(each, skeleton, asked.name) for each in labels.values()]
    source = own_data(asked.name, targets.params).source
    folder = places.home() / Path(source.train.images).expanduser()
    other = READERS[guess(asked.second)](asked.second, folder, source.category)
    second = in_order(other, skeleton, str(asked.second))
    pairs = [pair for each in ordered for pair in labelled_by_both(each, second)]
    if not pairs:
        fault = f"no person of {asked.name} is labelled there too"
        do = "it must hold the same images, with boxes or keypoints of the same people"
        raise refusal(asked.second, fault=fault, do=do)
    told = measured_sigmas(skeleton.keypoints, pairs)
    print("\n".join(measured_lines(told, skeleton, len(pairs))))
    if asked.write:
        told_file = Path(own_data(asked.name, targets.params).source.skeleton or "")
        own = told_file.suffix in (".yaml", ".yml")
        path = places.REPOSITORY / told_file if own else targets.skeletons / f"{skeleton.name}.yaml"
        write_sigmas(path, told, skeleton)
        print(f"written: {told_path(path)}")


def export(asked: argparse.Namespace, targets: Targets) -> None:
    from pipelines.survey.exporting import AS_SEEN, behind_lines, export_labels

    labels, folders, skeleton = _read(asked.name, targets)
    source = own_data(asked.name, targets.params).source
    stored = source.exif == "stored" and source.format not in AS_SEEN
    export_labels(labels, folders, skeleton, asked.format, asked.to, stored)
    print(f"{asked.name} as {asked.format}: {asked.to}")
    for line in behind_lines(labels, asked.format):
        print(line)


def example(folder: Path) -> None:
    from pipelines.survey.example import write_example

    write_example(folder)
    print(f"12 photos of pliers, labelled: {folder}")
    print(f"next:\n  {called()}datasets add pliers {folder} {folder / 'images'}")


def _places(part: Part) -> tuple[Path, Path]:
    labels, images = (places.home() / Path(p).expanduser() for p in (part.labels, part.images))
    return labels.resolve(), images.resolve()


def _read(name: str, targets: Targets) -> tuple[dict[str, Labels], dict[str, Path], Skeleton]:
    """Labels and folders of images by split, as the data set's entry says now."""
    found, home = own_data(name, targets.params), places.home()
    parts = found.read_labels(home, f"params.yaml: datasets.{name}")
    folders = {split: home / Path(part.images).expanduser() for split, (part, _) in parts.items()}
    return {split: labels for split, (_, labels) in parts.items()}, folders, found.SKELETON


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
