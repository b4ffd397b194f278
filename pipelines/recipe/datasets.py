"""Data sets by name: those of the menu, and own ones, which are entries of params.yaml.

An entry with a `format` is an own data set: `data/datasets/own.py` says what may stand there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from data.datasets.formats.menu import READERS
from data.datasets.own import OwnData, Source
from data.ground.data_set import DataSet
from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton, load_skeleton, skeleton_names, skeleton_of_file
from data.ground.yaml_text import read_yaml
from pipelines.host.places import REPOSITORY
from pipelines.recipe.strict import hint, read

PARAMS = REPOSITORY / "params.yaml"
FORMAT = "format"  # the key that tells an own data set


def data_set(name: str, params: Path | None = None) -> DataSet:
    """The data set of that name. Raises ValueError for an unknown one, or a wrong entry."""
    if name in (menu := _menu()):
        return menu[name]
    entry = own_entries(params).get(name)
    if entry is None:
        names = data_set_names(params)
        accepted = f"{', '.join(names)}{hint(name, names)}"
        do = "`python -m pipelines.datasets add` makes an own one"
        raise refusal("data set", given=name, accepted=accepted, do=do)
    where = f"params.yaml: datasets.{name}"
    source = read_source(entry, where)
    return _own(name, source, skeleton_named(source.skeleton or name, f"{where}.skeleton"))


def _menu() -> Mapping[str, DataSet]:
    """Loaded when it is asked for; data/menus.py has codecs too, and with them torch."""
    from data.datasets.menu import DATASETS

    return DATASETS


def own_data(name: str, params: Path | None = None) -> OwnData:
    """The own data set of that name. Raises ValueError for one of the menu too."""
    found = data_set(name, params)
    if not isinstance(found, OwnData):
        own = ", ".join(own_entries(params)) or "none yet: `python -m pipelines.datasets add`"
        raise refusal("data set", given=name, accepted=f"an own one ({own})")
    return found


def data_set_names(params: Path | None = None) -> list[str]:
    """Of the menu, then own ones."""
    return [*_menu(), *own_entries(params)]


def own_entries(params: Path | None = None) -> dict[str, dict[str, Any]]:
    """Entries of params.yaml that are own data sets, as they stand there, by name."""
    path = params or PARAMS
    content = _entries(path, _stamp(path))
    return {name: entry for name, entry in content.items() if name not in _menu()}


def read_source(entry: object, where: str) -> Source:
    """An own data set's entry, strictly. Raises ValueError that names the key."""
    source: Source = read(Source, entry, where)
    if source.format not in READERS:
        near = hint(source.format, READERS)
        accepted = f"{', '.join(READERS)}{near}"
        raise refusal(f"{where}.{FORMAT}", given=source.format, accepted=accepted)
    source.check(where)
    return source


def skeleton_named(given: str, where: str) -> Skeleton:
    """By its name in data/skeletons, or by its file's path (from the repository's folder)."""
    if given in skeleton_names():
        return load_skeleton(given)
    path = REPOSITORY / Path(given).expanduser()
    if path.suffix in (".yaml", ".yml"):
        return skeleton_of_file(path)
    names = ", ".join(skeleton_names())
    do = "`python -m pipelines.datasets add` makes one from the labels"
    raise refusal(where, given=given, accepted=f"{names}, or the path of a yaml file", do=do)


@cache
def _own(name: str, source: Source, skeleton: Skeleton) -> OwnData:
    return OwnData(name, source, skeleton, READERS[source.format])


@cache
def _entries(path: Path, stamp: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Read again where the file is another one than before (`stamp`)."""
    content = read_yaml(path) if stamp[1] else None
    entries = content.get("datasets") if isinstance(content, dict) else None
    entries = entries if isinstance(entries, dict) else {}
    return {str(n): e for n, e in entries.items() if isinstance(e, dict) and FORMAT in e}


def _stamp(path: Path) -> tuple[int, int]:
    """When a file was written, and its size; (0, 0) where it is not there."""
    if not path.is_file():
        return 0, 0
    found = path.stat()
    return found.st_mtime_ns, found.st_size
