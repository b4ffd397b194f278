"""A name on a menu and its options: how recipes name what they are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Plug:
    """A name on a menu and the keyword arguments that it is built with."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
