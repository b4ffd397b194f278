"""What every command shares: its help is its module's docstring, a refusal is one line and 2."""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

from data.ground.refusal import masked, refusal, shown
from data.ground.spans import Seed, Span
from pipelines.host.signals import (
    Interrupted,
    catching_signals,
    end_with_starter,
    hear_signal,
    interruption,
)

STARTED = "LIMBER_STARTED"  # the id of the process of ours that started us
# in the environment of what DVC or a command of ours starts, which is to end with it
STARTED_BY = ("DVC_STAGE", STARTED)
SEEDS: Span = get_args(Seed)[1]
ROOF = Path(__file__).resolve().parents[1]


class Arguments(argparse.ArgumentParser):
    """Of `python -m pipelines.NAME`, `limber NAME`; `--help` explains with the module's docstring.

    Wrong arguments are a ValueError, as whatever else a user can write wrong.
    """

    def __init__(self, name: str, text: str | None, *, intermixed: bool = False) -> None:
        """intermixed: what has no option's name may stand before and behind options."""
        self.read = self.parse_intermixed_args if intermixed else self.parse_args
        super().__init__(
            prog=f"{called()}{name}",
            description=inspect.cleandoc(text or ""),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; {' '.join(self.format_usage().split())}")


class Verb(Arguments):
    """One of several things that a command does, for `add_subparsers(parser_class=Verb)`."""

    def __init__(self, prog: str, text: str) -> None:
        super().__init__("", text)
        self.prog = prog


def run_command(arguments: Arguments, argv: Sequence[str], act: Callable[[Any], int | None]) -> int:
    """Exit code of `act` on what was given; 2 and one line on stderr where it is refused, 128 + n
    where a signal ended it, or, without a word, the end of who reads what it says (`| head`).

    An error that is nobody's is told whole, exit code 1, but for passwords of addresses in it.
    """
    if any(name in os.environ for name in STARTED_BY):
        told = os.environ.get(STARTED, "")
        end_with_starter(int(told) if told.isdecimal() else None)
    try:
        with catching_signals():
            return act(arguments.read(list(argv))) or 0
    except (Interrupted, Exception) as error:  # noqa: BLE001 - as Python itself would tell it
        return _told(error)


def _told(error: BaseException) -> int:
    """The exit code of what ended a command; its words on stderr."""
    if interrupted := interruption(error):
        number = int(interrupted.args[0])
        hear_signal()
        print(f"ended by {signal.Signals(number).name}", file=sys.stderr, flush=True)
        return 128 + number
    if isinstance(error, ValueError):
        print(masked(f"error: {error}"), file=sys.stderr, flush=True)
        return 2
    if isinstance(error, BrokenPipeError) and _nobody_reads():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be said at the end
        return 128 + signal.SIGPIPE
    told = "".join(traceback.format_exception(error))
    print(masked(told), end="", file=sys.stderr, flush=True)
    return 1


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose other end is gone."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def whole_number(span: Span) -> Callable[[str], int]:
    """The `type` of an option: a whole number within the span; argparse names the option."""

    def read(text: str) -> int:
        number = _whole(text)
        if number is None or number not in span:
            given = f"given {shown(text)}, accepted: a whole number, {span}"
            raise argparse.ArgumentTypeError(given)
        return number

    return read


def listed_numbers(option: str, text: str, accepted: str, span: Span) -> list[int]:
    """`785,1000` -> [785, 1000]. Raises ValueError, naming option and what is accepted."""
    numbers = [_whole(word.strip()) for word in text.split(",")]
    within = [number for number in numbers if number is not None and number in span]
    if len(within) < len(numbers):
        raise refusal(option, given=text, accepted=f"{accepted}; each {span}")
    return within


def _whole(text: str) -> int | None:
    try:
        return int(text) if text.isascii() else None
    except ValueError:  # also of thousands of digits
        return None


def called() -> str:
    """What stands before a command's name: as `limber` or by python."""
    return "limber " if os.environ.get("LIMBER_CALLED") else "python -m pipelines."


def command_files(roof: Path = ROOF) -> dict[str, Path]:
    """The file of each command, by its name."""
    files = {path.stem: path for path in roof.glob("*.py")}
    files |= {path.parent.name: path for path in roof.glob("*/__main__.py")}
    return {name: path for name, path in sorted(files.items()) if not name.startswith("__")}


def commands(roof: Path = ROOF) -> Iterator[tuple[str, str]]:
    """(name, the first line of what it says of itself) of every `python -m pipelines.NAME`."""
    for name, path in command_files(roof).items():
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        yield name, text.partition("\n")[0]
