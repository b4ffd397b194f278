"""The train stage as a job of a real cluster: attached to, left alone, stopped, adopted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.cluster.head import FOLDER, one_head, ray_address
from tests.worlds.checkouts import a_shell, small_road

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]
LONG, SHORT = "demo_simple_baseline", "demo_hrnet"
EPOCHS = {LONG: 500, SHORT: 1}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared for a training that would take very long and for a short one; without git."""
    folder = tmp_path_factory.mktemp("asks") / "limber"
    recipes = {name: {"epochs": epochs, "global_batch": 16} for name, epochs in EPOCHS.items()}
    machine = {"profile": "cpu", "address": None}
    small_road(folder, recipes, storage=None, cluster=machine)
    for command in (["fetch", "stick_figures"], ["prepare", "stick_figures"]):
        subprocess.run([sys.executable, "-m", f"pipelines.{command[0]}", *command[1:]], cwd=folder,
                       env=a_shell(), check=True, capture_output=True)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def shell() -> Iterator[dict[str, str]]:
    """Variables of a shell that may use a cluster of this module's own, which asks for a token."""
    with one_head(), ray_address(None) as address:
        tokens = {name: os.environ[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
        yield {k: v for k, v in a_shell().items() if k != FOLDER} | tokens | {
            "RAY_ADDRESS": address
        }  # fmt: skip


class Follower:
    """`python -m pipelines.train RECIPE` in a process of its own; ended at the latest with it."""

    def __init__(self, checkout: Path, shell: dict[str, str], recipe: str) -> None:
        self.log = checkout.parent / f"{time.time_ns()}.log"
        with self.log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.train", recipe],
                cwd=checkout, env=shell, stdout=file, stderr=file,
            )  # fmt: skip

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def says(self, words: str) -> None:
        """Returns when it has."""
        end = time.monotonic() + 300
        while words not in self.log.read_text():
            running = self.process.poll() is None and time.monotonic() < end
            assert running, f"{words!r} is not in: {self.log.read_text()[-4000:]}"
            time.sleep(0.1)

    def code(self) -> int:
        self.process.wait(300)
        return self.process.returncode


def test_a_job_outlives_who_follows_it_and_ends_with_a_signal(
    checkout: Path, shell: dict[str, str]
) -> None:
    with Follower(checkout, shell, LONG) as first:
        first.says("-1: submitted")
        first.says("epoch 1/500")
        with Follower(checkout, shell, LONG) as second:
            second.says("-1: runs already; following it")
            first.process.send_signal(signal.SIGKILL)  # as a laptop that is shut
            second.says("epoch 1/500")  # what was said before, too
            second.process.send_signal(signal.SIGTERM)
            assert second.code() == 128 + signal.SIGTERM, second.log.read_text()[-4000:]
            second.says("-1: STOPPED")
    with Follower(checkout, shell, LONG) as third:
        third.says("-2: submitted")
        third.says("goes on from")
        third.process.send_signal(signal.SIGINT)
        assert third.code() == 128 + signal.SIGINT
    assert not (checkout / f"results/{LONG}/trained").exists()


def test_what_a_left_job_trained_is_adopted(checkout: Path, shell: dict[str, str]) -> None:
    with Follower(checkout, shell, SHORT) as first:
        first.says("-1: submitted")
        first.process.send_signal(signal.SIGKILL)
    with Follower(checkout, shell, SHORT) as second:
        assert second.code() == 0, second.log.read_text()[-4000:]
        assert "-2: submitted" not in second.log.read_text()
    assert (checkout / f"results/{SHORT}/trained/best.pt").is_file()
    with Follower(checkout, shell, SHORT) as third:
        assert third.code() == 0
        third.says("its result is taken over, nothing is trained")


def test_a_missing_token_is_told_with_what_to_do(
    checkout: Path, shell: dict[str, str], tmp_path: Path
) -> None:
    without = {name: value for name, value in shell.items() if not name.startswith("RAY_AUTH")}
    with Follower(checkout, without | {"HOME": str(tmp_path)}, LONG) as refused:
        assert refused.code() == 2
        refused.says("asks for a token: export RAY_AUTH_MODE=token")
