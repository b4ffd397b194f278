"""A cluster that nobody answers for is told in a line; where none is named this machine is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cluster import health
from pipelines.host.checkup import OK, WRONG, Check, found
from pipelines.recipe import health as recipes


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)


def test_without_an_address_this_machine_is_held_against_the_profile() -> None:
    (finding,) = found(Check("Ray", health.cluster))
    assert finding.state == OK and "profile" in finding.said


def test_an_address_where_nobody_listens_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    (finding,) = found(Check("Ray", health.cluster))
    assert finding.state == WRONG and "http://127.0.0.1:1" in finding.said


def test_a_token_is_asked_for_where_the_mode_says_so_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "auth_token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    assert health.token().state == OK
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    missing = health.token()
    assert missing.state == WRONG and missing.do.startswith("ray ")
    token.write_text("hush-hush")
    there = health.token()
    assert there.state == OK and "hush" not in there.said


def test_recipes_that_run_and_params_are_read() -> None:
    """Of this checkout; one that is none is told by its name."""
    states = [each.state for check in recipes.CHECKS for each in found(check)]
    assert states == [OK, OK]
    (wrong,) = recipes.recipe("no_such_recipe")
    assert wrong.state == WRONG and "no_such_recipe" in wrong.said
