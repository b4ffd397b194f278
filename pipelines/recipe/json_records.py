"""Json files between stages, read back as frozen dataclasses; `as_plain_data` writes them.

Fields that came later, or that not every writer knows, default to None and carry `LATER`: so they
are left out of the file where they are not set.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

from pipelines.recipe.reader import read_as

Kind = TypeVar("Kind")


def record_of(kind: type[Kind], content: dict[str, Any], path: Path, do: str) -> Kind:
    """`content` of a file as the dataclass `kind`; keys that it does not know are passed over."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    known = {key: value for key, value in content.items() if key in names}
    try:
        return read_as(kind, known, str(path))
    except ValueError as error:
        raise ValueError(f"{error}; {do}") from error
