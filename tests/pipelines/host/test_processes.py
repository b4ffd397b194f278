"""Children: their exit codes and our signals; a run folder is held by one training at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.host.dvc import THEN, dvc_command
from pipelines.host.processes import run_child, run_lock
from tests.worlds.checkouts import a_shell
from tests.worlds.here import ROOT

pytestmark = pytest.mark.usefixtures("signals_as_before")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.contract
@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
    ],
)
def test_a_childs_end_is_ours(code: str, exit_code: int) -> None:
    assert run_child(python(code)) == exit_code


@pytest.mark.contract
def test_calls_of_dvc_in_one_process_end_with_the_first_that_fails(tmp_path: Path) -> None:
    there, elsewhere = (("--cd", str(each), "root") for each in (ROOT, tmp_path))
    calls = dvc_command(*there, THEN, *elsewhere, THEN, "version")
    done = subprocess.run(calls, cwd=ROOT, env=a_shell(), capture_output=True, text=True)
    assert (done.stdout, done.returncode) == (".\n", 253), done.stderr
    both = dvc_command(*there, THEN, *there)
    done = subprocess.run(both, cwd=ROOT, env=a_shell(), capture_output=True, text=True)
    assert (done.stdout, done.returncode) == (".\n.\n", 0), done.stderr


@pytest.mark.contract
def test_a_child_runs_where_it_is_told_to(tmp_path: Path) -> None:
    assert run_child(python("open('here', 'w')"), tmp_path) == 0
    assert (tmp_path / "here").is_file()


PARENT = """
import sys
from pipelines.host.processes import run_child
sys.exit(run_child([sys.executable, "-c", sys.argv[1]]))
"""
CHILD = """
import signal, sys, time
signal.signal(signal.{name}, lambda number, _: sys.exit({exit_code}))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.contract
@pytest.mark.parametrize(("name", "exit_code"), [("SIGTERM", 5), ("SIGINT", 6)])
def test_signals_reach_the_child_whose_answer_counts(name: str, exit_code: int) -> None:
    """SIGTERM to us is passed on; Ctrl-C reaches the whole process group, and we wait."""
    child = CHILD.format(name=name, exit_code=exit_code)
    parent = subprocess.Popen(
        [*python(PARENT), child],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        if name == "SIGTERM":
            parent.terminate()
        else:
            os.killpg(parent.pid, signal.SIGINT)
        assert parent.wait(60) == exit_code
    finally:
        parent.kill()
        parent.wait()


@pytest.mark.contract
def test_sigterm_is_ours_again_when_the_child_is_over() -> None:
    before = signal.getsignal(signal.SIGTERM)
    run_child(python(""))
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_lock_excludes_and_is_let_go_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    with run_lock(run):
        assert (run / "lock").read_text().startswith(f"process {os.getpid()} on ")
        with (
            pytest.raises(ValueError, match=rf"process {os.getpid()} on .* trains this recipe"),
            run_lock(run, patience_s=0.0),
        ):
            raise AssertionError("two hold it")
    with run_lock(run, patience_s=0.0):
        pass
    with run_lock(tmp_path / "other", patience_s=0.0), run_lock(run, patience_s=0.0):
        pass


@pytest.mark.parametrize("fault", ["the folder", "the lock"])
def test_a_lock_that_cannot_be_written_is_refused_by_its_name(fault: str, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "run"
    in_the_way = run / "lock" if fault == "the lock" else None
    (in_the_way or run.parent.parent).mkdir(parents=True, exist_ok=True)
    if not in_the_way:
        run.parent.write_text("no folder")
    said = rf"^{in_the_way or run}: cannot be written \(.+\); give this user write access to "
    with pytest.raises(ValueError, match=said), run_lock(run):
        raise AssertionError("nobody holds it")


HOLDER = """
import sys, time
from pathlib import Path
from pipelines.host.processes import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.contract
def test_a_run_folder_is_held_by_one_and_freed_by_death(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [*python(HOLDER), str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(ValueError, match=f"process {holder.pid} on"),
            run_lock(tmp_path, patience_s=0.1),
        ):
            raise AssertionError("two hold it")
        holder.kill()
        with run_lock(tmp_path, patience_s=10):
            pass
    finally:
        holder.kill()
        holder.wait()
