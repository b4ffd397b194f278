"""Yaml as plain data: the one file of this wing that knows yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from data.ground.refusal import refusal


def plain_yaml(text: str | bytes) -> Any:
    """What a text of yaml says."""
    return yaml.safe_load(text)


def read_yaml(path: Path) -> Any:
    """What a yaml file holds. Raises ValueError that names a file that is missing or none."""
    try:
        return plain_yaml(path.read_bytes())
    except FileNotFoundError as error:
        raise refusal(path, fault="no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise refusal(path, fault=f"not readable as yaml: {error}") from error
    except OSError as error:
        raise refusal(path, fault=f"cannot be read ({error.strerror})", do="check it") from error
