"""The command: a store tried out; settings of params.yaml alone reach all that read S3."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import storage
from pipelines.store.node_cache import open_node_cache
from tests.worlds.checkouts import a_shell, copy_checkout, start_dvc, write_params
from tests.worlds.fault_proxy import FaultProxy
from tests.worlds.here import ROOT
from tests.worlds.s3_servers import KEYS

pytestmark = pytest.mark.contract


def keys(s3_server: Any) -> list[str]:
    return [row["Key"] for row in s3_server.list_objects_v2(Bucket="bucket").get("Contents", ())]


def test_a_store_that_works_is_told_and_left_as_it_was(
    s3_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert storage.main(["check", "s3://bucket/some"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"s3://bucket/some at {s3_server.meta.endpoint_url}\n")
    for word in ("writes", "reads it back", "lists it: yes", "16 MiB in parts", "removes", "clock"):
        assert word in said
    assert said.endswith("all works\n") and keys(s3_server) == []


def test_a_folder_is_a_store_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert storage.main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith("all works\n") and not list(tmp_path.iterdir())


def test_what_a_node_keeps_is_told_and_removed_where_nobody_uses_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMBER_CACHE", str(tmp_path))
    cache = open_node_cache(1)
    for name, size in (("images/used", 3 << 20), ("images/free", 2 << 20)):
        cache.folder(name, lambda to, size=size: (to / "a").write_bytes(bytes(size)))
        cache.release()
    cache.folder("images/used", lambda to: pytest.fail("filled again"))
    assert storage.main(["cache"]) == 0
    said = capsys.readouterr().out
    assert "kept      0.003 GiB  images-used\n" in said
    assert "kept      0.002 GiB  images-free\n" in said
    assert f"{tmp_path / 'inputs'}: 0.005 GiB of " in said
    assert storage.main(["cache", "--clear"]) == 0
    said = capsys.readouterr().out
    assert "removed      0.002 GiB  images-free\nkept      0.003 GiB  images-used\n" in said
    assert not (tmp_path / "inputs" / "images-free" / "files").exists()
    cache.release()


@pytest.mark.parametrize("s3_server", ["rclone"], indirect=True)
def test_a_bucket_that_may_be_read_alone_is_told(
    s3_faults: FaultProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    s3_faults.add("AccessDenied", method="PUT")
    assert storage.main(["check", "s3://bucket/some"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: s3://bucket/some: may not be written with these credentials")


@pytest.mark.parametrize(
    "argv, said",
    [
        (["check", "gs://bucket"], "storage: given 'gs://bucket'"),
        (["check", "a/folder"], "storage: given 'a/folder'"),
        (["dvc", "/tmp"], "storage dvc: given '/tmp', accepted: s3://bucket/prefix"),
        (["dvc", "s3://"], "s3://: no bucket"),
        (["none"], "invalid choice"),
    ],
)
def test_what_is_no_store_is_refused(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert storage.main(argv) == 2
    assert said in capsys.readouterr().err


FOUR = """
from pathlib import Path
from pyarrow.fs import FileSystem
from pipelines.store.opening import open_store
from pipelines.store.settings import use_s3_settings
from pipelines.tracking.server import mlflow_client

store = open_store("s3://bucket/ours")
store.write("file", b"boto3")
print(store.read("file").decode())

client = mlflow_client("sqlite:///mlflow.db")
run = client.create_run(client.create_experiment("one", "s3://bucket/mlflow")).info.run_id
Path("note.txt").write_text("mlflow")
client.log_artifact(run, "note.txt")
print(Path(client.download_artifacts(run, "note.txt", ".")).read_text())

use_s3_settings()
files, path = FileSystem.from_uri("s3://bucket/arrow")
with files.open_output_stream(f"{path}/file") as file:
    file.write(b"pyarrow")
print(files.open_input_stream(f"{path}/file").read().decode())
"""


@pytest.mark.full
def test_settings_of_params_alone_reach_all_four(tmp_path: Path, s3_server: Any) -> None:
    checkout = tmp_path / "checkout"
    copy_checkout(checkout)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["s3"] = {"endpoint": s3_server.meta.endpoint_url, "region": "us-east-1"}
    write_params(checkout, params)
    start_dvc(checkout)
    named = ("AWS_", "MLFLOW_", "PYTHONPATH")
    shell = {key: value for key, value in a_shell().items() if not key.startswith(named)} | KEYS

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=checkout, env=shell, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert run("-c", FOUR).split() == ["boto3", "mlflow", "pyarrow"]
    assert "dvc push" in run("-m", "pipelines.storage", "dvc", "s3://bucket/dvc")
    content = "kept by DVC"
    (checkout / "file.txt").write_text(content)
    for command in (["add", "file.txt"], ["push"]):
        run("-m", "dvc", *command)
    subprocess.run(["rm", "-r", "file.txt", ".dvc/cache"], cwd=checkout, check=True)
    run("-m", "dvc", "pull", "--allow-missing")
    assert (checkout / "file.txt").read_text() == content
    below = {key.partition("/")[0] for key in keys(s3_server)}
    assert below == {"ours", "mlflow", "arrow", "dvc"}
