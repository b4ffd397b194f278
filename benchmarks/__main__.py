"""Every claim of speed, measured on this machine: what all of them print, on one page.

    python -m benchmarks [NAME ...] [--repeats 1] [--patience 120] [--out reports/benchmarks.md]

Each benchmark is a process of its own, started once the machine is quiet (load below 1.5) or
PATIENCE seconds are over; what it prints is shown as it comes. Without names: all but `latency`,
which has a page of its own. The page is written again after each of them, so neither one that fails
nor Ctrl-C loses what others said. Those that need real images are left out where $LIMBER_REAL_DATA
names none. Exit code: 0; 1 where any failed; 2 for a name that there is not; 128 + n by a signal.
"""

from __future__ import annotations

import argparse
import codecs
import difflib
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

import psutil

from benchmarks.machine import commit, machine, versions
from benchmarks.page import Benchmark, Run, Section, benchmarks_of, page
from benchmarks.process_tree import family
from benchmarks.quiet import PATIENCE_S, wait_for_quiet
from data.files.whole_file import write_text_whole
from data.ground.refusal import masked, refusal
from pipelines.host import places
from pipelines.host.signals import Interrupted, catching_signals, hear_signal

HERE = Path(__file__).resolve().parent
APART = ("latency",)  # only where named
LOOK_S, END_S = 0.1, 10.0
Start = Callable[[Benchmark, Path, Run], None]
Process = subprocess.Popen[bytes]


def main(argv: Sequence[str], folder: Path = HERE) -> int:
    """Exit code. folder: a package of benchmarks."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a file here, without .py")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each")
    parser.add_argument("--patience", type=float, default=PATIENCE_S, help="seconds, for quiet")
    parser.add_argument("--out", type=Path, default=places.reports() / "benchmarks.md")
    asked = parser.parse_args(argv)
    try:
        sections = chosen(asked.names, folder)
        with catching_signals():
            measure(sections, folder, asked.out, asked.repeats, asked.patience, start_shown, [
                machine(), versions(), f"git commit {commit(folder)}, begun {datetime.now():%F %R}",
            ])  # fmt: skip
        print(asked.out)
    except ValueError as error:
        print(masked(f"error: {error}"), file=sys.stderr)
        return 2
    except Interrupted as interrupted:
        hear_signal()
        print(f"\ninterrupted; {asked.out} has what was measured", file=sys.stderr)
        return 128 + int(interrupted.args[0])
    return int(any(section.outcome.startswith("failed") for section in sections))


def chosen(names: Sequence[str], folder: Path = HERE) -> list[Section]:
    """Of each benchmark that is asked for a section, still empty. Raises ValueError for a name that
    there is not."""
    there = {each.name: each for each in benchmarks_of(folder)}
    for name in names:
        if name not in there:
            close = difflib.get_close_matches(name, there, n=1)
            do = f"did you mean {close[0]}?" if close else ""
            raise refusal("benchmarks", given=name, accepted=", ".join(there), do=do)
    wanted = dict.fromkeys(names) or [name for name in there if name not in APART]
    return [Section(there[name]) for name in wanted]


def measure(
    sections: Sequence[Section],
    folder: Path,
    out: Path,
    repeats: int,
    patience_s: float,
    start: Start,
    facts: Sequence[str],
) -> None:
    """Fills the sections, one after the other, and writes the page `out` after each run.

    start: what runs a benchmark and fills in its run; facts: lines at the page's head.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    real = os.environ.get("LIMBER_REAL_DATA")
    for section in sections:
        if section.benchmark.needs_real_data and not real:
            section.left_out = "it needs real images, and $LIMBER_REAL_DATA names none"
            print(f"== {section.benchmark.name}: {section.outcome}", flush=True)
    write_text_whole(out, page(facts, sections))
    for section in [each for each in sections if not each.left_out]:
        for _ in range(repeats):
            run = Run(wait_for_quiet(patience_s))
            section.runs.append(run)
            print(f"== {section.benchmark.command} ({run.before})", flush=True)
            try:
                start(section.benchmark, folder, run)
            finally:
                run.after = os.getloadavg()[0]
                write_text_whole(out, page(facts, sections))
            print(f"== {section.benchmark.name}: {run.ended}", flush=True)


def start_shown(benchmark: Benchmark, folder: Path, run: Run) -> None:
    """Runs it to its end beside its package, shows what it says, fills in what it took."""
    command = [sys.executable, *shlex.split(benchmark.command)[1:]]
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:  # no pipe: what it leaves behind would hold it open
        screen = _Screen(said, run)
        try:
            with _process(command, folder.parent, said) as process:
                while not _ended(process, run):
                    screen.show()
                    time.sleep(LOOK_S)
        finally:
            run.seconds = time.perf_counter() - began
            screen.show()


@contextmanager
def _process(command: Sequence[str], folder: Path, said: IO[bytes]) -> Iterator[Process]:
    """It ends, with all that it started, where we are interrupted."""
    buffered = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=folder, env=buffered, stdin=subprocess.DEVNULL, stdout=said, stderr=said
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            _end(psutil.Process(process.pid))
            process.wait()


def _end(process: psutil.Process) -> None:
    all_of_it = family(process)
    for each in all_of_it:
        with suppress(psutil.Error):
            each.terminate()
    for each in psutil.wait_procs(all_of_it, END_S)[1]:
        with suppress(psutil.Error):
            each.kill()


def _ended(process: Process, run: Run) -> bool:
    """Whether it did; how, and what it took, goes into the run."""
    number, status, took = os.wait4(process.pid, os.WNOHANG)
    if not number:
        return False
    run.code = process.returncode = os.waitstatus_to_exitcode(status)
    run.cpu = took.ru_utime + took.ru_stime
    return True


class _Screen:
    """What a process writes into a file, shown as it comes, and kept."""

    def __init__(self, said: IO[bytes], run: Run) -> None:
        self._said, self._run, self._shown = said, run, 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def show(self) -> None:
        fresh = os.pread(self._said.fileno(), os.fstat(self._said.fileno()).st_size, self._shown)
        self._shown += len(fresh)
        text = self._decoder.decode(fresh)
        self._run.said += text
        print(text, end="", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
