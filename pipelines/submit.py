"""Runs a training as a job of a Ray cluster and follows it to its end.

    python -m pipelines.submit RECIPE [--address http://HOST:8265] [--again]

A job of that training which runs already is followed, else one is submitted; its log is shown.
The cluster: --address, $RAY_API_SERVER_ADDRESS, $RAY_ADDRESS, `cluster.address` of params.yaml, or
the one that runs on this machine. `make repro RECIPE=...` takes the finished training over.
Exit code: 0 only when the job succeeded; 1 failed; 2 refused; 3 stopped; 128 + n after a signal,
which stops the job.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from pipelines.cluster.jobs import connect, follow, run_key
from pipelines.host.command import Arguments, run_command
from pipelines.host.processes import Interrupted, catch_signals


def main(argv: Sequence[str]) -> int:
    arguments = Arguments("submit", __doc__)
    arguments.add_argument("recipe", help="name of a file in recipes/, without .yaml")
    arguments.add_argument("--address", help="of the cluster's dashboard")
    arguments.add_argument("--again", action="store_true", help="also where it is finished")
    return run_command(arguments, argv, submit)


def submit(options: Namespace) -> int:
    catch_signals()
    try:
        key = run_key(options.recipe)
        jobs = connect(options.address)
        return follow(jobs, options.recipe, key, again=options.again)
    except Interrupted as interrupted:
        return 128 + int(interrupted.args[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
