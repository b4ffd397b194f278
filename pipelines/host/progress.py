"""What a training shows while it runs: one progress line, and seconds by part."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from data.ground.refusal import masked

EVERY_S = 5.0  # between lines where the output is no terminal
EVERY_TTY_S = 0.5
NOBODY = {  # by the name of a number: whom it is taken over
    "APM": "no medium people",
    "ARM": "no medium people",
    "APL": "no large people",
    "ARL": "no large people",
    "AP_easy": "no easy images",
    "AP_medium": "no medium images",
    "AP_hard": "no hard images",
}


class Clock:
    """Seconds spent, by part: `with clock("validation"): ...`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] = self.read(part) + time.perf_counter() - started

    def read(self, part: str) -> float:
        return self.seconds.get(part, 0.0)


@dataclass(frozen=True)
class Standing:
    """What a progress line was told last, as of then, for whoever tells it elsewhere."""

    samples_per_second: float
    data_wait_share: float
    eta_hours: float

    def numbers(self) -> dict[str, float]:
        return asdict(self)


class ProgressLine:
    """One line that rewrites itself on a terminal; elsewhere a line every few seconds."""

    latest: Standing | None = None  # of this process, which trains one recipe at a time

    def __init__(self, name: str, epochs: int, steps: int, samples_per_step: int) -> None:
        self._name, self._epochs, self._steps = name, epochs, steps
        self._samples_per_step = samples_per_step
        self._tty = sys.stdout.isatty()
        self._next = 0.0 if self._tty else time.monotonic() + EVERY_S

    def show(self, epoch: int, step: int, pace: Pace, loss: Callable[[], float]) -> None:
        """epoch: 0-based; step: done in it; `loss` is only called when a line is due."""
        left = (self._epochs - epoch) * self._steps - step
        rate, waited = pace.steps_per_second, pace.wait_share
        speed, seconds = rate * self._samples_per_step, left / rate
        ProgressLine.latest = Standing(speed, waited, seconds / 3600)
        now = time.monotonic()
        if now < self._next and not (self._tty and step == self._steps):
            return
        self._next = now + (EVERY_TTY_S if self._tty else EVERY_S)
        text = (
            f"{self._name}  epoch {epoch + 1}/{self._epochs}  step {step}/{self._steps}  "
            f"{speed:.1f} samples/s  loss {loss():.3g}  "
            f"data wait {waited:.0%}  ETA {duration(seconds)}"
        )
        print(f"\r{text}\x1b[K" if self._tty else text, end="" if self._tty else "\n", flush=True)

    def epoch_done(self, row: dict[str, float], monitor: str) -> None:
        """A line that stays: what the epoch came to."""
        score = f"  {monitor} {told_number(monitor, row[monitor])}" if monitor in row else ""
        text = (
            f"{self._name}  epoch {row['epoch']:.0f}/{self._epochs}  loss {row['loss']:.3g}{score}"
            f"  {row['samples_per_second']:.1f} samples/s  data wait {row['data_wait_share']:.0%}"
        )
        print(f"\r{text}\x1b[K" if self._tty else text, flush=True)


@dataclass(frozen=True)
class Progress:
    """What a line of `ProgressLine` says: epochs begun of all, time left, the monitored number.

    left: as `duration` writes it, of the whole training; number: `AP@gt 0.312`, of an epoch that is
    done. Either is "" where the line does not tell it.
    """

    name: str
    epoch: int
    epochs: int
    left: str = ""
    number: str = ""


EPOCH = re.compile(r"(?P<name>\S+)  epoch (?P<epoch>\d+)/(?P<epochs>\d+)  ")
LEFT = re.compile(r"  ETA (?P<left>[\d:]+)$")
NUMBER = re.compile(r"  loss \S+  (?P<number>\S+ (?:[\d.]+|nan|no [a-z ]+?))  [\d.]+ samples/s")


def read_progress(line: str) -> Progress | None:
    """A line of `ProgressLine`, read back; None for any other."""
    epoch = EPOCH.match(line)
    if not epoch:
        return None
    left, number = LEFT.search(line), NUMBER.search(line)
    return Progress(
        epoch["name"],
        int(epoch["epoch"]),
        int(epoch["epochs"]),
        left["left"] if left else "",
        number["number"] if number else "",
    )


def told_number(name: str, value: float) -> str:
    """`0.688`; where an evaluator's -1 says that there is nothing to find, whom there is none of.

    name: of the number, with or without its protocol: `APM@gt`, `AR`.
    """
    return f"{value:.3f}" if value >= 0 or value != value else nobody(name)


def told_names(names: Sequence[str], most: int) -> str:
    """`a, b and 3 more`: at most so many of them by name."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def nobody(name: str) -> str:
    """Whom a number of that name would be taken over, where there are none."""
    return NOBODY.get(name.rpartition("@")[0] or name, "no people")


class Pace:
    """Of the steps of one epoch that this process ran: how many per second, how much waiting."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._waited = 0.0
        self.steps = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._waited += time.perf_counter() - started

    @property
    def seconds(self) -> float:
        return max(time.perf_counter() - self._started, 1e-9)

    @property
    def steps_per_second(self) -> float:
        return max(self.steps, 1e-9) / self.seconds

    @property
    def wait_share(self) -> float:
        return self._waited / self.seconds


def duration(seconds: float) -> str:
    """3725 -> `1:02:05`, 125 -> `2:05`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Tally:
    """`add` says what was done; lines go to stderr: `name  1200/5000 images  430/s  ETA 9 s`."""

    def __init__(self, name: str, total: int, unit: str, per: int = 1) -> None:
        """total: in things counted, 0 where it is not known; shown divided by `per`."""
        self._name, self._total, self._unit, self._per = masked(name), total, unit, per
        self._done, self._fresh = 0, 0
        self._tty = sys.stderr.isatty()
        self._started = time.monotonic()
        self._next = self._started + (0.5 if self._tty else 10.0)

    def add(self, count: int = 1, *, fresh: bool = True) -> None:
        """`fresh`: done now; else found done already (does not count as speed)."""
        self._done += count
        self._fresh += count if fresh else 0
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + (0.5 if self._tty else 10.0)
            self.show()

    def close(self) -> None:
        if self._tty:
            self.show()
            print(file=sys.stderr)

    def show(self) -> None:
        """Its line, now."""
        pace = self._fresh / max(time.monotonic() - self._started, 1e-9)
        known = self._total >= self._done > 0  # what was told beforehand may be wrong
        total = f"/{self._total // self._per:,}" if known else ""
        left = f"  ETA {(self._total - self._done) / pace:,.0f} s" if known and pace else ""
        text = (
            f"{self._name}  {self._done // self._per:,}{total} {self._unit}  "
            f"{pace / self._per:,.1f}/s{left}"
        )
        end = "" if self._tty else "\n"
        print(f"\r{text}\x1b[K" if self._tty else text, end=end, file=sys.stderr, flush=True)


def watched(batches: Iterable[Any], total: int, every: float = 10.0) -> Iterator[Any]:
    """The batches, with a line of progress every so many seconds; `total` of their samples."""
    started = last = time.monotonic()
    done = 0
    for batch in batches:
        yield batch
        done += len(batch.sample_id)
        now = time.monotonic()
        if now - last > every:
            last, rate = now, done / (now - started)
            left = (total - done) / rate
            print(f"  {done}/{total}, {rate:.0f}/s, {left:.0f} s left", file=sys.stderr)
