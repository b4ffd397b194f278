"""Trainings side by side before DVC: real DVC around fake stages; then two real trainings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from tests.worlds.checkouts import a_shell, copy_with_fakes, dvc, edit, run, small_road, start_dvc
from tests.worlds.checkouts import write_params as write
from tests.worlds.waiting import wait_for

pytestmark = [pytest.mark.full, pytest.mark.timeout(1500)]
NAMES = ("demo_hrnet", "demo_simple_baseline")
RUN = {
    "datasets": ["stick_figures"],
    "mixtures": {},
    "recipes": {name: {"dataset": "stick_figures"} for name in NAMES},
}
TRAINING = """
import pathlib, subprocess, sys, time
name = sys.argv[1]
with open("ran.txt", "a") as log:
    log.write(f"alone@{name}\\n")
pathlib.Path(f"begun_{name}").touch()
end = time.monotonic() + 100
while len(list(pathlib.Path().glob("begun_*"))) < 2 and time.monotonic() < end:
    time.sleep(0.05)  # a training that waits for the other, which must run beside it
asked = [sys.executable, "-m", "dvc", "status", f"train@{name}"]
print("lock is", "held" if subprocess.run(asked, capture_output=True).returncode else "free")
print("hangs", flush=True)
while pathlib.Path("hang").is_file():
    time.sleep(0.05)
if pathlib.Path(f"broken_{name}").is_file():
    print("error: broken on purpose", file=sys.stderr)
    sys.exit(1)
"""
ASK = "import json; from pipelines.road import reproduce; print(json.dumps(reproduce([])))"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stages are fakes; so is the command that trains beside others."""
    folder = tmp_path_factory.mktemp("beside") / "limber"
    copy_with_fakes(folder, RUN)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["cluster"]["parallel"] = 2
    write(folder, params)
    (folder / "pipelines/train.py").write_text(TRAINING)
    return folder


def reproduced(folder: Path) -> tuple[list[object], set[str]]:
    """([exit code, {failed: why}], what ran)."""
    (folder / "ran.txt").unlink(missing_ok=True)
    answer = json.loads(run(folder, sys.executable, "-c", ASK).splitlines()[-1])
    log = folder / "ran.txt"
    return answer, set(log.read_text().split()) if log.is_file() else set()


def alone(ran: set[str]) -> set[str]:
    return {each.partition("@")[2] for each in ran if each.startswith("alone@")}


def test_a_signal_ends_all_and_their_stages_stay_out_of_date(checkout: Path) -> None:
    (checkout / "hang").touch()
    code = "import sys; from pipelines.road import road; sys.exit(road([]))"
    with (checkout / "said.txt").open("w") as said:
        command = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=checkout,
            env=a_shell(),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    logs = [checkout / f"runs/logs/{name}.log" for name in NAMES]
    try:
        while not all(log.is_file() and "hangs" in log.read_text() for log in logs):
            assert command.poll() is None, (checkout / "said.txt").read_text()
            time.sleep(0.05)
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(300) == 128 + signal.SIGINT
    finally:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
            command.wait()
    said_all = (checkout / "said.txt").read_text()
    assert "the same command goes on" in said_all
    assert "demo_hrnet  failed  ended by SIGINT" in said_all
    (checkout / "hang").unlink()
    ran = set((checkout / "ran.txt").read_text().split())
    assert {"prepare@stick_figures", "detect@stick_figures"} <= ran
    assert not {f"train@{name}" for name in NAMES} & ran


def test_one_fails_the_other_goes_its_whole_way_and_what_is_there_trains_never(
    checkout: Path,
) -> None:
    (checkout / "broken_demo_hrnet").touch()
    answer, ran = reproduced(checkout)
    assert answer == [1, {"demo_hrnet": "broken on purpose"}]
    assert alone(ran) == set(NAMES)
    assert {"evaluate@demo_simple_baseline", "compare", "promote"} <= ran
    assert not {"train@demo_hrnet", "evaluate@demo_hrnet"} & ran
    for name in NAMES:
        assert "lock is free" in (checkout / f"runs/logs/{name}.log").read_text()

    (checkout / "broken_demo_hrnet").unlink()
    answer, ran = reproduced(checkout)
    assert answer == [0, {}]
    assert alone(ran) == {"demo_hrnet"}
    assert "evaluate@demo_simple_baseline" not in ran

    assert reproduced(checkout) == ([0, {}], set())
    for path in (checkout / "results").glob("*/trained/*"):
        path.unlink()
    assert reproduced(checkout) == ([0, {}], set()), "DVC's cache has it"

    recipe = checkout / "recipes/demo_hrnet.yaml"
    edit(recipe, "seed: 1", "seed: 2")  # its last run is in the cache: that is another one
    answer, ran = reproduced(checkout)
    assert (answer, alone(ran)) == ([0, {}], {"demo_hrnet"})
    edit(recipe, "seed: 2", "seed: 1")
    answer, ran = reproduced(checkout)
    assert answer == [0, {}] and not alone(ran), "its first run is there still"

    clone = a_clone(checkout)
    assert reproduced(clone) == ([0, {}], set())


def a_clone(folder: Path) -> Path:
    """Of a checkout whose results were pushed, pulled."""
    dvc(folder, "remote", "add", "-q", "-d", "there", str(folder.parent / "remote"))
    dvc(folder, "push", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all")
    clone = folder.parent / "clone"
    run(folder, "git", "clone", "-q", str(folder), str(clone))
    dvc(clone, "pull", "-q")
    return clone


def test_two_real_trainings_share_a_head_one_fails_and_is_tried_again(tmp_path: Path) -> None:
    """On two CPUs the second waits for the first; the road's own command. Workers are told where
    our code is; the head ends with the command and leaves nothing."""
    checkout = tmp_path / "limber"
    trainings = {name: {"epochs": 1, "global_batch": 8} for name in NAMES}
    trainings["demo_hrnet"]["epochs"] = 8
    small_road(checkout, trainings, (24, 8), cluster={"parallel": 3})
    path = checkout / "recipes/demo_hrnet.yaml"
    recipe = yaml.safe_load(path.read_text())
    recipe["optimizer"] = {"name": "sgd", "learning_rate": 10.0}  # no loss stays finite
    recipe["losses"]["heatmaps"]["weight"] = 1e4
    path.write_text(yaml.safe_dump(recipe))
    start_dvc(checkout)
    shell = {name: value for name, value in a_shell().items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory(prefix="own-", dir="/tmp") as own:  # Ray wants it short
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.road"],
            cwd=checkout, env=shell | {"TMPDIR": own}, capture_output=True, text=True,
        )  # fmt: skip
        wait_for(lambda: not [*Path(own).glob("limber-*")], "the head's folder to go", 10)
    assert done.returncode == 1, done.stdout[-4000:] + done.stderr[-4000:]
    logs = [path.read_text() for path in (checkout / "runs/logs").glob("*.log")]
    assert "".join(logs).count("starting a local Ray head") == 1
    assert "champion of pose-coco: version 1, demo_simple_baseline" in done.stdout
    assert "demo_simple_baseline  done  AP@gt" in done.stdout
    assert "the loss is not finite" in done.stderr.split("error: trainings failed:")[1]
    summary = json.loads(
        (checkout / "results/demo_simple_baseline/trained/summary.json").read_text()
    )
    assert summary["world_size"] == 2 and summary["run_id"]
    assert (checkout / "results/demo_simple_baseline/metrics.json").is_file()
    assert not (checkout / "results/demo_hrnet/metrics.json").is_file()
