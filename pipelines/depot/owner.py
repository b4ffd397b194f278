"""Whose a training in the store is: an attempt that was cut off and still runs finds out there.

No clocks are compared: whoever comes later writes a token of its own, and whoever finds another's
has lost the training.
"""

from __future__ import annotations

import json
import os
import socket
import uuid

from data.ground.refusal import refusal
from pipelines.depot.key import run_prefix
from pipelines.store.store import Store

OWNER = "owner.json"


class LostError(Exception):
    """Another attempt has taken the training over; nothing of ours goes up any more."""


class Owner:
    """This attempt's token, and the store's word on whose the training is."""

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._key = store, key
        self._name = f"{run_prefix(key)}{OWNER}"
        self.token = uuid.uuid4().hex

    def take(self) -> None:
        """Whoever has it: this attempt came later."""
        self._store.write(self._name, self._said())

    def take_back(self) -> None:
        """Where nobody's token was there any more. Raises LostError where a later attempt took it
        in this very moment (see `Store.write_new`)."""
        if not self._store.write_new(self._name, self._said()) and not self.check():
            self.take()  # what lies there says nothing

    def _said(self) -> bytes:
        process = f"{os.getpid()} on {socket.gethostname()}"
        return json.dumps({"token": self.token, "process": process}).encode()

    def check(self) -> bool:
        """False where nobody's token is there any more. Raises LostError for another's."""
        content = self._store.read(self._name)
        if content is None:
            return False
        try:
            said = json.loads(content)
            token, process = said["token"], said["process"]
        except (ValueError, TypeError, KeyError):
            return False
        if token != self.token:
            raise LostError(str(process))
        return True

    def lost(self, process: str) -> ValueError:
        """The refusal that ends the attempt."""
        return refusal(
            f"{self._store.address}/{run_prefix(self._key)}",
            fault=f"another attempt at this training has taken over (process {process}); this one "
            f"(process {os.getpid()} on {socket.gethostname()}) ends",
            do="let that one run: what this one left there is gone on with",
        )
