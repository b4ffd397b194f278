"""Runs a command with one local Ray head for all trainings that it starts.

    python -m pipelines.cluster -- COMMAND...

The first training starts the head, on free ports and with a token of its own; it ends with the
command, however that ends. Exit code: the command's own, 128 + n where a signal ended it.
"""

from __future__ import annotations

import sys
from argparse import REMAINDER, SUPPRESS, Namespace
from collections.abc import Sequence
from pathlib import Path

from pipelines.cluster.guard import guard
from pipelines.cluster.head import clear, one_head
from pipelines.host.command import Arguments, run_command
from pipelines.host.processes import run_child


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("cluster", __doc__)
    arguments.add_argument("--guard", type=Path, metavar="FOLDER", help=SUPPRESS)  # head.py's
    arguments.add_argument("--clear", type=Path, metavar="FOLDER", help=SUPPRESS)
    arguments.add_argument("command", nargs=REMAINDER, help="what to run, as in a shell")
    return run_command(arguments, argv, with_one_head)


def with_one_head(options: Namespace) -> int:
    if options.guard:
        return guard(options.guard)
    if options.clear:
        clear(options.clear)
        return 0
    command = options.command[options.command[:1] == ["--"] :]
    if not command:
        raise ValueError("no command; usage: python -m pipelines.cluster -- COMMAND...")
    with one_head():
        return run_child(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
