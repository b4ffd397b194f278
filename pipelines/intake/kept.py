"""What came of a source before a fetch was interrupted: used again where the source has it still.

Files below a folder of the source's own, and `.versions` there: a line of json for each that is
whole, [name, version]. A version is what the source tells of a file (an ETag, a date); "" where it
tells nothing, and such a file is brought again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import requests

from data.ground.refusal import refusal
from pipelines.host.writable import writable
from pipelines.intake.download import https_address

LOG = ".versions"
AWAY = "not there"


class Kept:
    """Of one source; for several threads."""

    def __init__(self, downloads: Path, source: str) -> None:
        """downloads: of all sources of a data set."""
        self._downloads = downloads
        self.folder = downloads / hashlib.sha256(source.encode()).hexdigest()[:12]
        self._log, self._lock = self.folder / LOG, threading.Lock()
        self._versions = dict(_rows(self._log))

    def path(self, name: str) -> Path:
        return self.folder / name

    def has(self, name: str, version: str) -> bool:
        return bool(version) and self._versions.get(name) == version and self.path(name).is_file()

    def add(self, name: str, version: str) -> None:
        """The file is there, whole. Raises ValueError where that cannot be written down."""
        with self._lock, writable(self._log):
            self._versions[name] = version
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a") as file:
                file.write(json.dumps([name, version]) + "\n")

    def forget(self) -> None:
        """All of it is where it belongs; what came of other sources has no use any more."""
        shutil.rmtree(self._downloads, ignore_errors=True)


def _rows(log: Path) -> Iterator[tuple[str, str]]:
    """Lines that are whole; the last one may be torn."""
    for line in log.read_text(errors="replace").splitlines() if log.is_file() else ():
        with suppress(ValueError):
            match json.loads(line):
                case [str(name), str(version)]:
                    yield name, version


def served_version(address: str) -> str:
    """What a server tells of a file without sending it; `AWAY`, or "" where it tells nothing.
    Raises ValueError where it does not answer."""
    try:
        answer = requests.head(https_address(address), allow_redirects=True, timeout=30)
    except requests.RequestException as error:
        fault = f"does not answer ({error})"
        raise refusal(address, fault=fault, do="check address and network") from error
    if not answer.ok:
        return AWAY
    told = (answer.headers.get(key) for key in ("ETag", "Last-Modified", "Content-Length"))
    return next((each for each in told if each), "")
