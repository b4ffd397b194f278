"""What is read ahead: the same items in order, no more than asked for, and no thread is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipelines.prediction.ahead import ahead


def test_all_items_in_order() -> None:
    assert list(ahead(range(100), 3)) == list(range(100))


def test_no_more_than_asked_for_is_read_ahead() -> None:
    read: list[int] = []
    third = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            if number == 3:
                third.set()
            yield number

    items = ahead(numbers(), 2)
    assert next(items) == 0
    assert third.wait(5), "two wait in line, and one in the hand of the thread"
    assert len(read) <= 5
    items.close()


def test_what_reading_raises_comes_after_what_was_read() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    items = ahead(broken(), 4)
    assert next(items) == 1
    with pytest.raises(ValueError, match="no more"):
        next(items)


def test_a_reader_that_leaves_takes_the_thread_along() -> None:
    before = threading.active_count()
    items = ahead(iter(range(10**9)), 2)
    next(items)
    items.close()
    assert threading.active_count() == before
