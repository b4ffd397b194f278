"""What is read ahead: a thread fetches while somebody else works on what came before."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")
_END = object()
_POLL_S = 0.1  # how often a thread with nowhere to put things looks whether anybody still reads
_PATIENCE_S = 5.0  # for what it is in the middle of


def ahead(items: Iterable[T], most: int) -> Generator[T, None, None]:
    """The items, at most so many read ahead; what reading raises is raised here.

    The thread ends with its reader: at the end, after an error, and when the iterator is closed.
    """
    filled: queue.Queue[object] = queue.Queue(maxsize=most)
    gone = threading.Event()

    def put(item: object) -> bool:
        while not gone.is_set():
            try:
                filled.put(item, timeout=_POLL_S)
                return True
            except queue.Full:
                continue
        return False

    def fill() -> None:
        try:
            for item in items:
                if not put(item):
                    break
            if isinstance(items, Generator):
                items.close()  # here: what is read ahead of it ends, too
            put(_END)
        except BaseException as error:  # noqa: BLE001 - raised where the items are used
            put(_Fault(error))

    thread = threading.Thread(target=fill, daemon=True, name="reads ahead")
    thread.start()
    try:
        while (item := filled.get()) is not _END:
            if isinstance(item, _Fault):
                raise item.error
            yield item  # type: ignore[misc]
    finally:
        gone.set()
        thread.join(timeout=_PATIENCE_S)


class _Fault:
    def __init__(self, error: BaseException) -> None:
        self.error = error
