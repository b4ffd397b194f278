"""A data set added: entry in params.yaml, skeleton, recipe, a page of samples; nothing replaced."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.datasets.formats.guessing import guess
from data.datasets.formats.labels import Labels
from data.datasets.formats.menu import READERS
from data.datasets.own import OwnData
from data.datasets.sources.own_rows import coco_content, plain_name
from data.datasets.sources.splitting import Cut, divided, told_splits
from data.files.whole_file import write_text_whole
from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton
from data.menus import DATASETS
from pipelines.host import places
from pipelines.host.places import told_path
from pipelines.recipe.datasets import PARAMS, own_entries, skeleton_named
from pipelines.recipe.params import add_data_set, remove_data_set
from pipelines.recipe.strict import hint
from pipelines.survey.flow import WORDS
from pipelines.survey.overview import TRAIN, VAL, Overview, overview_of
from pipelines.survey.samples import write_samples
from pipelines.survey.skeleton_guess import Guess, guess_skeleton, skeleton_text
from pipelines.survey.spellings import known_skeletons
from pipelines.survey.template import Start, recipe_name, recipe_text

Check = Callable[[str], object]  # a recipe's name; ValueError where it does not load

SHARE = 0.2  # of images that are evaluated on, where nothing else is said


@dataclass(frozen=True)
class Wish:
    """What a user asks for; None: found out. val: the labels and images that are evaluated on;
    cut: or how they are taken from the labels; share 0: evaluated on what is trained on."""

    name: str
    labels: Path
    images: Path
    format: str | None = None
    val: tuple[Path, Path] | None = None
    share: float | None = None
    by: str = "file"
    seed: int = 1
    category: str | None = None
    skeleton: str | None = None


@dataclass(frozen=True)
class Targets:
    """Where the files are written."""

    params: Path = PARAMS
    skeletons: Path = places.REPOSITORY / "data" / "skeletons"
    recipes: Path = places.REPOSITORY / "recipes"


@dataclass(frozen=True)
class Found:
    """What `look` found: the entry as params.yaml will have it; guess: None, where a skeleton is
    taken that is there already."""

    name: str
    entry: dict[str, Any]
    overview: Overview
    guess: Guess | None
    folder: Path


def check_name(name: str, params: Path = PARAMS) -> None:
    """ValueError for a name that is taken, or is none: small letters, digits, `_`."""
    where = "NAME of the data set"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise refusal(where, given=name, accepted="letters, digits and _, a letter first")
    if name.casefold() in WORDS:
        fault = "yaml reads it as another value"
        raise refusal(where, given=name, fault=fault, do="take another name")
    if name in DATASETS:
        raise refusal(where, given=name, fault="is one of the menu", do="take another name")
    if name in own_entries(params):
        do = f"take another name, or remove datasets.{name} from params.yaml"
        raise refusal(where, given=name, fault="is there already", do=do)


def look(wish: Wish, params: Path = PARAMS) -> Found:
    """Reads labels and images; writes nothing. Raises ValueError that names the user's file."""
    check_name(wish.name, params)
    for folder in (wish.images, *(wish.val[1:] if wish.val else ())):
        if not folder.is_dir():
            raise refusal(folder, fault="no such folder of images")
    kind = _format(wish)
    labels, split = _splits(wish, kind)
    where = {TRAIN: str(wish.labels), VAL: str(wish.val[0] if wish.val else wish.labels)}
    skeleton, made = _skeleton(wish, labels[TRAIN])
    for name, each in labels.items():  # as fetch does: what it would refuse is refused now
        coco_content(each, skeleton, where[name] if wish.val else f"{where[name]}: {name}")
    folders = {TRAIN: wish.images, VAL: wish.val[1] if wish.val else wish.images}
    overview = overview_of(labels, folders, skeleton, where)
    entry: dict[str, Any] = {"format": kind, "train": _part(wish.labels, wish.images), **split}
    entry |= {"category": wish.category} if wish.category is not None else {}
    entry |= {"skeleton": _told_skeleton(wish.skeleton or skeleton.name)}
    entry |= {"exif": "apply"} if overview.turned else {}
    return Found(wish.name, entry, overview, made, wish.images)


def _format(wish: Wish) -> str:
    found = wish.format or guess(wish.labels)
    if found not in READERS:
        accepted = f"{', '.join(READERS)}{hint(found, READERS)}"
        raise refusal("--format", given=found, accepted=accepted)
    return found


def _splits(wish: Wish, kind: str) -> tuple[dict[str, Labels], dict[str, Any]]:
    """Labels by split, and what the entry says of it."""
    labels = READERS[kind](wish.labels, wish.images, wish.category)
    if wish.val is not None:
        val = READERS[kind](*wish.val, wish.category)
        return {TRAIN: labels, VAL: val}, {VAL: _part(*wish.val)}
    if wish.share == 0:
        return {TRAIN: labels}, {VAL: _part(wish.labels, wish.images)}
    if wish.share is None and {TRAIN, VAL} <= {image.split for image in labels.images}:
        return told_splits(labels, (TRAIN, VAL), str(wish.labels)), {}
    cut = {VAL: SHARE if wish.share is None else wish.share, "by": wish.by, "seed": wish.seed}
    return divided(labels, Cut(**cut), str(wish.labels)), {"split": cut}  # type: ignore[arg-type]


def _skeleton(wish: Wish, labels: Labels) -> tuple[Skeleton, Guess | None]:
    """The one that is asked for; else one of the menu's with just these keypoints; else a guess."""
    if wish.skeleton is not None:
        return skeleton_named(_told_skeleton(wish.skeleton), "--skeleton"), None
    names = {plain_name(name) for name in labels.keypoints}
    for known in known_skeletons():
        if names == {plain_name(name) for name in known.keypoints}:
            return known, None
    made = guess_skeleton(wish.name, labels)
    return made.skeleton, made


def _told_skeleton(given: str) -> str:
    """A name; or a file, looked for from the current folder as labels are, as params.yaml has it:
    from the repository's folder where it lies below that."""
    if not given.endswith((".yaml", ".yml")):
        return given
    path = Path(given).expanduser().resolve()
    below = path.is_relative_to(places.REPOSITORY)
    return (path.relative_to(places.REPOSITORY) if below else path).as_posix()


def _part(labels: Path, images: Path) -> dict[str, str]:
    """Paths as params.yaml has them: from the home folder where they lie below it."""
    return {"labels": told_path(labels), "images": told_path(images)}


def write(found: Found, start: Start | None, targets: Targets, check: Check) -> dict[str, Path]:
    """Writes all files; what each is -> its path. Raises ValueError, with nothing left of them,
    where one is there already or `check` refuses the recipe."""
    name, overview = found.name, found.overview
    recipe = targets.recipes / f"{recipe_name(name, start)}.yaml"
    files = {"recipe": recipe}
    texts = {
        "recipe": recipe_text(
            name, overview.skeleton, overview.counts[TRAIN], OwnData.EVALUATORS[0], start
        )
    }
    if found.guess is not None:
        files["skeleton"] = targets.skeletons / f"{name}.yaml"
        texts["skeleton"] = skeleton_text(found.guess)
    for path in files.values():
        if path.exists():
            raise refusal(path, fault="is there already", do="remove it, or take another NAME")
    added = False
    try:
        for what, path in files.items():
            write_text_whole(path, texts[what])
        add_data_set(name, found.entry, targets.params)
        added = True
        check(recipe.stem)
    except BaseException:
        for path in files.values():
            path.unlink(missing_ok=True)
        if added:
            remove_data_set(name, targets.params)
        raise
    files["samples"] = places.surveyed(name)
    write_samples(files["samples"], overview.labels[TRAIN], found.folder, overview.skeleton)
    return files
