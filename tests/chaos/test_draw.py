"""A short draw of each row of the table of faults; `make chaos` tries all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.fault import Fault, try_fault
from tests.chaos.menu import FAULTS

pytestmark = [pytest.mark.contract, pytest.mark.full]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_is_lost(fault: Fault, tmp_path: Path) -> None:
    if why := fault.left_out():
        pytest.skip(why)
    tally = try_fault(fault.short(), range(fault.draw), 0, tmp_path)
    assert not tally.lost, "\n".join(tally.lost.values())
    assert tally.tried == fault.draw > 0
