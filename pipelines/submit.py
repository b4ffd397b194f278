"""Runs a training as a job of a Ray cluster and waits for it: attach or submit, logs, exit code.

    python -m pipelines.submit RECIPE [--address http://HOST:8265]

Exit code: 0 only when the job succeeded; 1 failed; 3 stopped; 128 + n after a signal, which stops
the job.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipelines.cluster.jobs import connect, follow, run_key
from pipelines.host.processes import Interrupted, catch_signals


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.submit")
    parser.add_argument("recipe")
    parser.add_argument("--address", help="of the cluster's dashboard")
    given = parser.parse_args(arguments)
    catch_signals()
    try:
        key = run_key(given.recipe)
        return follow(connect(given.address), given.recipe, key)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Interrupted as interrupted:
        return 128 + int(interrupted.args[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
