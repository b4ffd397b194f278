"""What a training has to tell a tracker: lines in a file, sent by a thread when the server answers.

The file is written first, so nothing is lost where no server answers; how far it was sent stands
beside it. Knows no tracker: whoever opens an outbox hands in how to connect and deliver. A line
that is damaged is said and passed over; where it is not known how far the file was sent, all of it
is sent again, which changes nothing at a tracker that has it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from data.ground.refusal import masked
from pipelines.tracking import outbox_file
from pipelines.tracking.sealed import Record, read_position, read_record, sealed

Deliver = Callable[[Record], None]
BACK_OFF_SECONDS = 60.0
HEADER = {"name", "fingerprint", "params", "tags", "run_id", "uri", "experiment", "id"}
POSITION_SUFFIX = ".sent"  # of the file beside an outbox that says how far it was sent


class RefusedError(Exception):
    """The server answered and will never take this record: put it aside and go on."""


class RunGoneError(Exception):
    """The run that records go to was deleted: connect anew, and all goes to the one that is found
    or made then."""


class Outbox:
    """`outbox.jsonl`: one record a line, the first one (`open`) says which run they belong to.

    Paths in it go from its folder, where they lie below it: the folder may be moved, and sent from
    another machine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position_path = path.with_suffix(POSITION_SUFFIX)
        self._lock = threading.Lock()
        self._said = set[int]()  # where lines are damaged
        path.parent.mkdir(parents=True, exist_ok=True)
        self._held = outbox_file.take(path)

    def release(self) -> None:
        self._held.close()

    def append(self, kind: str, **content: Any) -> None:
        """Adds a record and returns when the operating system has it."""
        line = sealed({"kind": kind, "time": time.time(), **content})
        with self._lock, self.path.open("ab") as file:
            file.write(line)
            file.flush()

    def path_told(self, path: Path) -> str:
        """A file or folder as records name it."""
        whole, folder = path.resolve(), self.path.parent.resolve()
        inside = whole.is_relative_to(folder)
        return (whole.relative_to(folder) if inside else whole).as_posix()

    def path_of(self, told: str) -> Path:
        """The path that a record names."""
        return self.path.parent.resolve() / told  # an absolute one stays what it is

    def records(self, position: int = 0) -> Iterator[tuple[Record, int]]:
        """Records from a byte position on, each with the position behind it; damaged ones are said
        once and left out."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            file.seek(position)
            for line in iter(file.readline, b""):
                if not line.endswith(b"\n"):
                    return
                position += len(line)
                try:
                    record = read_record(line)
                    if "kind" not in record:
                        raise ValueError("damaged, it has no kind")
                except ValueError as error:
                    self._say_damaged(position - len(line), str(error))
                    continue
                yield record, position

    def _say_damaged(self, position: int, why: str) -> None:
        if position not in self._said:
            self._said.add(position)
            _say(f"{self.path}, byte {position}: {why}; this line is passed over")

    @property
    def header(self) -> Record | None:
        """What the last attempt said about its run; None in a new outbox."""
        opened = [record for record, _ in self.records() if record["kind"] == "open"]
        whole = [record for record in opened if record.keys() >= HEADER]
        return whole[-1] if whole else None

    def began(self) -> float:
        """When the first attempt began, seconds since 1970."""
        told = (r.get("time") for r, _ in self.records())
        times = (float(each) for each in told if isinstance(each, int | float))
        return next(times, time.time())

    def epochs(self) -> set[int]:
        """Those that are written down."""
        epochs = (r.get("epoch") for r, _ in self.records() if r["kind"] == "epoch")
        return {each for each in epochs if isinstance(each, int)}

    def checkpoints(self) -> set[tuple[int, str]]:
        records = (r for r, _ in self.records() if r["kind"] == "checkpoint")
        told = ((r.get("epoch"), r.get("sha256")) for r in records)
        return {(e, digest) for e, digest in told if isinstance(e, int) and isinstance(digest, str)}

    def last_system(self, prefix: str) -> dict[str, float]:
        """The newest values of the load's numbers whose name begins so."""
        told: dict[str, float] = {}
        for record, _ in self.records():
            if record["kind"] == "system" and isinstance(record.get("metrics"), dict):
                told |= {k: v for k, v in record["metrics"].items() if k.startswith(prefix)}
        return told

    def position(self, address: str) -> int:
        """How far the file was sent to that address (server and run)."""
        kept, position = self.sent()
        return position if kept == masked(address) else 0

    def sent(self) -> tuple[str, int]:
        """To which address the file was sent last, and how far; "" and 0 where it never was, or
        where that is not known any more."""
        return read_position(self._position_path, self.path)

    def run_sent_to(self) -> str | None:
        """The run's id, also where the lines that named it are lost; None where none is known."""
        return self.sent()[0].rpartition(" ")[2] or None

    def keep_position(self, address: str, position: int) -> None:
        new = self._position_path.with_suffix(".sent.new")
        new.write_bytes(sealed({"address": masked(address), "position": position}))
        new.replace(self._position_path)

    def refuse(self, record: Record, reason: str) -> None:
        refused = self.path.with_suffix(".refused.jsonl")
        refused.touch(mode=0o600)
        with refused.open("a") as file:
            file.write(json.dumps({"reason": masked(reason), **record}) + "\n")


class NoPostman:
    """Of an outbox that is sent by somebody else, from where it is brought to."""

    run_id: str | None = None

    def start(self) -> None: ...
    def notify(self) -> None: ...

    def connected(self, seconds: float) -> str | None:
        return None

    def finish(self, patience: float) -> bool:
        return True


class Postman:
    """Sends an outbox in a thread of its own, so that a silent server never holds up training.

    `connect()` gives (server, run id, deliver). `deliver(record)` raises RefusedError for what will
    never be taken, RunGoneError where nothing will be by that run, and anything else for "not now";
    then nothing is tried for `back_off` seconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        connect: Callable[[], tuple[str, str, Deliver]],
        back_off: float = BACK_OFF_SECONDS,
    ) -> None:
        self._outbox, self._connect, self._back_off = outbox, connect, back_off
        self._address = ""
        self.run_id: str | None = None
        self._deliver: Deliver | None = None
        self._wake, self._ending, self._connected = (threading.Event() for _ in range(3))
        self._all_sent, self._told, self._given_up = False, False, False
        self._thread = threading.Thread(target=self._work, name="postman", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._wake.set()

    def connected(self, seconds: float) -> str | None:
        """The run's id, waited for at most so long."""
        self._connected.wait(seconds)
        return self.run_id

    def notify(self) -> None:
        self._wake.set()

    def finish(self, patience: float) -> bool:
        """Last attempt, `patience` seconds at most; True where all was sent."""
        self._ending.set()
        self._wake.set()
        self._thread.join(patience)
        self._given_up = self._thread.is_alive()
        return self._all_sent and not self._given_up

    def deliver_all(self) -> None:
        """Sends all that waits; raises what the server (or the lack of one) raised.

        A run that was deleted meanwhile costs one more connection.
        """
        try:
            self._deliver_waiting()
        except RunGoneError as error:
            _say(f"{error}; all is told to another one")
            self._deliver = None
            self._deliver_waiting()

    def _deliver_waiting(self) -> None:
        if self._deliver is None:
            server, self.run_id, self._deliver = self._connect()
            self._address = f"{server} {self.run_id}"
            self._connected.set()
        for record, behind in self._outbox.records(self._outbox.position(self._address)):
            try:
                self._deliver(record)
            except RefusedError as error:
                self._outbox.refuse(record, str(error))
                _say(f"the server refuses a {record['kind']}: {error}")
            if self._given_up:  # somebody else may send the rest by now
                return
            self._outbox.keep_position(self._address, behind)

    def _work(self) -> None:
        while True:
            self._wake.wait()
            last = self._ending.is_set()
            self._wake.clear()
            self._all_sent = self._attempt()
            if last:
                return
            if not self._all_sent:
                self._ending.wait(self._back_off)
                self._wake.set()

    def _attempt(self) -> bool:
        try:
            self.deliver_all()
        except Exception as error:  # noqa: BLE001 - whatever a tracker raises, training goes on
            self._deliver = None  # the next attempt asks anew which run it is
            if not self._told:
                _say(
                    f"no answer from the tracking server ({first_line(error)}); training goes on, "
                    f"and what it tells is kept in {self._outbox.path}"
                )
            self._told = True
            return False
        if self._told:
            _say("the tracking server answers again; all was sent")
        self._told = False
        return True


def first_line(error: Exception) -> str:
    """What an error says, short enough for a line; no passwords of addresses."""
    return masked(str(error).splitlines()[0])[:200] if str(error) else repr(error)


def _say(text: str) -> None:
    print(masked(f"tracking: {text}"), file=sys.stderr, flush=True)
