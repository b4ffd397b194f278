"""A yaml file that stands beside a network's, as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.ground.yaml_text import read_yaml


def read_beside(path: Path) -> Any:
    """What it holds. Raises ValueError, in one line, where it is missing or none."""
    try:
        return read_yaml(path)
    except ValueError as error:  # what reads yaml tells where in several lines
        raise ValueError(" ".join(str(error).split())) from error
