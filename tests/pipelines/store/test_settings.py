"""How S3 is reached: params.yaml, over which the environment wins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.store.settings import s3_variables, use_s3_settings
from tests.worlds.s3_servers import use

TOLD = {
    "AWS_ENDPOINT_URL": "http://params:1",
    "MLFLOW_S3_ENDPOINT_URL": "http://params:1",
    "AWS_REGION": "eu-north-1",
    "AWS_DEFAULT_REGION": "eu-north-1",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A params.yaml that names a server, in an environment that names none."""
    use("http://nowhere", monkeypatch)
    for name in TOLD:
        monkeypatch.delenv(name)
    path = tmp_path / "params.yaml"
    path.write_text("s3: {endpoint: 'http://params:1', region: eu-north-1}\n")
    return path


@pytest.mark.parametrize(
    "here, changed",
    [
        ({}, {}),
        ({"AWS_ENDPOINT_URL": "http://here"}, dict.fromkeys(list(TOLD)[:2], "http://here")),
        (
            {"AWS_ENDPOINT_URL_S3": "http://s3", "AWS_ENDPOINT_URL": "http://here"},
            dict.fromkeys(list(TOLD)[:2], "http://s3"),
        ),
        ({"MLFLOW_S3_ENDPOINT_URL": "http://m"}, {"MLFLOW_S3_ENDPOINT_URL": "http://m"}),
        ({"AWS_DEFAULT_REGION": "x"}, {"AWS_DEFAULT_REGION": "x", "AWS_REGION": "x"}),
    ],
)
def test_the_environment_wins_and_no_secret_is_told(
    here: dict[str, str], changed: dict[str, str], params: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    assert s3_variables(params) == TOLD | changed


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_of_the_environment_that_is_no_address_is_told(
    name: str, params: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "127.0.0.1:9000")
    with pytest.raises(ValueError, match=rf"\${name}: given '127.*accepted: http://HOST:PORT"):
        s3_variables(params)


def test_what_is_unset_is_set_and_a_named_server_is_the_one_of_all(
    params: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in TOLD:  # put back when the test is over
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    use_s3_settings(params)
    assert {name: os.environ[name] for name in TOLD} == TOLD
    for name in TOLD:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://here")
    use_s3_settings(params)
    assert "MLFLOW_S3_ENDPOINT_URL" not in os.environ and "AWS_ENDPOINT_URL" not in os.environ
