"""Files harmed as disks, killed processes and people harm them, drawn by a seed."""

from __future__ import annotations

import json
import random
from pathlib import Path

JSONS = (b"null", b"[]", b"{}", b"7", b'"text"', b"[" * 50_000, b'{"kind": 5}', b"NaN")


def harm(path: Path, draw: random.Random) -> str:
    """Harms the file in one of many ways; which, in a word."""
    content = bytearray(path.read_bytes())
    ways = ("bits", "cut", "empty", "zeros", "noise", "doubled", "other json", "wrong type")
    way = draw.choice(ways)
    if way == "bits" and content:
        for _ in range(draw.choice((1, 1, 1, 2, 8))):
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    elif way == "cut":
        del content[draw.randrange(len(content) + 1) :]
    elif way == "zeros":
        start = draw.randrange(len(content) + 1)
        content[start : start + 64] = bytes(len(content[start : start + 64]))
    elif way == "noise":
        content[:] = draw.randbytes(draw.choice((1, 7, 64, 4096)))
    elif way == "doubled":
        start = draw.randrange(len(content) + 1)
        content[start:start] = content[start : start + draw.randrange(1, 64)]
    elif way == "other json":
        content[:] = draw.choice(JSONS)
    elif way == "wrong type":
        content[:] = _mistyped(bytes(content), draw)
    else:
        content.clear()
    path.write_bytes(content)
    return way


def _mistyped(content: bytes, draw: random.Random) -> bytes:
    """A value of one line's json is of another type; whoever did it knows of no digests."""
    lines = content.splitlines() if b"\n{" in content else [content]
    number = draw.randrange(len(lines)) if lines else 0
    try:
        told = json.loads(lines[number])
        told[draw.choice(sorted(told))] = draw.choice([None, True, -1, 1e300, "x", [], {}])
        lines[number] = json.dumps(told).encode()
    except (ValueError, TypeError, IndexError):
        return b"\xff" + content
    return b"\n".join(lines) + b"\n"
