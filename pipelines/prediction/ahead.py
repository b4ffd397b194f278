"""What is read ahead: a thread fetches while somebody else works on what came before."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
BUDGET = 256 << 20  # bytes that are read ahead
_PATIENCE_S = 5.0  # for what it is in the middle of


def ahead(
    items: Iterable[T], most: int, *, weigh: Callable[[T], int] | None = None, budget: int = BUDGET
) -> Generator[T, None, None]:
    """The items, at most so many read ahead; what reading raises is raised here.

    weigh: bytes of an item; nothing more is fetched while what waits weighs `budget` or more. The
    thread ends with its reader: at the end, after an error, and when the iterator is closed.
    """
    line: _Line[T] = _Line(most, weigh or (lambda item: 0), budget)
    thread = threading.Thread(target=line.fill, args=(items,), daemon=True, name="reads ahead")
    thread.start()
    try:
        yield from line.taken()
    finally:
        line.leave()
        thread.join(timeout=_PATIENCE_S)


class _Line(Generic[T]):
    """What waits between the thread that fetches and who works."""

    def __init__(self, most: int, weigh: Callable[[T], int], budget: int) -> None:
        self._most, self._weigh, self._budget = most, weigh, budget
        self._changed = threading.Condition()
        self._waiting: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._gone = self._ended = False
        self._error: BaseException | None = None

    def fill(self, items: Iterable[T]) -> None:
        error: BaseException | None = None
        try:
            for item in items:
                self._put(item)
                del item  # its memory is whoever's who works on it
                if not self._room():
                    break
            if isinstance(items, Generator):
                items.close()  # here: what is read ahead of it ends, too
        except BaseException as caught:  # noqa: BLE001 - raised where the items are used
            error = caught
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def taken(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    break
                item, weight = self._waiting.popleft()
                self._weight -= weight
                self._changed.notify_all()
            yield item
            del item  # not held while the next one is waited for
        if self._error is not None:
            raise self._error

    def leave(self) -> None:
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def _put(self, item: T) -> None:
        weight = self._weigh(item)
        with self._changed:
            self._changed.wait_for(lambda: self._gone or len(self._waiting) < self._most)
            self._waiting.append((item, weight))
            self._weight += weight
            self._changed.notify_all()

    def _room(self) -> bool:
        """Returns when another may be fetched; False where nobody reads any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._gone or self._weight < self._budget)
            return not self._gone
