"""limber, or python -m pipelines: lists the commands, one line each; `limber NAME --help`.

    limber COMMAND ...            the same as python -m pipelines.COMMAND ..., from any folder
    limber --completion SHELL     what a shell (bash, zsh) reads to complete commands and options

`make setup` puts `limber` into .venv/bin; inside another checkout it runs that one's commands.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.ground.refusal import masked, refusal
from pipelines.host import launcher
from pipelines.host.command import ROOF, called, command_files, commands
from pipelines.host.completion import answer, switch_on


def main(argv: Sequence[str]) -> int:
    """Exit code: the command's own; 2 and one line on stderr where there is no such command."""
    if not argv or argv[0] in ("-h", "--help"):
        print("\n".join(listing()))
        return 0
    try:
        return run(argv[0], argv[1:])
    except ValueError as error:
        print(masked(f"error: {error}"), file=sys.stderr, flush=True)
        return 2


def listing() -> list[str]:
    listed = dict(commands())
    width = max(map(len, listed))
    lines = [f"  {name:<{width}}  {about}" for name, about in listed.items()]
    return [f"{called()}NAME (--help explains each):", "", *lines]


def run(name: str, argv: Sequence[str]) -> int:
    if name == "--completion":
        print(switch_on(argv))
    elif name == "--complete":
        print("\n".join(answer(os.environ)))
    elif name == "--install":
        print(f"limber: {launcher.install()}")
    else:
        return run_command_of(checkout(Path.cwd()), name, argv)
    return 0


def checkout(here: Path) -> Path:
    """The roof whose commands run: that of the checkout we stand in, else our own."""
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "pipelines" / "__main__.py").is_file():
            return folder / "pipelines"
    return ROOF


def run_command_of(roof: Path, name: str, argv: Sequence[str]) -> int:
    """A command of another checkout takes the place of this process."""
    if roof.resolve() != ROOF:
        launch = launcher.command(roof.parent, [name, *argv])
        os.execv(launch[0], launch)
    files = command_files()
    if name not in files:
        known = dict(commands())
        raise refusal("command", given=name, accepted=", ".join(known), do="`limber` lists them")
    package = files[name].name == "__main__.py"
    module: Any = importlib.import_module(f"pipelines.{name}" + (".__main__" if package else ""))
    return int(module.main(list(argv)) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
