"""Json files between stages, read back as frozen dataclasses; `as_plain_data` writes them.

Fields that came later, or that not every writer knows, default to None and carry `LATER`: so they
are left out of the file where they are not set.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from data.ground.refusal import refusal
from pipelines.recipe.reader import read_as

Kind = TypeVar("Kind")


def read_json(path: Path, do: str) -> dict[str, Any]:
    """Raises ValueError, which says what to `do`, where no json object can be read."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise refusal(path, fault="no such file", do=do) from error
    except (OSError, ValueError, RecursionError) as error:
        raise refusal(path, fault=f"not readable ({error})", do=do) from error
    if not isinstance(content, dict):
        raise refusal(path, fault="not readable (no json object)", do=do)
    return content


def record_of(kind: type[Kind], content: dict[str, Any], path: Path, do: str) -> Kind:
    """`content` of a file as the dataclass `kind`; keys that it does not know are passed over."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    known = {key: value for key, value in content.items() if key in names}
    try:
        return read_as(kind, known, str(path))
    except ValueError as error:
        raise ValueError(f"{error}; {do}") from error
