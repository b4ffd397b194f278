"""Runs a training as a job of a Ray cluster and follows it to its end.

    python -m pipelines.submit RECIPE [--address http://HOST:8265] [--workers N] [--again]

As `train`, which does so by itself where params.yaml or RAY_ADDRESS names a cluster; here --address
may name one, and without any name it is the one that runs on this machine. A job of that training
which runs already is followed, else one is submitted; its log is shown, its results come back.
`make repro RECIPE=...` takes the finished training over.
Exit code: 0 only when the job succeeded and its results are here; 1 failed; 2 refused; 3 stopped;
128 + n after a signal, which stops the job.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from data.ground.refusal import masked
from pipelines.cluster.addresses import wanted_address
from pipelines.host.command import Arguments, run_command, whole_number
from pipelines.host.signals import Interrupted, catch_signals, say_interrupted
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import COUNTS, INSTEAD


def main(argv: Sequence[str], stage: Callable[..., None] | None = None) -> int:
    arguments = Arguments("submit", __doc__)
    arguments.add_argument("recipe", help="name of a file in recipes/, without .yaml")
    arguments.add_argument("--address", help="of the cluster's dashboard")
    arguments.add_argument("--workers", type=whole_number(COUNTS["workers"]), help=INSTEAD)
    arguments.add_argument("--again", action="store_true", help="also where it is finished")
    return run_command(arguments, argv, lambda options: submit(options, stage))


def submit(options: Namespace, stage: Callable[..., None] | None) -> int:
    from pipelines.cluster.stage import JobEnded, train_by_job

    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # also into a file
    catch_signals()
    address = wanted_address(load_params()["cluster"].get("address"), options.address)
    try:
        (stage or train_by_job)(
            options.recipe, address, workers=options.workers, again=options.again
        )
    except JobEnded as error:
        print(masked(f"error: {error}"), file=sys.stderr, flush=True)
        return error.code
    except Interrupted as interrupted:
        return say_interrupted(options.recipe, int(interrupted.args[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
