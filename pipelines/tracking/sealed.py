"""Lines of json that show whether they are whole: a digest of each stands at its end.

    {"kind": "epoch", "time": 1.0, ..., "crc": 305419896}

Lines of an outbox without one are of before there was one: they have the parts of that time alone,
each of its type. What is left of a digest is none of them.
"""

from __future__ import annotations

import json
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from data.ground.refusal import masked

Record = dict[str, Any]
SEAL = re.compile(rb', "crc": (\d{1,10})\}\s*$')
NUMBER, WHOLE, TEXT = "a number", "a whole number", "text"
KINDS: dict[str, str | None] = {  # parts of records without a digest -> what they are
    "kind": TEXT, "time": NUMBER, "epoch": WHOLE, "step": WHOLE, "name": TEXT, "fingerprint": TEXT,
    "experiment": TEXT, "id": TEXT, "path": TEXT, "folder": TEXT, "place": TEXT, "sha256": TEXT,
    "status": TEXT, "run_id": None, "uri": None, "address": TEXT, "position": WHOLE,
}  # fmt: skip
MAPPINGS = {"params": TEXT, "tags": TEXT, "metrics": NUMBER}  # parts that are dicts of these


def sealed(record: Record) -> bytes:
    """A line of it, its digest last."""
    text = json.dumps(record)
    return f'{text[:-1]}, "crc": {zlib.crc32(text.encode())}}}\n'.encode()


def read_record(line: bytes) -> Record:
    """What `sealed` was given, or a record of before there were digests.

    Raises ValueError, in a few words, where the line is damaged.
    """
    seal = SEAL.search(line)
    return _record(line, seal) if seal else _of_its_types(_record(line, seal))


def read_sealed(line: bytes) -> Record:
    """What `sealed` was given. Raises ValueError, in a few words, where the line is damaged."""
    seal = SEAL.search(line)
    if seal is None:
        raise ValueError("damaged, it has no digest")
    return _record(line, seal)


def _record(line: bytes, seal: re.Match[bytes] | None) -> Record:
    body = line if seal is None else line[: seal.start()] + b"}"
    if seal and zlib.crc32(body) != int(seal[1]):
        raise ValueError("damaged, its digest is another")
    try:
        record = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError("damaged, no json") from error
    if not isinstance(record, dict):
        raise ValueError("damaged, no record")
    return record


def whole_records(outbox: bytes) -> Iterator[Record]:
    """Without lines that are damaged, or torn where whoever wrote them died."""
    for line in outbox.splitlines(keepends=True):
        with suppress(ValueError):
            if line.endswith(b"\n") and "kind" in (record := read_record(line)):
                yield record


def _of_its_types(record: Record) -> Record:
    for part, value in record.items():
        if part in MAPPINGS:
            if not _is_mapping(value, MAPPINGS[part]):
                raise ValueError(f"damaged, {part} are not each {MAPPINGS[part]}")
        elif part not in KINDS:
            raise ValueError("damaged, it has no digest")
        elif (kind := KINDS[part]) and not _is(value, kind):
            raise ValueError(f"damaged, {part} is not {kind}")
    return record


def _is_mapping(value: object, kind: str) -> bool:
    return isinstance(value, Mapping) and all(_is(each, kind) for each in value.values())


def _is(value: object, kind: str) -> bool:
    if kind == TEXT:
        return isinstance(value, str)
    return type(value) is int or (kind == NUMBER and type(value) is float)


def read_position(note: Path, outbox: Path) -> tuple[str, int]:
    """(address, how far): of the note beside an outbox; "" and 0, and a line, of a damaged one."""
    if not note.is_file():
        return "", 0
    try:
        kept = read_record(note.read_bytes())
        address, position = kept["address"], kept["position"]
        if not (
            isinstance(address, str) and type(position) is int and _ends_line(outbox, position)
        ):
            raise ValueError("it points nowhere")
    except (ValueError, KeyError) as error:
        told = f"{note}: damaged ({error}); {outbox.name} is sent from its beginning"
        print(f"tracking: {told}", file=sys.stderr, flush=True)
        return "", 0
    return masked(address), position


def _ends_line(path: Path, position: int) -> bool:
    """Whether a line of the file ends there."""
    if position <= 0 or not path.is_file():
        return position == 0
    with path.open("rb") as file:
        file.seek(position - 1)
        return file.read(1) == b"\n"
