"""Which of a COCO json's categories are the people: names of their keypoints, limbs.

In: the lists `categories` and `annotations`, a name that the user asks for. Out: a `Category`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.datasets.formats import wholebody
from data.datasets.formats.values import name_of, names_of_keypoints, number, numbered, shown
from data.ground.refusal import refusal

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Category:
    """ids: of the category itself; others: of those left aside; extra: with COCO-WholeBody's."""

    name: str
    ids: frozenset[str | None]
    others: frozenset[str | None]
    keypoints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...] = ()
    mirrored: tuple[tuple[str, str], ...] = ()
    extra: bool = False


def choose(path: Path, categories: Rows, people: Rows, asked: str | None) -> Category:
    """The category asked for, else the one that has keypoints. Raises ValueError with all there
    are, and how many people each has, where that is none or several."""
    _refuse_objects(path, categories, asked)
    rows = Counter(name_of(row.get("category_id")) for row in people)
    having = [row for row in categories if _declares(row)] or _numbered(categories, people)
    used = [row for row in having if rows[name_of(row.get("id"))]] or having
    extra = asked == wholebody.NAME and not any(row.get("name") == asked for row in having)
    if asked is not None and not extra:
        used = [row for row in having if asked in (row.get("name"), name_of(row.get("id")))]
    sets = {(str(row.get("name")), tuple(map(str, row["keypoints"]))) for row in used}
    if len(sets) != 1:
        raise _refusal(path, categories, having, rows, asked)
    if extra and not any(wholebody.FIRST in row for row in people):
        fault = f"no row has {wholebody.FIRST}: these are not COCO-WholeBody's labels"
        raise refusal(path, fault=fault, do="leave `category` out")
    keypoints = names_of_keypoints(f"{path}: categories", used[0]["keypoints"])
    ids = frozenset(name_of(row.get("id")) for row in used)
    return Category(
        str(used[0].get("name")),
        ids,
        frozenset(name_of(row.get("id")) for row in categories) - ids,
        (*keypoints, *wholebody.KEYPOINTS) if extra else keypoints,
        _limbs(used[0].get("skeleton"), keypoints),
        wholebody.MIRRORED if extra else (),
        extra,
    )


def _refuse_objects(path: Path, categories: Rows, asked: str | None) -> None:
    """An object of names has no order that could be relied on."""
    for row in categories:
        name = row.get("name")
        if isinstance(row.get("keypoints"), dict) and asked in (None, name, name_of(row.get("id"))):
            fault = f"the keypoints of {name!r} are an object"
            raise refusal(f"{path}: categories", fault=fault, accepted="a list of their names")


def _declares(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("keypoints"), list) and bool(row["keypoints"])


def _numbered(categories: Rows, people: Rows) -> list[Mapping[str, Any]]:
    """Where no category names keypoints: those whose people have some, with numbered names."""
    lengths: dict[str | None, Counter[int]] = defaultdict(Counter)
    for row in people:
        if _declares(row) and len(row["keypoints"]) % 3 == 0:
            lengths[name_of(row.get("category_id"))][len(row["keypoints"]) // 3] += 1
    return [
        {**row, "keypoints": numbered(found.most_common(1)[0][0])}
        for row in categories
        if (found := lengths.get(name_of(row.get("id"))))
    ]


def _refusal(
    path: Path, categories: Rows, having: Rows, rows: Counter[str | None], asked: str | None
) -> ValueError:
    """What is wrong, with every category, its keypoints and its people."""
    counts = {name_of(row.get("id")): len(row["keypoints"]) for row in having}
    ids = [name_of(row.get("id")) for row in categories]
    told = [
        f"{row.get('name')} (id {key}: {counts.get(key, 0)} keypoints, {rows[key]} rows)"
        for key, row in zip(ids, categories, strict=True)
    ]
    where = f"{path}: categories"
    if asked is not None:
        return refusal(where, fault=f"no {asked!r} with keypoints among {shown(told)}")
    if not having:
        do = "export the labels as keypoints (CVAT: COCO Keypoints 1.0), not as boxes alone"
        return refusal(where, fault=f"none has keypoints: {shown(told) or 'there are none'}", do=do)
    fault = f"several have keypoints: {shown(told)}"
    return refusal(
        where, fault=fault, do="name one: --category of `datasets add`, `category` in params.yaml"
    )


def _limbs(pairs: object, keypoints: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs count from 1, or from 0 where a 0 stands; what is no pair of keypoints is left out."""
    listed = pairs if isinstance(pairs, list) else []
    read = [[number(end) for end in pair] for pair in listed if isinstance(pair, list | tuple)]
    first = 0 if any(0 in pair for pair in read) else 1
    return tuple(
        (keypoints[int(one) - first], keypoints[int(other) - first])
        for one, other in (pair for pair in read if len(pair) == 2)
        if one is not None and other is not None and one != other
        if all(0 <= end - first < len(keypoints) for end in (one, other))
    )
