"""Digits that Python counts as such and `int` does not take, or reads as others, are no numbers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from data.ground.spans import Span
from pipelines.cluster.jobs import attempts
from pipelines.host.command import listed_numbers
from pipelines.tracking.server import address_of, told_address


@pytest.mark.parametrize("digit", ["\u00b2", "\u0663"])
def test_they_are_refused(digit: str) -> None:
    with pytest.raises(ValueError, match="--images: given"):
        listed_numbers("--images", f"1,{digit}", "numbers", Span(1, 99))
    job = SimpleNamespace(submission_id=f"key-{digit}", status="RUNNING")
    assert attempts(SimpleNamespace(list_jobs=lambda: [job]), "key") == {}  # type: ignore[arg-type]
    assert listed_numbers("--images", "1, 20", "numbers", Span(1, 99)) == [1, 20]


def test_an_address_whose_user_is_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = "http://T0ken@tracker:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ours)
    told = told_address(ours)
    assert told == "http://***@tracker:5000" and address_of(told) == ours
    assert address_of("http://***@other:5000") == "http://other:5000"
    assert address_of("http://ann:***@other:5000") == "http://ann@other:5000"
    assert address_of("http://other:5000") == "http://other:5000"
