"""`limber` in an environment's bin: the commands of one checkout, from any folder.

It alone knows where the checkout is. Installed as a package, `data`, `models` and `pipelines` would
stand on the path of everything that runs there, a registered model included, which is to need
nothing of ours.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.host.places import REPOSITORY
from pipelines.host.writable import writable

START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from pipelines.__main__ import main; sys.exit(main(sys.argv[1:]))"
)


def command(checkout: Path, argv: Sequence[str]) -> list[str]:
    """What runs a command of a checkout by this interpreter, wherever one stands."""
    return [sys.executable, "-P", "-c", START, str(checkout), *argv]


def typed(name: str) -> str:
    """A command as a shell in the checkout takes it, be the environment activated in it or not."""
    path = Path(sys.prefix) / "bin" / "limber"
    if not path.is_file():
        return f"python -m pipelines.{name}"
    if os.environ.get("VIRTUAL_ENV") == sys.prefix:
        return f"limber {name}"
    inside = path.is_relative_to(REPOSITORY)
    return f"{path.relative_to(REPOSITORY) if inside else path} {name}"


def install(folder: Path | None = None, checkout: Path = REPOSITORY) -> Path:
    """Writes `limber` beside this interpreter, or into `folder`; where it lies.

    Raises ValueError where that cannot be written.
    """
    path = (folder or Path(sys.prefix) / "bin") / "limber"
    start = shlex.join(command(checkout, []))
    with writable(path):
        path.write_text(f'#!/bin/sh\nLIMBER_CALLED=limber exec {start} "$@"\n')
        path.chmod(0o755)
    return path
