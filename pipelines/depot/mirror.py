"""A run folder kept in the store while the training writes it: a thread beside it, of rank 0.

Training never waits for the store and never fails for it before its end: what cannot go up stays in
the run folder, is told in a line and tried again. A checkpoint is linked under another name before
it goes up, so that the training may remove it meanwhile; what was removed before its turn is left
out. The best one and those that are still to be rated go before newer ones: a training that goes on
elsewhere from the newest has the best epoch's weights too. Of the others the newest goes first.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from data.ground.refusal import masked, refusal
from pipelines.depot.checkpoints import (
    bring_missing,
    manifests_here,
    put_checkpoint,
    put_manifest,
    remove_checkpoint,
    remove_others,
    remove_strays,
)
from pipelines.depot.key import run_prefix
from pipelines.depot.owner import LostError, Owner
from pipelines.depot.run_files import RunFiles, bring_outbox, bring_unsent_pictures
from pipelines.store.store import Store
from pipelines.training.checkpoint import Manifest, best_manifests, checkpoint_folder

FAULT_LETTERS = 600  # of what went wrong, in a line
LINKS = ".mirror"  # in a run folder: checkpoints on their way up


@dataclass(frozen=True)
class Pace:
    """Seconds: look_s between looks at the folder; quiet_s between two sendings of small files;
    back_off_s, longest_s: waits after a failure, the first and the longest; patience_s: how long a
    store that does not answer is waited for at the beginning and at the end."""

    look_s: float = 1.0
    quiet_s: float = 30.0
    back_off_s: float = 1.0
    longest_s: float = 60.0
    patience_s: float = 300.0


PACE = Pace()


class Mirror:
    """`begin` before the training, then `start`; `close` after it. See the module."""

    def __init__(self, store: Store, key: str, run_folder: Path, pace: Pace = PACE) -> None:
        self.store, self.key, self._folder, self._pace = store, key, run_folder, pace
        self._owner = Owner(store, key)
        self._files = RunFiles(store, key, run_folder)
        self._there: dict[int, Manifest] = {}  # by step: whole in the store
        self._wake, self._ending = threading.Event(), threading.Event()
        self._state = threading.Condition()
        self._asked = self._done = 0  # flushes
        self._lost: str | None = None
        self._failing: float | None = None  # since when, by time.monotonic
        self._since, self._fault = "", ""
        self._files_sent = -pace.quiet_s
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)

    def begin(self) -> None:
        """Takes the training over and brings what the run folder lacks of it.

        Raises ValueError where the store stays away, or this node's disk takes nothing.
        """
        shutil.rmtree(self._folder / LINKS, ignore_errors=True)
        self._patiently(self._owner.take)
        self._patiently(self._bring)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_lost(self) -> bool:
        """Whether another attempt has taken the training over."""
        return self._lost is not None

    @property
    def trouble(self) -> str:
        """Since when nothing goes up, and why; "" while all does."""
        if self._failing is not None:
            return f"{self._since} ({self._fault})"
        begun = self._thread.ident is not None
        return "its thread died" if begun and not self._thread.is_alive() else ""

    def check(self) -> None:
        """Raises ValueError where another attempt has taken the training over."""
        if self._lost is not None:
            raise self._owner.lost(self._lost)

    def flush(self, timeout: float) -> bool:
        """Waits at most so many seconds until all that lies in the run folder is up: whether."""
        with self._state:
            self._asked += 1
            wanted = self._asked
            self._wake.set()
            self._state.wait_for(lambda: self._done >= wanted or self._lost is not None, timeout)
            return self._done >= wanted

    def leave(self, timeout: float) -> bool:
        """The end of a training that is to go on elsewhere: as `flush`, and the thread ends."""
        up = self.flush(timeout)
        self._end()
        return up

    def close(self) -> None:
        """The end of a whole training: waits until all is up.

        Raises ValueError where another attempt has taken over, and where the store does not answer
        for the pace's patience from now on: then what is not up stays in the run folder.
        """
        began = time.monotonic()
        while not (up := self.flush(self._pace.look_s)):
            waited = min(self._silent(), time.monotonic() - began)  # from now on, see above
            if self._lost is not None or waited > self._pace.patience_s:
                break
            if not self._thread.is_alive():  # nobody is left who could send
                break
        self._end()
        self.check()
        if not up:
            raise self._not_up()
        with suppress(ValueError):  # a store that is away by now keeps a little more
            remove_others(self.store, self.key, manifests_here(self._folder))

    def _end(self) -> None:
        self._ending.set()
        self._wake.set()
        self._thread.join(self._pace.look_s)  # one that hangs in the network ends with the process

    def _silent(self) -> float:
        """Seconds since the store answered; 0 while it does."""
        return time.monotonic() - self._failing if self._failing is not None else 0.0

    def _not_up(self) -> ValueError:
        waiting = self._pending()
        what = f"{waiting[0].file} is" if waiting else "what the training told is"
        recipe = self.key.rpartition("-")[0]
        return refusal(
            f"{self.store.address}/{run_prefix(self.key)}",
            fault=f"{what} not up, nothing has gone up since {self.trouble}; it "
            f"lies on node {socket.gethostname()} in {self._folder}",
            do=f"when the store answers, run `make repro RECIPE={recipe}`: on that node it goes on "
            "from there, elsewhere from the last checkpoint that is up",
        )

    def _patiently(self, act: Callable[[], None]) -> None:
        """Again while the store does not answer, with a line."""
        end, wait = time.monotonic() + self._pace.patience_s, self._pace.back_off_s
        while True:
            try:
                return act()
            except ValueError as error:
                if isinstance(error.__cause__, OSError) or time.monotonic() + wait > end:
                    raise
                _say(f"{error}; tried again in {wait:.0f} s")
                time.sleep(wait)
                wait = min(2 * wait, self._pace.longest_s)

    def _bring(self) -> None:
        whole = bring_missing(self.store, self.key, self._folder)
        self._there = {manifest.step: manifest for manifest in whole}
        remove_strays(self.store, self.key)
        bring_outbox(self.store, self.key, self._folder)
        bring_unsent_pictures(self.store, self.key, self._folder)
        self._files.know_pictures()

    def _work(self) -> None:
        wait = self._pace.back_off_s
        while not self._ending.is_set():
            self._wake.clear()
            asked = self._asked  # after that: who asks from here on wakes us once more
            try:
                self._look(everything=asked > self._done)
            except LostError as error:
                self._tell_lost(str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever a store raises, training goes on
                self._tell_failing(error)
                flushed = self._asked > self._done
                self._wake.wait(min(wait, self._pace.look_s) if flushed else wait)
                wait = min(2 * wait, self._pace.longest_s)
                continue
            wait = self._pace.back_off_s
            self._tell_up(asked)
            self._wake.wait(self._pace.look_s)

    def _look(self, *, everything: bool) -> None:
        """One look at the folder: what is new goes up, what the training removed goes."""
        due = time.monotonic() - self._files_sent >= self._pace.quiet_s
        if (everything or due or self._pending()) and self._files.changed():
            self._hold()
            self._files.send()
            self._files_sent = time.monotonic()
        while waiting := self._pending():
            self._hold()
            self._send_checkpoint(waiting[0])
        self._remove_gone()

    def _hold(self) -> None:
        """Before anything is written: the training is still ours."""
        if not self._owner.check():  # somebody emptied the store: all goes up anew
            self._owner.take_back()
            self._there.clear()
            self._files.forget()

    def _pending(self) -> list[Manifest]:
        """What is not up yet, in the order in which it goes up: see the module."""
        manifests = manifests_here(self._folder)
        kept = manifests[:-2] + [each for each in manifests[-2:] if each.is_due]
        kept += [each for each in best_manifests(manifests, 1) if each not in kept]
        kept.sort(key=lambda manifest: manifest.step)
        ordered = kept + [each for each in reversed(manifests) if each not in kept]
        return [each for each in ordered if self._there.get(each.step) != each]

    def _send_checkpoint(self, manifest: Manifest) -> None:
        there = self._there.get(manifest.step)
        if there and there.sha256 == manifest.sha256:  # only its rating is new
            put_manifest(self.store, self.key, manifest)
            self._there[manifest.step] = manifest
            return
        path = checkpoint_folder(self._folder) / manifest.file
        link = self._folder / LINKS / f"{manifest.sha256[:12]}-{manifest.file}"
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        try:
            with suppress(FileNotFoundError):  # the training removed it meanwhile
                _link(path, link)
            if link.is_file() and manifest in manifests_here(self._folder):
                put_checkpoint(self.store, self.key, manifest, link, self._hold)
                self._there[manifest.step] = manifest
        finally:
            link.unlink(missing_ok=True)

    def _remove_gone(self) -> None:
        here = {manifest.step for manifest in manifests_here(self._folder)}
        gone = [step for step in self._there if step not in here]
        if not gone or not here:  # an emptied folder is no reason to lose what is up
            return
        self._hold()
        for step in gone:
            if manifest := self._there.get(step):
                remove_checkpoint(self.store, self.key, manifest)
                del self._there[step]

    def _tell_failing(self, error: Exception) -> None:
        self._fault = str(error).splitlines()[0][:FAULT_LETTERS] if str(error) else repr(error)
        if self._failing is None:
            self._failing = time.monotonic()
            self._since = datetime.now().isoformat(" ", "seconds")
            _say(
                f"nothing goes up since {self.trouble}; training goes on, what is "
                f"not up stays in {self._folder} and goes up when {self.store.address} answers"
            )

    def _tell_up(self, asked: int) -> None:
        if self._failing is not None:
            _say(f"{self.store.address} answers again, all is up")
        self._failing = None
        with self._state:
            self._done = asked
            self._state.notify_all()

    def _tell_lost(self, process: str) -> None:
        with self._state:
            self._lost = process
            self._state.notify_all()
        _say(str(self._owner.lost(process)))


def _link(path: Path, link: Path) -> None:
    try:
        os.link(path, link)
    except FileNotFoundError:
        raise
    except OSError:  # a disk that knows no links
        shutil.copyfile(path, link)


def _say(text: str) -> None:
    print(masked(f"mirror: {text}"), file=sys.stderr, flush=True)
