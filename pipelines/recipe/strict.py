"""Plain data in, frozen dataclasses out, strictly: what does not fit is told with its place."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Collection, Iterable
from typing import Annotated, Any, Literal

from data.ground.plug import Plug
from data.ground.refusal import refusal, shown
from data.ground.spans import Span

LONGEST_NAME = 100  # characters of what is looked for among names
LATER = {"later": True}  # metadata of a field that recipes had been trained without


def as_plain_data(value: Any, without: Collection[str] = ()) -> Any:
    """A dataclass as plain data, without some keys and without LATER ones that are not set.

    So a digest over it outlives the birth of such keys.
    """
    if dataclasses.is_dataclass(value):
        kept = [f for f in dataclasses.fields(value) if f.name not in without]
        content = {f.name: as_plain_data(getattr(value, f.name)) for f in kept}
        unset = [f.name for f in kept if f.metadata.get("later") and _is_default(f, value)]
        return {name: each for name, each in content.items() if name not in unset}
    if isinstance(value, dict):
        return {key: as_plain_data(each) for key, each in value.items()}
    return [as_plain_data(each) for each in value] if isinstance(value, list) else value


def _is_default(field: Any, value: Any) -> bool:
    made = field.default_factory
    default = field.default if made is dataclasses.MISSING else made()
    return bool(getattr(value, field.name) == default)


def nearest(given: object, accepted: list[str]) -> str:
    return hint(given, accepted) or f"; accepted: {', '.join(accepted)}"


def hint(given: object, accepted: Iterable[str], ending: str = "") -> str:
    """The accepted name most like the one given, for a message; "" where none is like it."""
    text = given if isinstance(given, str) else shown(given)
    close = difflib.get_close_matches(text[:LONGEST_NAME], list(accepted), n=1)
    return f"; did you mean {close[0] + ending!r}?" if close else ""


def read(kind: Any, value: Any, where: str, path: str = "") -> Any:
    """`value` as `kind` (dataclass, Literal, list, dict, union, scalar), or ValueError.

    A name alone is a Plug without options. `Annotated[kind, Span]`: the value lies in it.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin is Annotated:
        return _read_in_spans(arguments, value, where, path)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, where, path)
    if origin in (types.UnionType, typing.Union):
        return _read_union(arguments, value, where, path)
    if origin is Literal:
        if value not in arguments or isinstance(value, bool):
            raise _wrong(where, path, value, f"one of {', '.join(map(str, arguments))}")
        return value
    if origin is list:
        if not isinstance(value, list):
            raise _wrong(where, path, value, "a list")
        return [read(arguments[0], v, where, f"{path}[{i}]") for i, v in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(k, str) for k in value):
            raise _wrong(where, path, value, 'a mapping with text as keys ("-1", not -1)')
        return {k: read(arguments[1], v, where, f"{path}.{k}") for k, v in value.items()}
    return _read_scalar(kind, value, where, path)


def _read_in_spans(kinds: tuple[Any, ...], value: Any, where: str, path: str) -> Any:
    """kinds: the type of a number, then what `Annotated` says of it."""
    number = read(kinds[0], value, where, path)
    for span in kinds[1:]:
        if isinstance(span, Span) and number not in span:
            raise _wrong(where, path, value, str(span))
    return number


def _read_union(kinds: tuple[Any, ...], value: Any, where: str, path: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    kinds = tuple(k for k in kinds if k is not type(None))
    if len(kinds) > 1 and dataclasses.is_dataclass(kinds[0]):
        return read(_by_view(kinds, value, where, path), value, where, path)
    if len(kinds) > 1:
        kinds = tuple(k for k in kinds if (typing.get_origin(k) is list) == isinstance(value, list))
    return read(kinds[0], value, where, path)


def _by_view(kinds: tuple[Any, ...], value: Any, where: str, path: str) -> Any:
    """Of several dataclasses the one whose `view` is the value's, the first where it has none."""
    hints = {kind: typing.get_type_hints(kind).get("view") for kind in kinds}
    views = {typing.get_args(hint)[0]: kind for kind, hint in hints.items() if hint}
    given = value.get("view") if isinstance(value, dict) else None
    if given is not None and not (isinstance(given, str) and given in views):
        raise _wrong(where, f"{path}.view", given, f"none, or one of {', '.join(views)}")
    return kinds[0] if given is None else views[given]


def _read_scalar(kind: type, value: Any, where: str, path: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = _as_float(value, where, path)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        hint = f"a {kind.__name__}"
        if kind is float and isinstance(value, str):
            hint += " (yaml reads 5e-4 as text: write 5.0e-4)"
        raise _wrong(where, path, value, hint)
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(where, path, value, "a finite number")
    return value


def _as_float(value: int, where: str, path: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise _wrong(where, path, value, "a finite number") from None


def _read_dataclass(kind: Any, value: Any, where: str, path: str) -> Any:
    if kind is Plug and isinstance(value, str):
        return Plug(value)
    if not isinstance(value, dict):
        raise _wrong(where, path, value, f"a mapping ({kind.__name__.lower()})")
    hints = typing.get_type_hints(kind, include_extras=True)
    dot = f"{path}." if path else ""
    for key in value:
        if key not in hints:
            name = key if isinstance(key, str) else shown(key)
            near = nearest(key, list(hints))
            raise ValueError(f"{where}: {dot}{name[:LONGEST_NAME]}: unknown key{near}")
    missing = [
        f.name
        for f in dataclasses.fields(kind)
        if f.name not in value
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise refusal(f"{where}: {dot}{missing[0]}", fault="missing", do="it has no default")
    made = {key: read(hints[key], v, where, f"{dot}{key}") for key, v in value.items()}
    try:
        return kind(**made)
    except ValueError as error:  # what its values cannot be together
        raise ValueError(f"{where}: {error}") from error


def _wrong(where: str, path: str, value: object, accepted: str) -> ValueError:
    return refusal(f"{where}: {path or 'the file'}", given=value, accepted=accepted)
