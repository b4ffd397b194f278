"""What is audited is pinned, and each weakness that is passed over has a reason."""

from __future__ import annotations

import re

import pytest

from tests.worlds.here import ROOT

TOOLS, EXCEPTIONS = ROOT / "deploy" / "audit.txt", ROOT / "deploy" / "audit-exceptions.txt"
EXCEPTION = re.compile(r"(PYSEC|GHSA|CVE)-[\w-]+\s+#\s*\S.{9,}")


def told(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def test_tools_are_pinned_and_no_part_of_the_lock() -> None:
    names = [line.split("==") for line in told(TOOLS.read_text())]
    assert {name for name, _ in names} == {"pip-audit", "cyclonedx-bom"}
    lock = (ROOT / "requirements.lock").read_text()
    assert not [name for name, _ in names if f"\n{name}==" in lock]


def test_exceptions_have_a_reason() -> None:
    assert all(EXCEPTION.fullmatch(line) for line in told(EXCEPTIONS.read_text()))


@pytest.mark.parametrize("line", ["CVE-2026-1", "CVE-2026-1 # no", "numpy # not reached by us"])
def test_an_exception_without_one_is_seen(line: str) -> None:
    assert not EXCEPTION.fullmatch(line)
