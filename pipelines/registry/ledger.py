"""reports/promotion.json: every decision with its reason, and who is champion of what."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.files.whole_file import write_text_whole
from data.ground.refusal import refusal

Entry = dict[str, Any]


class Ledger:
    """Appends and never changes an entry; `slots` is what a reader wants to know first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read()

    def _read(self) -> None:
        """What stands there now: somebody else may have written since."""
        self._content: dict[str, Any] = {"slots": {}, "decisions": []}
        if self.path.is_file():
            try:
                self._content |= json.loads(self.path.read_text())
            except ValueError as error:
                raise refusal(
                    self.path,
                    fault=f"damaged ({error})",
                    do="take it from `dvc checkout` or move it away",
                ) from error

    @property
    def slots(self) -> dict[str, Entry]:
        """The state of each slot, as `slot_state` tells it."""
        return dict(self._content["slots"])

    @property
    def decisions(self) -> list[Entry]:
        return list(self._content["decisions"])

    def append(self, slot: str, action: str, reason: str, **facts: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"time": now, "slot": slot, "action": action, "reason": reason, **facts}
        self._read()
        self._content["decisions"].append(entry)
        self.write()

    def set_slots(self, slots: dict[str, Entry]) -> None:
        """Sets the state of the slots; the file is left alone where nothing is new."""
        self._read()
        if self._content["slots"] != slots or not self.path.is_file():
            self._content["slots"] = slots
            self.write()

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text_whole(self.path, json.dumps(self._content, indent=2) + "\n")
