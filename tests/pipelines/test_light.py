"""What a command loads before it knows what it is asked: its help and refusals come at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.host.command import command_files
from tests.worlds.checkouts import a_shell
from tests.worlds.here import ROOT

HEAVY = ("torch", "numba", "scipy", "mlflow", "ray", "pandas", "matplotlib", "boto3", "dvc")
CODE = """
import importlib, sys
for name in sys.argv[1].split(","):
    importlib.import_module(f"pipelines.{name}")
    print(name, *(heavy for heavy in sys.argv[2].split(",") if heavy in sys.modules))
"""


LABELS = """
import sys
from pipelines import fetch, prepare
from pipelines.recipe.datasets import data_set, data_set_names
[data_set(name) for name in data_set_names()]
fetch.main(["--look", "stick_figures"])
fetch.main(["--weights", "demo_hrnet"])
try:
    prepare.main(["stick_figures"])
except SystemExit:
    pass
print(*(heavy for heavy in sys.argv[1].split(",") if heavy in sys.modules))
"""


@pytest.mark.contract
def test_what_reads_labels_alone_loads_no_torch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LABELS, ",".join(HEAVY)], cwd=ROOT, capture_output=True, text=True,
        check=True, env=a_shell() | {"LIMBER_HOME": str(tmp_path)},
    )  # fmt: skip
    assert "pipelines.fetch stick_figures" in done.stderr, "nothing was fetched"
    assert (tmp_path / "data/store/weights/demo_hrnet/none.json").is_file()
    assert done.stdout.splitlines() == [""]


@pytest.mark.contract
def test_no_command_loads_what_is_heavy_before_it_is_asked() -> None:
    names = sorted(command_files())
    done = subprocess.run(
        [sys.executable, "-c", CODE, ",".join(names), ",".join(HEAVY)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == names
