"""What the ranks of a training tell each other beside the collectives that they may hang in.

A few words by subject, over the store at which their processes met. That store lives in a rank, or
in torchrun; where it is stopped too, asking takes no longer than its limit.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch.distributed as dist
from torch.distributed.distributed_c10d import _get_default_store

from pipelines.training.rank import Rank

T = TypeVar("T")
ANSWER = timedelta(seconds=10)


class Board:
    """Plain values by subject and rank; `say` and `heard` may each be called from one thread.

    Neither raises: whoever does not answer has said nothing.
    """

    def __init__(self, rank: Rank, name: str) -> None:
        self._rank, self._name = rank.rank, name
        self._world_size = rank.world_size
        self._alone: dict[str, str] = {}
        self._out = self._into = None
        if rank.world_size > 1:
            self._out, self._into = _own_connection(), _own_connection()

    def say(self, subject: str, value: object) -> None:
        """value: as JSON holds it."""
        key, text = self._key(subject, self._rank), json.dumps(value)
        if self._out is None:
            self._alone[key] = text
            return
        try:
            self._out.set(key, text)
        except (RuntimeError, OSError):
            return

    def heard(self, subject: str, limit_s: float) -> dict[int, Any]:
        """Rank -> what it said last; after `limit_s` that of those who answered until then."""
        said: dict[int, Any] = {}

        def ask() -> None:
            for rank in range(self._world_size):
                text = self._read(self._key(subject, rank))
                if text is not None:
                    said[rank] = json.loads(text)

        within(limit_s, ask)
        return dict(said)

    def _read(self, key: str) -> str | None:
        if self._into is None:
            return self._alone.get(key)
        try:
            return str(self._into.get(key).decode()) if self._into.check([key]) else None
        except (RuntimeError, OSError):
            return None

    def _key(self, subject: str, rank: int) -> str:
        return f"{self._name}/{subject}/{rank}"


def _own_connection() -> dist.Store:
    """Collectives keep the group's own: a call that hangs there holds up nobody here."""
    store: Any = _get_default_store()
    own: dist.Store = store.clone()
    own.set_timeout(ANSWER)
    return own


def within(limit_s: float, act: Callable[[], T]) -> T | None:
    """What `act` returns, or None where it takes longer: then its thread is left behind."""
    box: list[T] = []
    thread = threading.Thread(target=lambda: box.append(act()), daemon=True)
    thread.start()
    thread.join(limit_s)
    return box[0] if box else None
