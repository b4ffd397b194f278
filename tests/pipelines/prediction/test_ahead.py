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


@pytest.mark.parametrize(("weight", "ahead_of_it"), [(10, 3), (25, 1), (1000, 1), (0, 5)])
def test_what_waits_weighs_no_more_than_the_budget_and_one(weight: int, ahead_of_it: int) -> None:
    read: list[int] = []
    items = ahead(counted(read), 5, weigh=lambda item: weight, budget=25)
    assert next(items) == 0
    assert waited_for(read, 1 + ahead_of_it), read
    if weight:
        assert len(read) == 1 + ahead_of_it
    assert list(items) == list(range(1, 20))


def counted(read: list[int]) -> Iterator[int]:
    for number in range(20):
        read.append(number)
        yield number


def waited_for(read: list[int], count: int) -> bool:
    """Whether so many come, and, as far as a tenth of a second tells, no more of them at once."""
    quiet = threading.Event()
    for _ in range(50):
        before = len(read)
        quiet.wait(0.1)
        if before == len(read) >= count:
            return True
    return False


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
