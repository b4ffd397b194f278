"""What data sets there are, a line each: from params.yaml, and from what prepare counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.ground.data_set import DataSet
from data.ground.json_text import read_object
from pipelines.host import places
from pipelines.recipe.datasets import PARAMS, data_set, data_set_names, own_entries
from pipelines.recipe.params import load_params


def listed(params: Path = PARAMS) -> list[str]:
    """Those of the menu and own ones: images and people, skeleton, format, where they are from."""
    entries = load_params(params).get("datasets", {})
    rows = [("name", "images, people", "skeleton", "format", "from")]
    rows += [_row(name, entries.get(name), params) for name in data_set_names(params)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(name: str, entry: Any, params: Path) -> tuple[str, str, str, str, str]:
    try:
        found = data_set(name, params)
    except ValueError as error:
        return name, "", "", "", f"cannot be used: {error}"
    own = name in own_entries(params)
    kind = str(entry.get("format")) if own else "official"
    return name, _counted(name), found.SKELETON.name, kind, _source(found, entry, own)


def _counted(name: str) -> str:
    path = places.prepared(name) / "summary.json"
    if not path.is_file():
        return "not prepared"
    try:
        splits = dict(read_object(path)["splits"])
    except (ValueError, TypeError, KeyError):
        return f"damaged: {path}"
    return ", ".join(
        f"{n} {_number(c, 'images')}, {_number(c, 'persons')}" for n, c in splits.items()
    )


def _number(counts: Any, key: str) -> str:
    return str(counts.get(key, "?")) if isinstance(counts, dict) else "?"


def _source(found: DataSet, entry: Any, own: bool) -> str:
    entry = entry if isinstance(entry, dict) else {}
    if own:
        return ", ".join(_places(entry))
    if found.members:
        return " and ".join(found.members)
    if found.LAYOUT is None:
        return "made here"
    return str(entry.get("source") or "no source yet (params.yaml)")


def _places(entry: dict[str, Any]) -> Iterator[str]:
    for split in ("train", "val"):
        if part := entry.get(split):
            yield str(part.get("labels"))
