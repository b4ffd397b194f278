"""Every decision of promotion with its reason, and who is champion of what.

runs/promotions.jsonl is the ledger: a line per decision, added and never changed, each with a
digest of itself. reports/promotion.json is what of it is shown, with the state of the slots; DVC
keeps it, so that a fresh checkout has it too. What one of the two lacks or holds damaged comes from
the other.

Each entry has a number, one more than the largest that its writer knew: that is the order, whatever
a clock said. Two that were written apart with one number stand by their times; entries of before
there were numbers come first, by their times.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.files.whole_file import write_text_whole
from data.ground.refusal import masked
from pipelines.host.writable import writable
from pipelines.tracking.sealed import read_sealed, sealed

Entry = dict[str, Any]
CROWNED = ("promoted", "rolled back", "restored")  # actions after which its version is champion
NUMBER = "number"
OWN = ("time", NUMBER)  # what an entry has beside the decision
TOLD = ("time", "slot", "action", "reason")  # what every entry has, each a text


class Ledger:
    """Appends and never changes an entry; `slots` is what a reader wants to know first."""

    def __init__(self, path: Path, journal: Path | None = None) -> None:
        """path: of what is shown; journal: of the lines, by default beside it."""
        self.path = path
        self.journal = journal or path.with_suffix(".jsonl")
        self._said = set[str]()
        self._read()

    def _read(self) -> None:
        """What stands there now: somebody else may have written since."""
        shown, lines = self._read_shown(), self._read_journal()
        in_lines, in_shown = ({_key(e) for e in each} for each in (lines, shown["decisions"]))
        self._lacking = [e for e in shown["decisions"] if _key(e) not in in_lines]
        every = [*shown["decisions"], *(e for e in lines if _key(e) not in in_shown)]
        self._decisions = sorted(every, key=_place)
        self._slots: dict[str, Entry] = shown["slots"]

    def _read_shown(self) -> dict[str, Any]:
        """{"slots", "decisions"}; nothing, and a line, where it is damaged."""
        nothing: dict[str, Any] = {"slots": {}, "decisions": []}
        if not self.path.is_file():
            return nothing
        try:
            content = json.loads(self.path.read_bytes())
            slots, decisions = content.get("slots", {}), content.get("decisions", [])
            well = all(isinstance(each, dict) for each in slots.values())
            if not well or not all(_is_entry(each) for each in decisions):
                raise ValueError("not slots and decisions")
            # of before there was a digest: two parts and nothing that is left of one
            of_before = content.keys() <= nothing.keys()
            if not of_before and content.get("digest") != _digest(slots, decisions):
                raise ValueError("its digest is another")
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            self._say(f"{self.path}: damaged ({error}); made again from {self.journal}")
            return nothing
        return {"slots": slots, "decisions": decisions}

    def _read_journal(self) -> list[Entry]:
        entries = []
        if not self.journal.is_file():
            return []
        for number, line in enumerate(self.journal.read_bytes().splitlines(keepends=True), 1):
            try:
                entry = read_sealed(line)
                if not (line.endswith(b"\n") and _is_entry(entry)):
                    raise ValueError("damaged, no decision")
                entries.append(entry)
            except ValueError as error:
                self._say(f"{self.journal}, line {number}: {error}; this line is passed over")
        return entries

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            print(masked(text), file=sys.stderr, flush=True)

    @property
    def slots(self) -> dict[str, Entry]:
        """The state of each slot, as `slot_state` tells it."""
        return dict(self._slots)

    @property
    def decisions(self) -> list[Entry]:
        """All, oldest first."""
        return list(self._decisions)

    def champions(self, slot: str) -> list[Entry]:
        """Decisions that made a version champion, newest first."""
        mine = [e for e in self._decisions if e["slot"] == slot and e["action"] in CROWNED]
        return mine[::-1]

    def append(self, slot: str, action: str, reason: str, **facts: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._read()
        number = 1 + max(map(_number, self._decisions), default=0)
        told = {"slot": slot, "action": action, "reason": reason, **facts}
        self._add([{"time": now, NUMBER: number, **told}])

    def tells(self, slot: str, action: str, reason: str, **facts: Any) -> bool:
        """Whether this very decision is the last one of that version of the slot."""
        wanted = json.loads(json.dumps({"slot": slot, "action": action, "reason": reason, **facts}))
        same = {key: wanted.get(key) for key in ("slot", "version", "identity")}
        mine = [e for e in self._decisions if all(e.get(key) == same[key] for key in same)]
        return bool(mine) and wanted == {k: v for k, v in mine[-1].items() if k not in OWN}

    def _add(self, entries: list[Entry]) -> None:
        """To the journal first, with what it lacks of what was shown; then it is shown."""
        added = [*self._lacking, *entries]
        with writable(self.journal):
            self.journal.parent.mkdir(parents=True, exist_ok=True)
            _end_torn_line(self.journal)
            with self.journal.open("ab") as file:
                file.write(b"".join(sealed(entry) for entry in added))
                file.flush()
                os.fsync(file.fileno())
        self._lacking = []
        self._decisions += entries
        self.write()

    def set_slots(self, slots: dict[str, Entry]) -> None:
        """Sets the state of the slots; the file is left alone where nothing is new."""
        self._read()
        if self._lacking:
            self._add([])
        self._slots = slots
        if not self.path.is_file() or self.path.read_bytes() != self._shown().encode():
            self.write()

    def write(self) -> None:
        with writable(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_text_whole(self.path, self._shown())

    def _shown(self) -> str:
        digest = _digest(self._slots, self._decisions)
        content = {"slots": self._slots, "decisions": self._decisions, "digest": digest}
        return json.dumps(content, indent=2) + "\n"


def _digest(slots: dict[str, Entry], decisions: list[Entry]) -> str:
    content = json.dumps([slots, decisions], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _key(entry: Entry) -> str:
    return json.dumps(entry, sort_keys=True)


def _number(entry: Entry) -> int:
    """0 of an entry of before there were numbers."""
    number = entry.get(NUMBER)
    return number if type(number) is int else 0


def _place(entry: Entry) -> tuple[int, str, str]:
    """The same in whichever file; of before, and of one second: the order in which they stand."""
    number = _number(entry)
    return number, entry["time"], _key(entry) if number else ""


def entry_digest(entry: Entry) -> str:
    """Of an entry as it stands in the ledger."""
    return hashlib.sha256(_key(entry).encode()).hexdigest()[:32]


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(each), str) for each in TOLD)


def _end_torn_line(path: Path) -> None:
    """Whoever died while it wrote left half a line, which the next one must not be joined to."""
    if path.is_file() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
