"""XML as a tree, from a file that anyone may have written.

No declarations of a document's type are taken, so no entity can grow or reach for a file; depth and
size are limited. The parser is Python's own.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from data.ground.refusal import refusal

DEEPEST = 50
LARGEST = 1 << 30  # bytes


def parse_xml(path: Path, content: bytes) -> Element:
    """The root. Raises ValueError that names `path`, and the line where the file breaks off."""
    if len(content) > LARGEST:
        raise refusal(path, fault=f"{len(content)} bytes of xml", accepted=f"up to {LARGEST}")
    builder, parser = TreeBuilder(), expat.ParserCreate()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise refusal(path, fault=f"elements nested more than {DEEPEST} deep")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def doctype(*_: object) -> None:
        raise refusal(path, fault="declares a document type", do="export the labels again")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.data, doctype
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, UnicodeError, LookupError) as error:
        do = "export the labels again"
        raise refusal(path, fault=f"cut off or no xml ({error})", do=do) from error
    return builder.close()
