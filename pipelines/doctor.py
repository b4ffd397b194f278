"""What is wrong with this machine, and the command that mends it, on one screen.

    python -m pipelines.doctor

Looked at: Python and packages against requirements.lock, GPU and driver, shared memory, open files,
ports, disk, tokens, params.yaml and recipes, DVC's remote, storage, tracking server, Ray's address.
Each line is ok, warning or wrong, with what mends it below. All are asked at once, each for a
limited time; a package that cannot be imported costs its own lines alone. No secret is printed.
Exit code: 0; 1 where something is wrong.
"""

from __future__ import annotations

import importlib
import sys
from argparse import SUPPRESS, Namespace
from collections.abc import Iterable, Sequence

from pipelines.host.checkup import OK, WARNING, WRONG, Finding, examine, tell
from pipelines.host.command import Arguments, run_command

ROOMS = ("host", "recipe", "training", "store", "tracking", "cluster")  # those with a `health.py`


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("doctor", __doc__)
    arguments.add_argument("--room", choices=ROOMS, help=SUPPRESS)  # of one, for the command itself
    return run_command(arguments, argv, examine_machine)


def examine_machine(asked: Namespace) -> int:
    if asked.room:
        tell(importlib.import_module(f"pipelines.{asked.room}.health").CHECKS)
    command = [sys.executable, "-m", "pipelines.doctor", "--room"]
    rooms = examine({room: [*command, room] for room in ROOMS})
    return show(finding for _, findings in rooms for finding in findings)


def show(findings: Iterable[Finding]) -> int:
    """Prints a line each; the exit code."""
    count = dict.fromkeys((OK, WARNING, WRONG), 0)
    for finding in findings:
        count[finding.state] += 1
        print(f"{finding.state:8} {finding.what:14} {finding.said}", flush=True)
        if finding.do:
            print(f"{'':23} -> {finding.do}", flush=True)
    print(f"{count[OK]} ok, {count[WARNING]} to look at, {count[WRONG]} wrong")
    return 1 if count[WRONG] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
