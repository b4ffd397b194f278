"""A json whose lists of rows stay text until a row is asked for: COCO's 240 MB would be 2 GB else.

In: a file. Out: what json.loads makes of it, but for the lists of an object: `JsonRows`, whose rows
are decoded each time that they are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import msgspec

from data.ground.json_text import read_json

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REFUSED = (msgspec.MsgspecError, ValueError, RecursionError)
_read = msgspec.json.Decoder().decode


class JsonRows(Sequence[Any]):
    """Rows of a list, each a text that is known to be json; objects: all are objects."""

    def __init__(self, texts: Sequence[msgspec.Raw]) -> None:
        """Raises ValueError, or another of `_REFUSED`, where a row is no json."""
        self._texts = texts
        self.objects = True
        for row in self:
            self.objects = self.objects and isinstance(row, dict)

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, row: int) -> Any: ...
    @overload
    def __getitem__(self, row: slice) -> list[Any]: ...
    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return [_read(text) for text in self._texts[row]]
        return _read(self._texts[row])

    def __iter__(self) -> Iterator[Any]:
        return map(_read, self._texts)


def read_json_rows(path: Path, missing: str = "") -> Any:
    """As `read_json`, with the same errors; the lists of an object are `JsonRows`.

    What json.loads alone takes (NaN, half of a pair of surrogates, UTF-16) is plain lists.
    """
    try:
        return _texts_of(path.read_bytes())
    except (OSError, *_REFUSED):
        return read_json(path, missing)


def _texts_of(content: bytes) -> dict[str, Any]:
    """Raises one of `_REFUSED` for whatever is no object in UTF-8."""
    start = len(BYTE_ORDER_MARK) if content.startswith(BYTE_ORDER_MARK) else 0
    parts = msgspec.json.decode(memoryview(content)[start:], type=dict[str, msgspec.Raw])
    return {key: _part(text) for key, text in parts.items()}


def _part(text: msgspec.Raw) -> Any:
    if memoryview(text)[:1] == b"[":
        return JsonRows(msgspec.json.decode(text, type=list[msgspec.Raw]))
    return _read(text)
