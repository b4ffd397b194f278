"""Yaml files changed in place, with the comments and the order that their user gave them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from data.files.whole_file import write_text_whole
from data.ground.refusal import refusal
from data.ground.yaml_text import plain_yaml, read_yaml
from pipelines.host.one_writer import one_writer

WIDTH = 100_000  # a line is never broken: paths are as long as they are


@contextmanager
def edited(path: Path) -> Iterator[Any]:
    """The file's content to be changed; written, whole, when the block ends without an error.

    Another writer of the file waits until then: what each changed is in it.
    """
    from io import StringIO

    from ruamel.yaml import YAML, YAMLError

    editor = YAML()
    editor.width = WIDTH
    editor.representer.add_representer(
        type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    with ExitStack() as alone:
        try:
            alone.enter_context(one_writer(path))
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


def add_lines(content: Any, key: str, added: Mapping[str, Any]) -> None:
    """Below a key of a file that is edited, a line each; what stood behind its last line stays so.

    The editor keeps comments and gaps as the end of the line before them.
    """
    from ruamel.yaml.error import CommentMark
    from ruamel.yaml.tokens import CommentToken

    if not added:
        return
    if content.get(key) is None:
        content[key] = {}
    inner = content[key]
    if hasattr(inner, "fa"):
        inner.fa.set_block_style()
        last = (inner, list(inner)[-1]) if inner else (content, key)
        beside = last[0].ca.items.get(last[1], [None] * 4)[2]
        own, _, tail = beside.value.partition("\n") if beside else ("", "", "")
        if beside:
            beside.value = f"{own}\n"
            inner.update(added)
            end = inner.ca.items.setdefault(list(inner)[-1], [None] * 4)
            said = end[2].value.rstrip("\n") if end[2] else ""
            end[2] = CommentToken(f"{said}\n{tail}", CommentMark(0))
            return
    inner.update(added)


def set_numbers(path: Path, key: str, numbers: Sequence[float], about: str) -> None:
    """The value of a key at the top of a file, everything else to the letter as it was.

    about: a comment behind the key. Raises ValueError where the file does not have the key, or has
    it in a way that cannot be told from the rest.
    """
    with one_writer(path):
        text = path.read_text(encoding="utf-8")
        before = read_yaml(path)
        value = "\n".join(f"  {number:g}," for number in numbers)
        block = re.compile(rf"^{re.escape(key)}:.*?(?=^[^\s\]]|\Z)", re.MULTILINE | re.DOTALL)
        changed = block.sub(lambda _: f"{key}: [  # {about}\n{value}\n]\n", text)
        rest = {name: each for name, each in before.items() if name != key}
        if key not in before or plain_yaml(changed) != {**rest, key: list(map(float, numbers))}:
            raise refusal(f"{path}: {key}", fault="cannot be changed here", do="write it by hand")
        write_text_whole(path, changed)
