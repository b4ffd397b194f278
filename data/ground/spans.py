"""Ranges of numbers that anyone writes, beside their types: `Annotated[float, Span(0, 1)]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias


@dataclass(frozen=True)
class Span:
    """From `least` to `most`, both among them; open: `least` is not."""

    least: float
    most: float
    open: bool = False

    def __contains__(self, value: float) -> bool:
        return (self.least < value if self.open else self.least <= value) and value <= self.most

    def __str__(self) -> str:
        least, most = _told(self.least), _told(self.most)
        return f"more than {least}, up to {most}" if self.open else f"{least} to {most}"


def _told(number: float) -> str:
    """Alike for 1e6 and 1000000, which are equal: typing keeps the first of equal ones."""
    whole = abs(number) < 1e15 and number == int(number)
    return f"{int(number):,}" if whole else f"{number:g}"


Share: TypeAlias = Annotated[float, Span(0, 1)]
Seed: TypeAlias = Annotated[int, Span(0, 2**32 - 1)]
Degrees: TypeAlias = Annotated[float, Span(-180, 180)]
Turn: TypeAlias = Annotated[float, Span(0, 180)]  # degrees, to either side
Factor: TypeAlias = Annotated[float, Span(0, 10, open=True)]
Length: TypeAlias = Annotated[float, Span(0, 4096)]  # pixels

# By channel, of pixels of 0 to 255: what is taken off, and what the rest is divided by
MEANS, DEVIATIONS = Span(-1_000_000, 1_000_000), Span(1e-6, 1_000_000)
