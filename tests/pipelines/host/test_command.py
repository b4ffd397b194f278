"""Every command: its help is its docstring, wrong arguments are one line and 2, all are listed."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from pipelines import __main__ as listing
from pipelines.host.command import ROOF, SEEDS, Arguments, commands, listed_numbers, run_command
from pipelines.host.signals import Interrupted

LISTED = dict(commands())


def command(name: str) -> ModuleType:
    """The module that `python -m pipelines.NAME` runs."""
    package = (ROOF / name / "__main__.py").is_file()
    return importlib.import_module(f"pipelines.{name}" + (".__main__" if package else ""))


@pytest.mark.parametrize("name", LISTED)
def test_help_explains(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = command(name)
    with pytest.raises(SystemExit) as end:
        module.main(["--help"])
    told = capsys.readouterr()
    assert end.value.code in (0, None)
    assert inspect.cleandoc(str(module.__doc__)) in told.out
    assert f"usage: python -m pipelines.{name}" in told.out
    assert told.err == ""


@pytest.mark.parametrize("name", LISTED)
def test_a_wrong_option_is_one_line_and_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(name).main(["--no-such-option"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert line.startswith("error: ")
    assert f"usage: python -m pipelines.{name}" in line


TOO_SMALL = ("train demo --workers 0", "submit demo --workers 0", "cost --depth 0",
             "export demo --samples 0", "predict a.jpg --detect-every 0", "predict a.jpg --batch 0",
             "show demo --images 1 --scale 0", "tracking ui --port 0",
             "datasets add own a b --seed -1")  # fmt: skip
ODD = ("-1", "1.5", "many", "", "1e3", "9" * 5000, "1000000000000")


@pytest.mark.parametrize("asked", TOO_SMALL)
def test_a_number_out_of_range_is_refused_by_its_option(
    asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    *words, option, small = asked.split()
    for given in (small, *ODD):
        assert command(words[0]).main([*words[1:], f"{option}={given}"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"argument {option}: given '{given[:500]}" in line
        assert "accepted: a whole number, " in line


def test_every_whole_number_of_a_command_has_a_range() -> None:
    """`int` itself takes 0, -1 and what no machine has room for."""
    files = [ROOF / f"{name}.py" for name in LISTED if (ROOF / f"{name}.py").is_file()]
    for path in (*files, *ROOF.glob("*/__main__.py")):
        given = [node for node in ast.walk(ast.parse(path.read_text())) if is_int(node)]
        assert not given, f"{path.name}: `type=int`; whole_number(Span(...)) says what is accepted"


def is_int(node: ast.AST) -> bool:
    """type=int"""
    return isinstance(node, ast.keyword) and node.arg == "type" and ast.unparse(node.value) == "int"


@pytest.mark.parametrize("given", ["", "a", "1,,2", "²", "-1", "4,5000000000", "1" * 5000])
def test_listed_numbers_are_within_their_range(given: str) -> None:
    with pytest.raises(ValueError, match=r"^--seeds: given .*accepted: as 1,2; each 0 to 4,294,"):
        listed_numbers("--seeds", given, "as 1,2", SEEDS)
    assert listed_numbers("--seeds", "1, 4294967295", "as 1,2", SEEDS) == [1, 2**32 - 1]


def test_all_commands_are_listed_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert listing.main([]) == 0
    _, __, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(LISTED)
    assert {"fetch", "prepare", "train", "evaluate", "compare", "promote"} <= set(LISTED)
    assert {"cluster", "tracking"} <= set(LISTED), "a room with a __main__ is a command"
    for (name, does), line in zip(LISTED.items(), lines, strict=True):
        assert line.split(maxsplit=1)[1] == does
        assert 10 < len(does) <= 90, name
        assert does.endswith("."), f"{name}: the first line is a sentence"


def test_a_new_file_at_the_root_is_listed_and_a_room_is_not(tmp_path: Path) -> None:
    for name, text in {
        "new.py": '"""Does a new thing.\n\nAt length.\n"""\n',
        "__init__.py": '"""The roof."""\n',
        "__main__.py": '"""Lists."""\n',
        "room/__init__.py": '"""A room."""\n',
        "room/file.py": '"""A file."""\n',
        "spoken/__main__.py": '"""Speaks."""\n',
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert dict(commands(tmp_path)) == {"new": "Does a new thing.", "spoken": "Speaks."}


def arguments() -> Arguments:
    made = Arguments("played", "Plays.\n\n    indented\n")
    made.add_argument("what")
    made.add_argument("--count", type=int, default=1)
    return made


def test_the_exit_code_is_that_of_the_act() -> None:
    assert run_command(arguments(), ["x", "--count", "7"], lambda options: options.count) == 7
    assert run_command(arguments(), ["x"], lambda _: None) == 0


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "the following arguments are required: what"),
        (["x", "y"], "unrecognized arguments: y"),
        (["x", "--count", "many"], "argument --count: invalid int value: 'many'"),
    ],
)
def test_wrong_arguments_do_nothing(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[Namespace] = []
    assert run_command(arguments(), argv, done.append) == 2
    assert done == []
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {told}; usage: python -m pipelines.played ")


def test_a_refusal_is_one_line_and_2_and_a_mistake_of_ours_is_told_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(_: Namespace) -> None:
        raise ValueError("a.yaml: given 1, accepted: 2")

    def fail(_: Namespace) -> None:
        raise KeyError("no answer from http://ann:hunter2@tracker:5000/api")

    assert run_command(arguments(), ["x"], refuse) == 2
    assert capsys.readouterr().err == "error: a.yaml: given 1, accepted: 2\n"
    assert run_command(arguments(), ["x"], fail) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told and "KeyError: 'no answer from http://ann:***@tracker" in told
    assert "hunter2" not in told


@pytest.mark.contract
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_who_ends_ends_a_command_without_a_word(unbuffered: str) -> None:
    """As `limber doctor | head -1`."""
    code = (
        "import sys\nfrom pipelines.host.command import Arguments, run_command\n"
        "def act(_):\n    while True: print('a line', flush=True)\n"
        "sys.exit(run_command(Arguments('x', ''), [], act))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOF.parent, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    assert process.stdout and process.stderr
    assert process.stdout.readline() == b"a line\n"
    process.stdout.close()
    assert process.wait(60) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()


def test_another_pipe_that_breaks_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def act(_: object) -> None:
        raise BrokenPipeError("of a server")

    assert run_command(Arguments("x", ""), [], act) == 1
    assert "BrokenPipeError: of a server" in capsys.readouterr().err


@contextmanager
def closes_badly(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except Interrupted:
        raise kind("unexpected position")  # noqa: B904 - as cleaning up does


@pytest.mark.parametrize("kind", [RuntimeError, ValueError, OSError])
def test_a_signal_counts_whatever_cleans_up_raises(
    kind: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    """Torch raises another error where one ends it as it writes a file."""

    def act(_: object) -> None:
        with closes_badly(kind):
            raise Interrupted(signal.SIGTERM)

    assert run_command(Arguments("x", ""), [], act) == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "ended by SIGTERM\n"
