"""MLflow: the page that shows trainings, and what a training could not send.

python -m pipelines.tracking OUTBOX        sends what a training could not send
python -m pipelines.tracking ui [--port N]  opens the MLflow page on 127.0.0.1
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipelines.tracking.delivery import TrackedRun
from pipelines.tracking.outbox import Outbox, Postman
from pipelines.tracking.page import open_page
from pipelines.tracking.server import IMPATIENT, QUIET, tracking_uri


def send_outbox(path: Path) -> None:
    """Sends what a training left unsent; raises ValueError where that does not work."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a training names its outbox when it ends")
    outbox = Outbox(path)
    postman = Postman(outbox, TrackedRun(outbox).connect)
    for key, value in {**QUIET, **IMPATIENT}.items():
        os.environ.setdefault(key, value)
    try:
        postman.deliver_all()
    except Exception as error:
        raise ValueError(f"{path}: not sent, the rest stays there: {error}") from error
    finally:
        outbox.release()
    print(f"sent: run {postman.run_id}")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.tracking", description=__doc__)
    parser.add_argument("what", help="path of an outbox, or `ui`")
    parser.add_argument("--port", type=int, default=5000)
    given = parser.parse_args(arguments)
    try:
        open_page(tracking_uri(), given.port, QUIET) if given.what == "ui" else send_outbox(
            Path(given.what)
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
