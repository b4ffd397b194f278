"""Writes into a recipe's yaml which weights it starts from, everything else left as it stands."""

from __future__ import annotations

from pathlib import Path

import yaml

from data.ground.refusal import refusal


def pin_digest(path: Path, sha256: str) -> None:
    """Sets `pretrained.sha256` of the recipe file, in place; comments and layout stay.

    Raises ValueError for a file without `pretrained.source`.
    """
    text = path.read_text()
    root = yaml.compose(text)
    pretrained = _child(root, "pretrained")
    source = _child(pretrained, "source")
    if pretrained is None or source is None:
        accepted = "pretrained: {source: ...}"
        raise refusal(path, fault="no weights to start from, so none to pin", accepted=accepted)
    old = _child(pretrained, "sha256")
    if old is not None:
        start, end, new = old.start_mark.index, old.end_mark.index, f'"{sha256}"'
    elif isinstance(pretrained, yaml.MappingNode) and pretrained.flow_style:
        start = end = source.end_mark.index
        new = f', sha256: "{sha256}"'
    else:
        start = end = source.end_mark.index
        new = f'\n{" " * pretrained.start_mark.column}sha256: "{sha256}"'
    path.write_text(f"{text[:start]}{new}{text[end:]}")


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)
