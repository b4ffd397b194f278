"""Plain data and bytes, broken by a seed."""

from __future__ import annotations

import copy
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

Place = tuple[Any, ...]  # keys and numbers that lead to a value
HUGE = (1e30, -1e30, 1e308, float("nan"), float("inf"), float("-inf"), 2**63, -(2**70), 10**400)
ODD = ("", "\0", "é" * 300, "../../etc/passwd", "/etc/passwd", "${HOME}", "a\nb", "💥", "-" * 5000,
       "null", "1e400", "0x10", "{dataset}", "%s%n", "<x>", "nan")  # fmt: skip
NO_NUMBER = ("a word", {"a": 1}, True, "5e-4")
NO_TEXT = (12, ["x", 1], {"x": 1}, 1.5, True)
NO_LIST = ("a word", {"a": 1}, True)
NO_MAPPING = (7, [1], True)


def broken_tree(draw: random.Random, tree: Any) -> tuple[Any, Place, bool]:
    """(a copy with one value changed, where, whether no strict reader may take it)."""
    tree = copy.deepcopy(tree)
    place, value = draw.choice(list(_values(tree)))
    change = draw.choice((_nonsense, _nonsense, _nonsense, _other_type, _other_type, _more, _less))
    new, never = change(draw, value)
    return _put(tree, place, new), place, never


def _values(tree: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    if place:
        yield place, tree
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _values(value, (*place, key))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _values(value, (*place, number))


def _put(tree: Any, place: Place, value: Any) -> Any:
    inner = tree
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return tree


def _nonsense(draw: random.Random, value: Any) -> tuple[Any, bool]:
    """A number that is none of its kind; odd text; a value that is deep or has no end."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return draw.choice(HUGE), True
    if isinstance(value, str):
        return draw.choice(ODD), False
    deep: Any = value
    for _ in range(draw.choice((3, 90))):
        deep = [deep]
    return deep, True


def _other_type(draw: random.Random, value: Any) -> tuple[Any, bool]:
    if isinstance(value, bool):
        return draw.choice(("maybe", 3, [True])), True
    if isinstance(value, int | float):
        return draw.choice(NO_NUMBER), True
    if isinstance(value, str):
        return draw.choice(NO_TEXT), True
    return draw.choice(NO_LIST if isinstance(value, list) else NO_MAPPING), value is not None


def _more(draw: random.Random, value: Any) -> tuple[Any, bool]:
    if isinstance(value, dict):
        return value | {draw.choice(("extra", "epoch", 7, None)): 1}, False
    if isinstance(value, list):
        return value * draw.choice((2, 1000)), False
    return [value, value], False


def _less(draw: random.Random, value: Any) -> tuple[Any, bool]:
    if isinstance(value, dict) and value:
        gone = draw.choice(list(value))
        return {key: each for key, each in value.items() if key != gone}, False
    if isinstance(value, list):
        return value[:-1], False
    return draw.choice((None, -1, 0, -0.5, 1e-300, "")), False


def broken_bytes(draw: random.Random, content: bytes) -> bytes:
    """One to some changes: bits, numbers of a head, a cut, a repeat, something in between."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 5, 30))):
        if not changed:
            break
        draw.choice(CHANGES)(draw, changed)
    return bytes(changed)


def _flip(draw: random.Random, content: bytearray) -> None:
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def _head(draw: random.Random, content: bytearray) -> None:
    """Most of what a reader believes stands in the first bytes."""
    place = draw.randrange(min(len(content), 600))
    content[place] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))


def _number(draw: random.Random, content: bytearray) -> None:
    place = draw.randrange(len(content))
    number = draw.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**16 - 1, 2**28))
    new = struct.pack(draw.choice("<>") + "I", number)
    content[place : place + 4] = new[: len(content) - place]


def _cut(draw: random.Random, content: bytearray) -> None:
    begin = draw.randrange(len(content))
    del content[begin : draw.choice((len(content), begin + draw.randrange(1, 64)))]


def _repeat(draw: random.Random, content: bytearray) -> None:
    begin = draw.randrange(len(content))
    piece = content[begin : begin + draw.randrange(1, 2000)]
    content[begin:begin] = piece * draw.choice((1, 2, 20))


def _between(draw: random.Random, content: bytearray) -> None:
    place = draw.randrange(len(content))
    content[place:place] = draw.randbytes(draw.randrange(1, 40))


CHANGES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip, _flip, _head, _head, _number, _cut, _repeat, _between,
)  # fmt: skip


def promising(draw: random.Random, content: bytes) -> bytes:
    """An image whose header tells other sides than its pixels have."""
    sides = [draw.choice((0, 1, 255, 30_000, 32_767, 65_535, 2**31 - 1)) for _ in range(2)]
    changed = bytearray(content)
    if content.startswith(b"\xff\xd8"):
        place = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
        changed[place + 5 : place + 9] = struct.pack(">HH", *(side & 0xFFFF for side in sides))
    elif content.startswith(b"\x89PNG"):
        changed[16:24] = struct.pack(">II", *sides)
        changed[29:33] = struct.pack(">I", zlib.crc32(changed[12:29]))
    elif content.startswith(b"BM"):
        changed[18:26] = struct.pack("<ii", *sides)
    else:
        return broken_bytes(draw, content)
    return bytes(changed)
