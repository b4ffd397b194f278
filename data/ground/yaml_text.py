"""Yaml as plain data: the one file of this wing that knows yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from data.ground.refusal import refusal

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's where it is there
DEEPEST = 100  # libyaml's reader takes the whole process with it some ten thousands down
MOST_COPIES = 10_000  # values that aliases stand for: some lines could mean millions
BEGIN = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
END = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def plain_yaml(text: str | bytes) -> Any:
    """What a text of yaml says. Raises YAMLError for none, ValueError for one that is too deep, or
    whose aliases stand for too much or for themselves."""
    _check_events(text)
    loader = LOADER(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _check_events(text: str | bytes) -> None:
    """One after the other, at any depth; nothing is built."""
    sizes: dict[str | None, int] = {}  # of what has an anchor, aliases in it followed
    around: list[tuple[str | None, int]] = []  # what is open: its anchor, values so far
    copies = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, BEGIN):
            around.append((event.anchor, 1))
            if len(around) > DEEPEST:
                raise ValueError(f"nested more than {DEEPEST} deep")
            continue
        if isinstance(event, END):
            anchor, size = around.pop()
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in (each for each, _ in around):
                raise ValueError(f"*{event.anchor} stands for what it is a part of")
            anchor, size = None, sizes.get(event.anchor, 0)
            copies += size
            if copies > MOST_COPIES:
                raise ValueError(f"its aliases stand for more than {MOST_COPIES:,} values")
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        else:
            continue
        sizes |= {anchor: size} if anchor else {}
        if around:
            outer, before = around[-1]
            around[-1] = outer, before + size


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
