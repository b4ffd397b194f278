"""Reasons of many rows in few words: one line for each kind, with a count and the first row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

LONGEST = 100  # letters of a row


def kinds(reasons: Iterable[tuple[str, str]]) -> list[str]:
    """`3 x no such image (first: image 7, a.jpg)`, the most frequent first.

    reasons: of each row why, and which it is. What stands before the first `: ` of a reason is its
    kind; what stands behind it is told of the first row, where that does not name it already.
    """
    count, first = Counter[str](), dict[str, str]()
    for reason, row in reasons:
        kind, _, rest = reason.partition(": ")
        count[kind] += 1
        told = f"{row}: {rest}" if rest and rest not in row else row
        first.setdefault(kind, told[:LONGEST])
    return [f"{number} x {kind} (first: {first[kind]})" for kind, number in count.most_common()]


def row_told(kind: str, row: str, image: str) -> str:
    """`person 7, a.jpg`; an image by its file's name too, where it has another id."""
    return f"{kind} {row}" if image in ("", row) else f"{kind} {row}, {image}"
