"""Things broken on purpose, as a table: tried, recovered, refused, lost.

    python -m tests.chaos [WORD ...] [--draw] [--trials N] [--seed 0] [--beside 2] [--go-on]
    python -m tests.chaos NAME --case 17        one case again, with what it printed

A row is a process of its own, so that one which dies counts as lost, a long one several; as many
at once as --beside says. What a row printed is kept in chaos/NAME-CASE.log below the temporary
directory, by its first case, and what came of it in .json: --go-on takes what has ended from
there, where commit, seed and cases are the same. Exit 1 where anything was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from pipelines.host.lineage import git_commit
from pipelines.host.signals import end_with_parent
from tests.chaos.fault import Fault, Tally, try_fault
from tests.chaos.menu import MINUTES, named

ROW_SECONDS = 4 * 3600
PART_MINUTES = 25  # of a long row that is shared among processes


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tests.chaos", None, __doc__,
                                     formatter_class=formatter)  # fmt: skip
    parser.add_argument("words", nargs="*", metavar="WORD", help="rows whose name holds it")
    parser.add_argument("--draw", action="store_true", help="the short draw of each row")
    parser.add_argument("--trials", type=int, help="of each row, instead of its own number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="that case alone, in this process")
    parser.add_argument("--beside", type=int, default=os.cpu_count() or 1, help="rows at once")
    parser.add_argument("--go-on", action="store_true", help="with what has ended before")
    parser.add_argument("--cases", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--row-into", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    given = parse(arguments)
    faults = [each.short() if given.draw else each for each in named(given.words)]
    for told in filter(None, (each.left_out() for each in faults)):
        print(told, flush=True)
    faults = [each for each in faults if not each.left_out()]
    if given.case is not None or given.row_into:
        return sum(one_row(fault, given) for fault in faults)
    folder = Path(tempfile.gettempdir()) / "chaos"
    folder.mkdir(exist_ok=True)
    tallies = {fault.name: Tally() for fault in faults}
    longest_first = sorted(faults, key=lambda fault: -MINUTES.get(fault.name, 0))
    with ThreadPoolExecutor(max(given.beside, 1)) as pool:
        rows = {
            pool.submit(in_own_process, fault, cases, given, folder): fault
            for fault in longest_first
            for cases in parts_of(fault, given)
        }
        waited_for = Counter(fault.name for fault in rows.values())
        for row in as_completed(rows):
            fault = rows[row]
            tallies[fault.name] += row.result()
            waited_for[fault.name] -= 1
            if not waited_for[fault.name]:
                ended = sum(not parts for parts in waited_for.values())
                print(f"{ended}/{len(faults)}  {line(fault, tallies[fault.name])}", flush=True)
                tell_lost(fault, tallies[fault.name], given.seed)
    print(table([(fault, tallies[fault.name]) for fault in faults]))
    return int(any(tally.lost for tally in tallies.values()))


def tell_lost(fault: Fault, tally: Tally, seed: int) -> None:
    for case, what in list(tally.lost.items())[:3]:
        again = f"python -m tests.chaos {fault.name} --seed {seed} --case {case}"
        print(f"    case {case}: {what.strip().splitlines()[-1]}\n    again: {again}", flush=True)


def parts_of(fault: Fault, given: argparse.Namespace) -> list[range]:
    """The numbers of a row's cases, in as many parts as it takes processes."""
    trials = given.trials or (fault.draw if given.draw else fault.trials)
    parts = max(1, min(trials, MINUTES.get(fault.name, 0) // PART_MINUTES))
    return [range(*ends) for ends in pairwise(trials * n // parts for n in range(parts + 1))]


def one_row(fault: Fault, given: argparse.Namespace) -> int:
    """In this process: its cases; a line or, with --row-into, a file of what came out."""
    torch.set_num_threads(1)  # a forked process waits for ever for threads that it has not
    end_all_with_parent()
    case = given.case
    cases = range(*given.cases) if case is None else range(case, case + 1)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        tally = try_fault(fault, cases, given.seed, Path(folder))
    for lost, what in tally.lost.items():
        print(f"case {lost}\n{what}")
    if given.row_into:
        given.row_into.write_text(json.dumps(asdict(tally)))
    else:
        print(line(fault, tally))
    return int(bool(tally.lost))


def end_all_with_parent() -> None:
    """A row that is told to end, or whose table ends, ends what its trial started."""
    this = os.getpid()

    def end(number: int, _: object) -> None:
        if os.getpid() != this:  # forked: what is to be left is ours
            os._exit(128 + number)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    end_with_parent(os.getppid())


def in_own_process(fault: Fault, cases: range, given: argparse.Namespace, folder: Path) -> Tally:
    """Cases of a row as a process: their tally, or one loss that says how it ended."""
    into = folder / f"{fault.name}-{cases.start}.json"
    asked = {"of": commit(), "seed": given.seed, "cases": [cases.start, cases.stop],
             "draw": given.draw}  # fmt: skip
    if given.go_on and (ended := ended_before(into, asked)):
        return ended
    log = into.with_suffix(".log")
    into.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.chaos", fault.name, "--seed", str(given.seed),
               "--cases", *map(str, asked["cases"]), "--row-into", str(into)]  # fmt: skip
    command += ["--draw"] if given.draw else []
    began = time.monotonic()
    with log.open("w") as said:
        try:
            done = subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, check=False,
                                  timeout=ROW_SECONDS)  # fmt: skip
            how = f"ended with {done.returncode}"
        except subprocess.TimeoutExpired:
            how = f"was ended after {ROW_SECONDS} s"
    if not into.is_file():
        lost = {-1 - cases.start: f"the row's process {how}: {log}"}
        return Tally(lost=lost, seconds=time.monotonic() - began)
    told = json.loads(into.read_text())
    into.write_text(json.dumps(asked | {"tally": told}))
    return tally_of(told)


def ended_before(into: Path, asked: dict[str, Any]) -> Tally | None:
    """What came of the same cases at the same commit; None where that is not known."""
    try:
        told = json.loads(into.read_text())
        same = asked["of"] and asked == {key: told[key] for key in asked}
        return tally_of(told["tally"]) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def tally_of(told: dict[str, Any]) -> Tally:
    lost = {int(case): what for case, what in told["lost"].items()}
    return Tally(**told | {"lost": lost})


@cache
def commit() -> str:
    """Of the code that is tried; empty where it is changed, or nobody knows."""
    told = git_commit()
    return "" if told.endswith("-dirty") else told


def line(fault: Fault, tally: Tally) -> str:
    at = f" (struck: {moments(tally)})" if tally.moments else ""
    return (f"{fault.name}: tried {tally.tried}, recovered {tally.recovered}, refused "
            f"{tally.refused}, lost {len(tally.lost)}, {tally.seconds:.0f} s{at}")  # fmt: skip


def moments(tally: Tally) -> str:
    return ", ".join(f"{who} {times}" for who, times in sorted(tally.moments.items()))


def table(rows: list[tuple[Fault, Tally]]) -> str:
    """Markdown: a row per fault and their sum."""
    lines = ["", "| fault | must hold | struck | tried | recovered | refused | lost |",
             "| --- | --- | --- | ---: | ---: | ---: | ---: |"]  # fmt: skip
    total = [0, 0, 0, 0]
    for fault, tally in rows:
        counts = [tally.tried, tally.recovered, tally.refused, len(tally.lost)]
        total = [sum(pair) for pair in zip(total, counts, strict=True)]
        told = [fault.happens, fault.holds, moments(tally), *map(str, counts)]
        lines.append(f"| {' | '.join(told)} |")
    return "\n".join([*lines, f"| all | | | {' | '.join(map(str, total))} |"])


if __name__ == "__main__":
    sys.exit(main())
