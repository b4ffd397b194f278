"""A driver's way into Ray, and out of it where a signal comes.

Ray holds whoever asks it for as long as a machine with much else to do takes: that is a thread
here, so that the main one, which alone hears signals, can end the process.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager

from data.ground.refusal import refusal
from pipelines.host.places import REPOSITORY
from pipelines.host.signals import Interrupted, say_interrupted


def heard_meanwhile(work: Callable[[], None]) -> None:
    """Does it in a thread, and raises what that raises."""
    errors: list[BaseException] = []

    def do() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            errors.append(error)

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if errors:
        raise errors[0]


@contextmanager
def ended_at_once(name: str) -> Iterator[None]:
    """A signal ends the process where it stands: shutting Ray down under the waiting thread
    crashes; without us Ray ends the workers, and a head of our own is ended by its guard."""
    try:
        yield
    except Interrupted as interrupted:
        os._exit(say_interrupted(name, int(interrupted.args[0])))


def connect(address: str) -> None:
    """In no main thread: there Ray would take SIGTERM for itself, and elsewhere says so."""
    import ray

    told = logging.getLogger("ray._private.worker")
    told.addFilter(lambda record: "SIGTERM handler is not set" not in record.getMessage())
    try:
        with chdir(REPOSITORY):  # where workers look for our code, wherever one stands
            ray.init(address=address, logging_level=logging.WARNING, log_to_driver=True)
    except (ConnectionError, RuntimeError) as error:
        raise refusal(
            f"no Ray cluster answers at {address}",
            fault=str(error),
            do="start one, or leave cluster.address in params.yaml null and RAY_ADDRESS unset for "
            "a local one",
        ) from error
