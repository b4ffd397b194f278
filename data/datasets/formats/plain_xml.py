"""XML from a file that anyone may have written, one child of its root after another.

No declarations of a document's type are taken, so no entity can grow or reach for a file; depth,
the number of elements and what is held at once are limited. The parser is Python's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from data.ground.refusal import refusal

DEEPEST = 50
MOST = 4_000_000  # elements: 100,000 images of a person with 17 points each are 2,000,000
HELD = 16 << 20  # bytes of one child of the root; `<a/>` without end grows to 26 times as many
CHUNK = 1 << 16
AGAIN = "export the labels again"


@dataclass(frozen=True)
class Limits:
    """most: elements of a file; held: bytes of one child of its root."""

    most: int = MOST
    held: int = HELD


def children(
    path: Path, file: IO[bytes], root: str, whose: str = "", limits: Limits = Limits()
) -> Iterator[Element]:
    """The children of the root, each whole, none of them kept. root: what it is to be called, by
    `whose` words. Raises ValueError that names `path`, and the line where the file breaks off."""
    reader, fed, more = _Reader(path, root, whose, limits.most), 0, True
    while more:
        content = file.read(CHUNK)
        more = bool(content)
        try:
            reader.parser.Parse(content, not more)
        except (expat.ExpatError, UnicodeError, LookupError) as error:
            raise refusal(path, fault=f"cut off or no xml ({error})", do=AGAIN) from error
        fed += len(content)
        if fed - reader.taken > limits.held:
            fault = f"more than {limits.held:,} bytes of xml in one element"
            raise refusal(path, fault=fault, do=AGAIN)
        yield from reader.ready
        reader.ready.clear()


class _Reader:
    """ready: children of the root that are whole; taken: bytes up to the end of the last one."""

    def __init__(self, path: Path, root: str, whose: str, most: int) -> None:
        self.path, self.root, self.whose, self.most = path, root, whose, most
        self.ready, self.taken = list[Element](), 0
        self._depth = self._count = 0
        self._builder = TreeBuilder()
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth, self._count = self._depth + 1, self._count + 1
        if self._depth > DEEPEST:
            raise refusal(self.path, fault=f"elements nested more than {DEEPEST} deep")
        if self._count > self.most:
            do = "export fewer images at once"
            raise refusal(self.path, fault=f"more than {self.most:,} elements", do=do)
        if self._depth > 1:
            self._builder.start(tag, attributes)
        elif tag != self.root:
            accepted = f"<{self.root}>{self.whose}"
            raise refusal(self.path, fault=f"its root is <{tag[:50]}>", accepted=accepted)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if self._depth:
            self._builder.end(tag)
        if self._depth == 1:
            self.ready.append(self._builder.close())
            self._builder, self.taken = TreeBuilder(), self.parser.CurrentByteIndex

    def _text(self, text: str) -> None:
        if self._depth > 1:
            self._builder.data(text)

    def _doctype(self, *_: object) -> None:
        raise refusal(self.path, fault="declares a document type", do=AGAIN)
