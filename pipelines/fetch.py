"""Brings a raw data set, or the weights that a recipe starts from.

    python -m pipelines.fetch DATASET
    python -m pipelines.fetch --weights RECIPE [--pin]
    python -m pipelines.fetch --look DATASET    what its source holds now, at a glance

--pin writes the digest of the weights into the recipe (`pretrained.sha256`): once, for a source
that was just written there, and again when `models:/SLOT@champion` has become another version.

Out: data/store/raw/DATASET, whole or not at all, in its official layout, with manifest.json beside
it ({file: bytes}, the sha256 of every json and mat, a digest of the look at the source) and
detections.json (the sha256 of detectors' files); data/store/weights/RECIPE;
data/store/sources/DATASET.json.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from data.ground.refusal import refusal
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.host.folders import file_digest, whole_folder
from pipelines.intake import manifest
from pipelines.intake.download import bring
from pipelines.intake.look import look_digest, write_look
from pipelines.intake.sources import bring_raw, from_home
from pipelines.recipe.datasets import data_set
from pipelines.recipe.params import dataset_settings
from pipelines.recipe.pin import pin_digest
from pipelines.recipe.schema import Pretrained
from pipelines.recipe.typed import typed_recipe
from pipelines.tracking.registered_weights import REGISTERED, bring_weights

Bring = Callable[[str, Path], str]


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("fetch", __doc__)
    either = arguments.add_mutually_exclusive_group(required=True)
    either.add_argument("dataset", nargs="?", help="a data set of the menu and of params.yaml")
    either.add_argument("--weights", metavar="RECIPE", help="the weights that it starts from")
    either.add_argument("--look", metavar="DATASET", help="DVC fetches again what has changed")
    arguments.add_argument("--pin", action="store_true", help="with --weights: write their digest")
    return run_command(arguments, argv, act)


def act(options: Namespace) -> None:
    if options.pin and options.weights is None:
        raise refusal("--pin", accepted="with --weights RECIPE")
    if options.look is not None:
        write_look(options.look, dataset_settings(options.look))
    elif options.weights is None:
        fetch(options.dataset, dataset_settings(options.dataset))
    else:
        pretrained = typed_recipe(options.weights).pretrained
        if options.pin:
            pretrained = pin_weights(options.weights, pretrained)
        fetch_weights(options.weights, pretrained)


def fetch(dataset: str, settings: Mapping[str, Any]) -> None:
    with whole_folder(places.raw_of_home(dataset)) as folder:
        content = bring_raw(dataset, settings, folder)
        if seen := look_digest(dataset, settings):
            content |= {"source": seen}
        (folder / manifest.NAME).write_text(json.dumps(content, indent=1))
        boxes = manifest.detections_of(data_set(dataset), folder)
        (folder / manifest.DETECTIONS).write_text(json.dumps(boxes, indent=1))
    print(f"{dataset}: {places.raw(dataset)}")


def pin_weights(
    recipe_name: str,
    pretrained: Pretrained | None,
    path: Path | None = None,
    registered: Bring = bring_weights,
) -> Pretrained:
    """Brings what the source means now and writes its digest into the recipe, or into `path`."""
    from pipelines.recipe.reader import recipe_path

    if pretrained is None:
        accepted = "pretrained: {source: ...}"
        raise refusal(f"recipes/{recipe_name}.yaml: pretrained", fault="none", accepted=accepted)
    pinned = replace(pretrained, sha256="")
    kept = download_place(recipe_name, pretrained)
    kept.unlink(missing_ok=True)
    exact = bring_file(pinned, kept, registered)
    pinned = replace(pinned, sha256=file_digest(kept))
    pin_digest(path or recipe_path(recipe_name), pinned.sha256)
    print(f"recipes/{recipe_name}.yaml: pretrained.sha256: {pinned.sha256} ({exact})")
    return pinned


def fetch_weights(
    recipe_name: str, pretrained: Pretrained | None, registered: Bring = bring_weights
) -> None:
    """The recipe's pretrained file to its weights folder; without one, a note `none.json`."""
    if pretrained is not None and not pretrained.sha256:
        do = f"`python -m pipelines.fetch --weights {recipe_name} --pin` fills it in"
        raise refusal(f"recipes/{recipe_name}.yaml: pretrained.sha256", fault="missing", do=do)
    with whole_folder(places.weights(recipe_name)) as folder:
        if pretrained is None:
            (folder / "none.json").write_text('{"pretrained": null}\n')
            return
        kept = download_place(recipe_name, pretrained)
        try:
            bring_file(pretrained, kept, registered)
            kept.replace(folder / kept.name)
        except ValueError as error:
            raise ValueError(
                f"recipes/{recipe_name}.yaml: pretrained: {error}; to go without, set "
                f"`pretrained: null` in recipes/{recipe_name}.yaml (trains from scratch)"
            ) from error
    print(f"{recipe_name}: {places.weights(recipe_name) / kept.name}")


def download_place(recipe_name: str, pretrained: Pretrained) -> Path:
    """Where the file lies until it is whole."""
    registered = pretrained.source.startswith(REGISTERED)
    name = places.MODEL_WEIGHTS if registered else PurePosixPath(pretrained.source).name
    return places.weights(recipe_name).with_name(".downloads") / recipe_name / name


def bring_file(pretrained: Pretrained, target: Path, registered: Bring = bring_weights) -> str:
    """The file of its digest, from anywhere; where it came from, to the version.

    registered: brings what MLflow keeps, an address to a place -> the address that will not move.
    """
    source, digest = pretrained.source, pretrained.sha256
    if not source.startswith(REGISTERED):
        bring(from_home(source), target, digest or None)
        return source
    if target.is_file() and digest and file_digest(target).startswith(digest):
        return source
    exact = registered(source, target)
    if not (came := file_digest(target)).startswith(digest):
        target.unlink()
        raise refusal(
            source,
            fault=f"is {exact} now, whose sha256 is {came}, not {digest}",
            do="`--pin` takes what it means today; models:/NAME/VERSION never moves",
        )
    return exact


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
