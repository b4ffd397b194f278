"""A stage of DVC that takes some seconds and is a command of ours: `long_stage.py NAME SECONDS`."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from pathlib import Path

from pipelines.host.command import Arguments, run_command


def work(asked: Namespace) -> None:
    alone = Path(f"{asked.name}.at_work")
    alone.touch(exist_ok=False)  # never two at once
    try:
        time.sleep(asked.seconds)
        with Path("ran.txt").open("a") as log:
            log.write(f"{asked.name}\n")
        Path(f"{asked.name}.out").write_text("done")
    finally:
        alone.unlink()


arguments = Arguments("long_stage", __doc__)
arguments.add_argument("name")
arguments.add_argument("seconds", type=float)
sys.exit(run_command(arguments, sys.argv[1:], work))
