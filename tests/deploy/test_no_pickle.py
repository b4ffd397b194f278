"""No process that loads a model loads a pickle: ours, those that ours start, and those that our
pages say how to start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pipelines.tracking.descriptions import model_text
from pipelines.tracking.server import be_impatient, mlflow_client
from tests.worlds.here import ROOT

NAME = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"


@pytest.mark.contract  # MLflow asks a process what this machine is
@pytest.mark.parametrize("begin", [be_impatient, mlflow_client])
def test_our_own_processes_whatever_the_shell_says(
    begin: Callable[[], object], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, "true")
    begin()
    assert os.environ[NAME] == "false"


@pytest.mark.contract
@pytest.mark.parametrize("how", ["run", "keep"])
def test_what_the_hook_starts(how: str, tmp_path: Path) -> None:
    note = tmp_path / "note"
    text = (
        "import sys, time; from deploy import on_promotion\n"
        "keep, *command = sys.argv[1:]\n"
        "deployer = on_promotion.Deployer(command, keep == 'keep')\n"
        "deployer.start(); deployer.ask('pose-coco', '3')\n"
        f"import pathlib; note = pathlib.Path({str(note)!r})\n"
        "while not (note.is_file() and note.read_text()): time.sleep(0.02)\n"
        "deployer.end()\n"
    )
    command = [sys.executable, "-c", text, how, "sh", "-c", f"echo ${NAME} > {note}; sleep 0.1"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, NAME: "true"}, check=True, timeout=60)
    assert note.read_text() == "false\n"


@pytest.mark.parametrize(
    "text", ["README.md", "mlflow/README.md", "model_text"], ids=["readme", "mlflow", "page"]
)
def test_the_command_that_serves_as_it_is_told(text: str) -> None:
    """Behind the hook it needs none: the hook sets it."""
    told = model_text("pose-coco") if text == "model_text" else (ROOT / text).read_text()
    lines = told.splitlines()
    found = [n for n, line in enumerate(lines) if re.search(r"mlflow models serve -m", line)]
    assert found
    for number in found:
        before = f"{lines[number - 1]}\n{lines[number]}"
        assert f"{NAME}=false" in before or "on_promotion.py --keep -- \\" in before, before


def test_images_and_the_server() -> None:
    compose = yaml.safe_load((ROOT / "mlflow/compose.yaml").read_text())
    servers = [
        each for each in compose["services"].values() if "mlflow server" in str(each.get("command"))
    ]
    assert servers and all(each["environment"][NAME] == "false" for each in servers)
    assert re.search(
        rf"^ENV (.*\\\n)*\s+{NAME}=false", (ROOT / "deploy/Dockerfile").read_text(), re.M
    )
