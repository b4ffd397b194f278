"""Passwords, keys and tokens of several kinds are planted; nothing that Limber writes holds one."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipelines import promote, train
from pipelines.cluster.handing import driver_variables, rank_variables
from pipelines.cluster.package import packed
from pipelines.host import places
from pipelines.host.command import Arguments, run_command
from pipelines.tracking import runs
from pipelines.tracking.__main__ import main as tracking
from pipelines.tracking.outbox import Outbox
from pipelines.tracking.server import IMPATIENT
from pipelines.training.attempt import run_rank, train_in_this_process
from pipelines.training.handed import HandedTraining
from pipelines.training.loop import train_loop
from pipelines.training.stacks import dump_stacks
from tests.worlds import drawn

pytestmark = pytest.mark.contract  # a GPU is asked for its load by a process
SECRET = "hunter2-never-told"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": f"id-{SECRET}",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": f"session-{SECRET}",
    "MLFLOW_TRACKING_PASSWORD": SECRET,
    "MLFLOW_TRACKING_TOKEN": SECRET,
    "RAY_AUTH_TOKEN": SECRET,
    "RAY_AUTH_MODE": "token",
    "LIMBER_WEBHOOK_SECRET": SECRET,
    "HF_TOKEN": f"hf_{SECRET}",
    "GITHUB_TOKEN": SECRET,
}
FILES = (
    ".netrc", ".aws/credentials", ".ssh/id_ed25519", ".dvc/config.local", ".env", "mlflow/.env",
    ".ray/auth_token", "token", "pipelines/token.txt", "recipes/.secret.yaml", "data/store/s.yaml",
    ".git/config", "params.local.yaml", "pipelines/.netrc", "pipelines/service_account.json",
    "models/credentials.yaml", "recipes/key.json", "data/skeletons/token.json",
)  # fmt: skip

CRASHES = (
    f"no answer from https://ann:{SECRET}@host/w.pt",
    f"no answer from https://{SECRET}@host/w.pt",
    f"404 of https://b.s3/w.pt?X-Amz-Credential=AKIA{SECRET}%2F1&X-Amz-Signature={SECRET}",
    f"sent {{'Authorization': 'Bearer {SECRET}', 'X-Auth-Token': '{SECRET}'}}",
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, a home and an environment that are full of secrets."""
    folder = tmp_path / "checkout"
    for name in (*FILES, "pipelines/train.py", "params.yaml", "recipes/some.yaml"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"password = {SECRET}\n" if name in FILES else "a: 1\n")
    for name, value in {**VARIABLES, **IMPATIENT, "HOME": str(folder)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LIMBER_GIT_COMMIT", "0123456")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.setenv(name, f"http://ann:{SECRET}@127.0.0.1:9")
    return folder


def told_files(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("login", [f"ann:{SECRET}", SECRET, f"{SECRET}:x-oauth-basic"])
def test_nothing_that_is_written_or_said_holds_a_secret(
    login: str,
    checkout: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.setenv(name, f"http://{login}@127.0.0.1:9")
    run = places.run("some", "f" * 64)
    params: dict[str, object] = {"training": {"epochs": 1}}
    log = runs.open_run("some", "f" * 64, run, params=params, tags={"dataset": "d"})
    log.epoch(0, 1, {"loss": 0.5})
    log.close("FAILED", patience=60)
    assert tracking([str(run / runs.OUTBOX_NAME)]) == 2, "nobody listens there"
    assert promote.main(["--list"]) == 2
    assert not runs.attach_folder(None, "e" * 64, "some", run, {})
    with (run / "stacks-a-rank0.txt").open("w") as file:
        dump_stacks(file, "a rank that stopped moving")
    header = Outbox(run / runs.OUTBOX_NAME).header
    assert header is not None and header["tags"]["limber.dataset"] == "d"
    said = capfd.readouterr()
    assert "127.0.0.1" in said.err, "it was tried"
    assert SECRET not in said.out + said.err
    written = [path for path in told_files(tmp_path) if checkout not in path.parents]
    assert len(written) >= 3, written
    for path in written:
        assert SECRET.encode() not in path.read_bytes(), path
    assert stat.S_IMODE((run / runs.OUTBOX_NAME).stat().st_mode) == 0o600


def test_a_whole_training_its_database_and_its_crashes_hold_none(
    checkout: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Checkpoints, outbox, results, logs, MLflow's database and artifacts, what a crash says."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name)  # a database in the home
    drawn.draw_at_home()
    recipe = drawn.small_recipe(epochs=1, steps_per_epoch=1)
    alone = partial(train_in_this_process, run=partial(run_rank, train=train_loop))
    train.train("small", local=True, recipe=recipe, train_local=alone)
    for said in CRASHES:
        (places.reports() / "crash.txt").parent.mkdir(parents=True, exist_ok=True)
        assert run_command(Arguments("x", ""), [], partial(crash, said)) == 1
        (places.reports() / "crash.txt").write_text(capfd.readouterr().err)
        assert "RuntimeError" in (places.reports() / "crash.txt").read_text()
        for path in told_files(tmp_path / "home"):
            assert SECRET.encode() not in path.read_bytes(), path
    names = {path.name for path in told_files(tmp_path / "home")}
    assert {"best.pt", "mlflow.db", "outbox.jsonl", "summary.json"} <= names
    assert [path for path in told_files(tmp_path / "home") if "checkpoints" in path.parts]
    outbox = next((tmp_path / "home").rglob("outbox.jsonl"))
    assert stat.S_IMODE(outbox.stat().st_mode) == 0o600


def crash(said: str, _: object) -> None:
    raise RuntimeError(said)


def test_a_jobs_package_and_its_variables_hold_none(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with packed(checkout) as folder:
        names = {path.relative_to(folder).as_posix() for path in told_files(folder)}
        assert names == {"pipelines/train.py", "params.yaml", "recipes/some.yaml"}
    assert SECRET not in str(rank_variables(None))
    handed = HandedTraining("some", *["x"] * 7, "cpu", None, False, "", "3.11.7")
    with pytest.raises(ValueError, match="holds a password") as caught:
        driver_variables(handed)
    assert SECRET not in str(caught.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracker:5000")
    assert SECRET not in str(driver_variables(handed))
