"""Passwords, keys and tokens of several kinds are planted; nothing that Limber writes holds one."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import promote
from pipelines.cluster.handing import driver_variables, rank_variables
from pipelines.cluster.package import packed
from pipelines.host import places
from pipelines.tracking import runs
from pipelines.tracking.__main__ import main as tracking
from pipelines.tracking.outbox import Outbox
from pipelines.tracking.server import IMPATIENT
from pipelines.training.handed import HandedTraining
from pipelines.training.stacks import dump_stacks

pytestmark = pytest.mark.contract  # a GPU is asked for its load by a process
SECRET = "hunter2-never-told"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": f"id-{SECRET}",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": f"session-{SECRET}",
    "MLFLOW_TRACKING_PASSWORD": SECRET,
    "MLFLOW_TRACKING_TOKEN": SECRET,
    "RAY_AUTH_TOKEN": SECRET,
    "GITHUB_TOKEN": SECRET,
}
FILES = (
    ".netrc", ".aws/credentials", ".ssh/id_ed25519", ".dvc/config.local", ".env", "mlflow/.env",
    ".ray/auth_token", "token", "pipelines/token.txt", "recipes/.secret.yaml", "data/store/s.yaml",
    ".git/config", "params.local.yaml", "pipelines/.netrc",
)  # fmt: skip


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


def test_nothing_that_is_written_or_said_holds_a_secret(
    checkout: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
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
