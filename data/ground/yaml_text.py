"""Yaml as plain data: the one file of this wing that knows yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from data.ground.refusal import refusal

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's where it is there
DEEPEST = 100  # libyaml's reader takes the whole process with it some ten thousands down
BEGIN = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
END = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def plain_yaml(text: str | bytes) -> Any:
    """What a text of yaml says. Raises YAMLError for none, ValueError for one that is too deep."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):  # one after the other, at any depth
        depth += isinstance(event, BEGIN) - isinstance(event, END)
        if depth > DEEPEST:
            raise ValueError(f"nested more than {DEEPEST} deep")
    loader = LOADER(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


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
