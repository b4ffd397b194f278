"""All benchmarks by one command: what they are, what becomes of one that fails, the page."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import HERE, chosen, main, measure
from benchmarks.machine import commit, cpu_model, machine, versions
from benchmarks.page import Benchmark, Run, benchmarks_of, page
from pipelines.host.signals import Interrupted

GOOD = '''"""Ours against theirs:
two lines of it.

    python -m speeds.good [--rounds 3]
"""
def main(): print("ratio 2.5 ```")
if __name__ == "__main__": main()
'''
REAL = '''"""On real images. `python -m speeds.real`"""
NEEDS_REAL_DATA = True
def main(): pass
'''
BAD = '''"""Fails.

    python -m speeds.bad
"""
import sys
def main(): print("so far"); sys.exit("no such thing")
if __name__ == "__main__": main()
'''
KILLED = BAD.replace("bad", "killed").replace(
    'sys.exit("no such thing")', "__import__('os').kill(__import__('os').getpid(), 9)"
)
HELPER = '"""Helps `python -m speeds.good`."""\ndef main(): pass\n'


@pytest.fixture
def speeds(tmp_path: Path) -> Path:
    folder = tmp_path / "speeds"
    folder.mkdir()
    files = {"good": GOOD, "real": REAL, "bad": BAD, "killed": KILLED, "quiet": HELPER}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_file_with_a_main_and_its_command_is_a_benchmark(speeds: Path) -> None:
    good, real = (next(b for b in benchmarks_of(speeds) if b.name == n) for n in ("good", "real"))
    assert [each.name for each in benchmarks_of(speeds)] == ["bad", "good", "killed", "real"]
    claim = "Ours against theirs: two lines of it."
    assert good == Benchmark("good", claim, "python -m speeds.good", needs_real_data=False)
    assert real.needs_real_data


def test_every_benchmark_of_ours_is_one_and_stands_in_the_readme() -> None:
    """A file here that starts when it is run, but the runner itself, and its row or paragraph."""
    files = {p.stem for p in HERE.glob("*.py") if "if __name__ ==" in p.read_text()}
    found = {each.name: each for each in benchmarks_of(HERE)}
    assert set(found) == files - {"__main__"}
    text = (HERE / "README.md").read_text()
    assert [name for name in found if not re.search(rf"\b{name}\b", text)] == []
    assert {name for name, each in found.items() if each.needs_real_data} == {
        "sample_speed", "full_coco", "scaled_decoding",
    }  # fmt: skip


def test_latency_is_measured_where_it_is_named_alone() -> None:
    assert "latency" not in {each.benchmark.name for each in chosen([])}
    names = ["latency", "oks_nms", "latency"]
    assert [each.benchmark.name for each in chosen(names)] == ["latency", "oks_nms"]


def test_a_name_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["oks_nsm"]) == 2
    assert "'oks_nsm'" in (said := capsys.readouterr().err) and "did you mean oks_nms?" in said


def test_the_page_is_whole_after_each_and_tells_what_came_of_it(
    speeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIMBER_REAL_DATA", raising=False)
    out, seen = tmp_path / "reports" / "page.md", []

    def start(benchmark: Benchmark, folder: Path, run: Run) -> None:
        seen.append(out.read_text())
        run.said, run.cpu, run.code = "half of it", len(seen) + 0.25, 3 if len(seen) == 1 else 0
        if benchmark.name == "killed":
            run.code = None
            raise Interrupted(signal.SIGINT)

    sections = chosen(["bad", "good", "real", "killed"], speeds)
    with pytest.raises(Interrupted):
        measure(sections, speeds, out, repeats=2, patience_s=0, start=start, facts=["a machine"])
    assert "| bad |  | not yet measured |" in seen[0] and "| bad |  | failed: exit" in seen[1]
    assert out.read_text() == page(["a machine"], sections)
    rows = [line for line in out.read_text().splitlines() if line.startswith("| ")][2:]
    assert rows == [
        "| bad | 2.2 | failed: exit code 3 |",
        "| good | 3.8 (3.2 to 4.2) | done |",
        "| real |  | left out: it needs real images, and $LIMBER_REAL_DATA names none |",
        "| killed |  | interrupted |",
    ]
    assert out.read_text().count("half of it") == 5 and "\n- a machine\n" in out.read_text()


def test_a_machine_is_told_by_its_names(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: another\n")
    assert cpu_model(told) == "Some CPU @ 2 GHz" and cpu_model(tmp_path / "none")
    assert re.search(r", \d+( of \d+)? cores, [\d.]+ GiB$", machine())
    python = ".".join(map(str, sys.version_info[:3]))
    assert (
        versions(["pytest", "no-such-package"]) == f"Python {python}, pytest {pytest.__version__}"
    )


@pytest.mark.contract
def test_each_is_a_process_whose_words_come_onto_page_and_screen(
    speeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "reports" / "page.md"
    given = ["good", "bad", "killed", "--patience", "0", "--out", str(out)]
    assert main(given, speeds) == 1, "one failed, the others were measured all the same"
    shown, text = capsys.readouterr().out, out.read_text()
    assert commit(speeds) == "none" and "- git commit none, begun " in text
    assert "````\nratio 2.5 ```\n````" in text and "ratio 2.5" in shown
    assert "`python -m speeds.bad`: failed: exit code 1; " in text
    assert "```\nso far\nno such thing\n```" in text and "no such thing" in shown
    assert "| killed |  | failed: ended by SIGKILL |" in text
    good = re.search(r"\| good \| ([\d.]+) \| done \|", text)
    assert good, "Python's own start takes CPU time"
    assert main(["good", "--patience", "0", "--out", str(out)], speeds) == 0


@pytest.mark.contract
def test_what_is_interrupted_is_ended_and_what_it_said_is_kept(
    speeds: Path, tmp_path: Path
) -> None:
    (speeds / "long.py").write_text(
        '"""`python -m speeds.long`"""\nimport os, signal, time\n'
        "def main():\n    print(os.getpid())\n    os.kill(os.getppid(), signal.SIGTERM)\n"
        "    time.sleep(600)\nmain()\n"
    )
    out = tmp_path / "page.md"
    assert main(["long", "--patience", "0", "--out", str(out)], speeds) == 128 + signal.SIGTERM
    said = re.search(r"```\n(\d+)\n```", out.read_text())
    assert said and "| long |  | interrupted |" in out.read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(int(said[1]), 0)
