"""Runs a command with one local Ray head for all trainings that it starts.

python -m pipelines.cluster -- COMMAND...
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.cluster.head import guard, one_head
from pipelines.host.processes import run_child


def main(arguments: Sequence[str]) -> int:
    if list(arguments[:1]) == ["--guard"]:
        return guard(Path(arguments[1]))
    command = list(arguments[1:] if list(arguments[:1]) == ["--"] else arguments)
    if not command:
        print("usage: python -m pipelines.cluster -- COMMAND...", file=sys.stderr)
        return 2
    with one_head():
        return run_child(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
