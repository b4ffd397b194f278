"""What a shell offers after `limber` and TAB: commands, recipes, a command's own options.

Read from the text of the commands, since to import one may cost seconds.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.ground.refusal import refusal
from pipelines.host.command import ROOF, command_files

LINES = {
    "bash": "complete -o default -C 'limber --complete' limber",
    "zsh": "autoload -U +X compinit bashcompinit && compinit && bashcompinit\n"
    "complete -o default -C 'limber --complete' limber",
}


def switch_on(argv: Sequence[str]) -> str:
    """What the shell reads: `source <(limber --completion bash)`. ValueError for another one."""
    shell = argv[0] if argv else Path(os.environ.get("SHELL", "")).name
    if shell not in LINES:
        raise refusal("--completion", given=shell, accepted=", ".join(LINES))
    return LINES[shell]


def answer(variables: Mapping[str, str]) -> list[str]:
    """The words that a line of the shell may go on with: COMP_LINE up to COMP_POINT."""
    line = variables.get("COMP_LINE", "limber ")
    line = line[: int(variables.get("COMP_POINT") or len(line))]
    try:
        words = shlex.split(line)[1:]
    except ValueError:  # a quotation that is not closed yet
        return []
    return offered([*words, ""] if line[-1:].isspace() or not words else words)


def offered(words: Sequence[str], roof: Path = ROOF) -> list[str]:
    """words: what stands after `limber`, the last of them not finished."""
    *before, begun = words
    files = command_files(roof)
    if not before:
        choices = list(files)
    elif before[0] not in files:
        choices = []
    else:
        options, positions, below = arguments_of(files[before[0]])
        choices = options if begun.startswith("-") else []
        if not begun.startswith("-"):
            choices = below if below and len(before) == 1 else []
            takes_recipe = any(name.lower().startswith("recipe") for name in positions)
            choices += recipes(roof) if takes_recipe else []
            takes_data = "dataset" in positions or (len(before) == 2 and before[1] in below)
            choices += data_sets(roof) if takes_data else []
    return sorted({choice for choice in choices if choice.startswith(begun)})


def recipes(roof: Path) -> list[str]:
    return [path.stem for path in (roof.parent / "recipes").glob("*.yaml")]


def data_sets(roof: Path) -> list[str]:
    """Names below `datasets:` of params.yaml, by its text: to import yaml takes too long."""
    file = roof.parent / "params.yaml"
    text = file.read_text() if file.is_file() else ""
    block = re.search(r"^datasets:.*\n((?:[ #].*\n|\n)*)", text, re.MULTILINE)
    return re.findall(r"^  (\w+):", block[1], re.MULTILINE) if block else []


def arguments_of(file: Path) -> tuple[list[str], list[str], list[str]]:
    """(options, positions, commands below it) that the text of a command names."""
    options, positions, below = ["--help"], [], []
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        names = [
            value.value
            for value in node.args
            if isinstance(value, ast.Constant) and isinstance(value.value, str)
        ]
        if node.func.attr == "add_argument":
            options += [name for name in names if name.startswith("--")]
            positions += [name for name in names if not name.startswith("-")]
        elif node.func.attr == "add_parser":
            below += names
    return options, positions, below
