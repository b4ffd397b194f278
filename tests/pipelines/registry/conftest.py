"""A registry of a test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.tracking.server import mlflow_client


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """MLflow's tables, made once."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    mlflow_client(f"sqlite:///{path}").search_experiments()
    return path.read_bytes()


@pytest.fixture
def registry_home(home: Path, empty_database: bytes) -> Path:
    """A home with a registry of its own."""
    home.mkdir()
    (home / "mlflow.db").write_bytes(empty_database)
    return home
