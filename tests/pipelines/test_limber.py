"""`limber` as it lies in an environment's bin: from any folder, completed by a real shell."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import __main__ as limber
from pipelines.host.command import ROOF, commands
from pipelines.host.launcher import install


def test_an_unknown_command_is_one_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert limber.main(["trian"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: command: given 'trian', accepted: analyse, ")


def test_a_command_is_given_its_words_and_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert limber.main(["road", "demo_hrnett"]) == 2
    assert "did you mean 'demo_hrnet'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        limber.main(["tracking", "--help"])
    assert end.value.code in (0, None)
    assert "usage: python -m pipelines.tracking" in capsys.readouterr().out


def test_the_checkout_that_one_stands_in_wins(tmp_path: Path) -> None:
    inside = tmp_path / "other" / "recipes"
    inside.mkdir(parents=True)
    assert limber.checkout(inside) == ROOF
    (tmp_path / "other" / "pipelines").mkdir()
    (tmp_path / "other" / "pipelines" / "__main__.py").touch()
    (tmp_path / "other" / "dvc.yaml").touch()
    assert limber.checkout(inside) == tmp_path / "other" / "pipelines"


@pytest.fixture(scope="module")
def fresh_shell(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with spaces that holds `limber`, and what a shell there knows: nothing else."""
    folder = tmp_path_factory.mktemp("a shell")
    install(folder)
    search = os.pathsep.join([str(folder), "/usr/bin", "/bin"])
    return folder, {"PATH": search, "HOME": str(folder)}


def ask(shell: tuple[Path, dict[str, str]], *words: str) -> subprocess.CompletedProcess[str]:
    folder, variables = shell
    return subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True)


@pytest.mark.contract
def test_from_a_fresh_shell_in_any_folder(fresh_shell: tuple[Path, dict[str, str]]) -> None:
    told = ask(fresh_shell, "limber").stdout.splitlines()
    assert told[0] == "limber NAME (--help explains each):"
    assert [line.split()[0] for line in told[2:]] == list(dict(commands()))
    asked = ask(fresh_shell, "limber", "submit", "--no-such")
    assert asked.returncode == 2
    assert "usage: limber submit " in asked.stderr


@pytest.mark.contract
@pytest.mark.parametrize(("shell", "bare"), [("bash", ["--norc", "-i"]), ("zsh", ["-f", "-i"])])
def test_a_shell_completes(
    fresh_shell: tuple[Path, dict[str, str]], shell: str, bare: list[str]
) -> None:
    """On a terminal, with the lines that `limber --completion` prints."""
    folder, variables = fresh_shell
    if not (program := shutil.which(shell)):
        pytest.skip(f"no {shell} here")
    ours, theirs = pty.openpty()
    command, environment = [program, *bare], {**variables, "TERM": "dumb"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as child:
        os.write(ours, f"source <(limber --completion {shell}) && echo rea''dy\n".encode())
        told = read_until(ours, "ready")
        os.write(ours, b"limber prom\t")
        told = read_until(ours, "limber promote ")
        os.write(ours, b"\x03exit\n")
        child.kill()
    os.close(ours)
    os.close(theirs)
    assert "limber promote " in told


def read_until(terminal: int, word: str) -> str:
    """What the terminal shows up to that word; less where it stays silent for long."""
    told = ""
    while word not in told and select.select([terminal], [], [], 20.0)[0]:
        told += os.read(terminal, 1000).decode(errors="replace")
    return told


@pytest.mark.contract
def test_nothing_of_ours_is_on_the_path_of_others(tmp_path: Path) -> None:
    """A registered model is to need nothing of ours: `limber` alone knows where we are."""
    code = "import importlib.util as i; print([i.find_spec(n) for n in ('pipelines', 'models')])"
    install(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "[None, None]\n", done.stderr
