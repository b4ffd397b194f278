"""The one page of all measurements: what each benchmark claims, took and printed, and on what."""

from __future__ import annotations

import ast
import re
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.quiet import told

NEEDS = "NEEDS_REAL_DATA"  # what a benchmark sets that measures nothing without them


@dataclass(frozen=True)
class Benchmark:
    """claim: the first sentence or so of its docstring; needs_real_data: says no number without."""

    name: str
    claim: str
    command: str
    needs_real_data: bool


@dataclass
class Run:
    """One start of a benchmark. before: the load, as `wait_for_quiet` tells it; after: the load;
    seconds by the clock; cpu: seconds of it and all that it waited for; code: how it ended, None
    where it did not; said: all that it printed."""

    before: str = ""
    after: float = 0.0
    seconds: float = 0.0
    cpu: float = 0.0
    code: int | None = None
    said: str = ""

    @property
    def ended(self) -> str:
        """`done`, or what became of it."""
        if self.code is None:
            return "interrupted"
        if self.code < 0:
            return f"failed: ended by {signal.Signals(-self.code).name}"
        return f"failed: exit code {self.code}" if self.code else "done"


@dataclass
class Section:
    """A benchmark with what its runs came to; left_out: why there are none."""

    benchmark: Benchmark
    runs: list[Run] = field(default_factory=list)
    left_out: str = ""

    @property
    def outcome(self) -> str:
        """Of all runs: the first that was not done counts."""
        if self.left_out:
            return f"left out: {self.left_out}"
        others = [run.ended for run in self.runs if run.ended != "done"]
        return others[0] if others else "done" if self.runs else "not yet measured"


def benchmarks_of(folder: Path) -> list[Benchmark]:
    """Those of a package, by name: files that have a `main` and say the command that runs them.

    Read, not imported: nothing of them runs.
    """
    found = (_benchmark(path) for path in sorted(folder.glob("*.py")))
    return [each for each in found if each is not None]


def _benchmark(path: Path) -> Benchmark | None:
    tree = ast.parse(path.read_text())
    text = ast.get_docstring(tree) or ""
    command = f"python -m {path.parent.name}.{path.stem}"
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if "main" not in functions or not re.search(rf"{re.escape(command)}\b", text):
        return None
    claim = " ".join(text.partition("\n\n")[0].split())
    needs = any(
        isinstance(node, ast.Assign) and ast.unparse(node) == f"{NEEDS} = True"
        for node in tree.body
    )
    return Benchmark(path.stem, claim, command, needs)


def page(facts: Sequence[str], sections: Iterable[Section]) -> str:
    """Markdown. facts: lines on the machine and what is installed there."""
    listed = list(sections)
    rows = [f"| {each.benchmark.name} | {_cpu(each)} | {each.outcome} |" for each in listed]
    parts = ["# Benchmarks", "", *(f"- {fact}" for fact in facts), "",
             "| benchmark | CPU s | |", "| --- | ---: | --- |", *rows]  # fmt: skip
    for each in listed:
        parts += ["", f"## {each.benchmark.name}", "", each.benchmark.claim]
        parts += [line for run in each.runs for line in _lines(each.benchmark, run)]
        parts += [] if each.runs else ["", f"{each.outcome[0].upper()}{each.outcome[1:]}."]
    return "\n".join(parts) + "\n"


def _cpu(section: Section) -> str:
    """Of the runs that were done: their median, and the range of several."""
    done = [run.cpu for run in section.runs if run.ended == "done"]
    return told(done, 1) if len(done) > 1 else f"{done[0]:.1f}" if done else ""


def _lines(benchmark: Benchmark, run: Run) -> list[str]:
    line = f"`{benchmark.command}`: {run.ended}; {run.cpu:.1f} s of CPU time in {run.seconds:.1f} s"
    loads = f"before: {run.before}; after: load {run.after:.1f}"
    fence = "`" * max([3, *(len(found) + 1 for found in re.findall("`+", run.said))])
    said = [fence, run.said.rstrip("\n"), fence] if run.said.strip() else ["It printed nothing."]
    return ["", f"{line}; {loads}.", "", *said]
