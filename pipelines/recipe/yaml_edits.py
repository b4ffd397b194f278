"""Yaml files changed in place, with the comments and the order that their user gave them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data.files.whole_file import write_text_whole
from data.ground.refusal import refusal

WIDTH = 200


@contextmanager
def edited(path: Path) -> Iterator[Any]:
    """The file's content to be changed; written, whole, when the block ends without an error."""
    from io import StringIO

    from ruamel.yaml import YAML, YAMLError

    editor = YAML()
    editor.width = WIDTH
    editor.representer.add_representer(
        type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    try:
        content = editor.load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError) as error:
        raise refusal(path, fault=f"cannot be edited: {error}") from error
    yield content
    text = StringIO()
    editor.dump(content, text)
    write_text_whole(path, text.getvalue())


def on_one_line(content: Mapping[str, Any]) -> Any:
    """A mapping that is written `{key: value, ...}`."""
    from ruamel.yaml.comments import CommentedMap

    entry = CommentedMap(content)
    entry.fa.set_flow_style()
    return entry


def set_numbers(path: Path, key: str, numbers: Sequence[float]) -> None:
    """A list's values, its place and comments kept. Raises ValueError for another count."""
    with edited(path) as content:
        listed = content.get(key)
        if not isinstance(listed, list) or len(listed) != len(numbers):
            raise refusal(f"{path}: {key}", given=listed, accepted=f"{len(numbers)} numbers")
        for n, number in enumerate(numbers):
            listed[n] = number
