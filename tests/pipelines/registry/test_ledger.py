"""The ledger: its order is that of its numbers, and a decision in it is carried out once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.host import places
from pipelines.registry import ledger as ledger_module
from pipelines.registry.ledger import Ledger
from pipelines.registry.versions import Registry
from pipelines.tracking.sealed import sealed
from tests.worlds.promoted import SLOT, actions, ledger, offer
from tests.worlds.registries import champion, verified
from tests.worlds.results import write_results


@pytest.fixture
def back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes back an hour whenever it is asked."""

    class Clock:
        asked = 0

        @classmethod
        def now(cls, zone: Any) -> datetime:
            cls.asked += 1
            return datetime(2026, 1, 2, tzinfo=UTC) - timedelta(hours=cls.asked)

    monkeypatch.setattr(ledger_module, "datetime", Clock)


def reasons(kept: Ledger) -> list[str]:
    return [each["reason"] for each in kept.decisions]


@pytest.mark.usefixtures("back")
def test_a_clock_that_goes_back_changes_no_order(tmp_path: Path) -> None:
    kept = Ledger(tmp_path / "ledger.json")
    for reason in ("one", "two", "three"):
        kept.append(SLOT, "promoted", reason)
    for path in (kept.path, kept.journal):
        again = Ledger(tmp_path / "ledger.json")
        assert reasons(again) == ["one", "two", "three"]
        assert again.champions(SLOT)[0]["reason"] == "three"
        path.rename(path.with_suffix(".away"))  # what one of the two lacks comes from the other
        alone = Ledger(tmp_path / "ledger.json")
        assert reasons(alone) == ["one", "two", "three"]
        alone.set_slots({})
        path.unlink(missing_ok=True)
        path.with_suffix(".away").rename(path)


@pytest.mark.usefixtures("back")
def test_a_line_that_was_damaged_and_added_again_keeps_its_place(tmp_path: Path) -> None:
    kept = Ledger(tmp_path / "ledger.json")
    for reason in ("one", "two", "three"):
        kept.append(SLOT, "promoted", reason)
    lines = kept.journal.read_bytes().splitlines(keepends=True)
    kept.journal.write_bytes(lines[0] + lines[1].replace(b"two", b"twO") + lines[2])
    Ledger(kept.path).set_slots({SLOT: {}})
    kept.path.unlink()
    assert reasons(Ledger(kept.path)) == ["one", "two", "three"]


def test_two_that_were_written_apart_meet_in_one_order(tmp_path: Path) -> None:
    """What both began with comes first; what each wrote then, by numbers and times."""
    here, there = tmp_path / "here", tmp_path / "there"
    both = [{"time": f"2026-01-0{day}", "slot": SLOT, "action": "promoted", "reason": f"old {day}"}
            for day in (2, 1)]  # fmt: skip
    for folder in (here, there):
        folder.mkdir()
        (folder / "ledger.jsonl").write_bytes(b"".join(map(sealed, both)))
        Ledger(folder / "ledger.json").append(SLOT, "promoted", f"{folder.name} 1")
    Ledger(there / "ledger.json").append(SLOT, "promoted", "there 2")
    merged = Ledger(there / "ledger.json", here / "ledger.jsonl")
    merged.append(SLOT, "promoted", "after both")
    assert reasons(merged)[:2] == ["old 1", "old 2"]
    assert reasons(merged)[-2:] == ["there 2", "after both"]
    assert set(reasons(merged)[2:4]) == {"here 1", "there 1"}
    assert reasons(Ledger(tmp_path / "none.json", here / "ledger.jsonl")) == reasons(merged)


class Killed(BaseException):
    """In place of a SIGKILL: nothing catches it."""


@pytest.mark.contract
@pytest.mark.usefixtures("registry_home")
@pytest.mark.parametrize(("call", "before"), [("point", 0), ("tag", 1), ("tag", 2)])
def test_a_decision_of_one_that_was_killed_is_carried_out_and_not_written_again(
    call: str, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at a change of the registry after the ledger was written. before: such calls that go
    well: `previous` is set before `champion`, tags stand around it."""
    write_results("good", quality=0.5, seed=1)
    write_results("better", quality=0.7, seed=2)
    write_results("worse", quality=0.4, seed=3)
    offer("good", slots=(SLOT,))
    real, left = getattr(Registry, call), [before]

    def dying(*given: Any, **more: Any) -> None:
        if len(actions()) == 2:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
        real(*given, **more)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Registry, call, dying)
        offer("better", slots=(SLOT,))
    assert actions() == ["promoted", "promoted"]
    offer("worse", "better", slots=(SLOT,))
    registry = Registry()
    assert champion(registry)[0] == "better"
    assert registry.aliases(SLOT)["previous"] == "1"
    assert "limber.stepped_down" in registry.version(SLOT, "1").tags
    assert actions() == ["promoted", "promoted", "rejected"]
    assert registry.version(SLOT, "2").tags["limber.reason"] == ledger()["decisions"][1]["reason"]
    registry.point(SLOT, "champion", "1")  # by hand: that is another thing
    offer(slots=(SLOT,))
    assert registry.aliases(SLOT)["champion"] == "1" and not verified(mend=False)


@pytest.mark.contract
@pytest.mark.usefixtures("registry_home")
def test_a_rejection_of_one_that_was_killed_is_not_written_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_results("good", quality=0.7, seed=1)
    write_results("worse", quality=0.6, seed=2)
    offer("good", slots=(SLOT,))

    def dying(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Registry, "tag", dying)
        offer("worse", slots=(SLOT,))
    offer("worse", slots=(SLOT,))
    offer("worse", slots=(SLOT,))
    assert actions() == ["promoted", "rejected"]
    assert Registry().version(SLOT, "2").tags["limber.decision"] == "rejected"


@pytest.mark.contract
@pytest.mark.usefixtures("registry_home")
@pytest.mark.usefixtures("back")
def test_the_newest_champion_stays_where_the_clock_went_back() -> None:
    for number, quality in enumerate((0.5, 0.6, 0.7)):
        write_results(f"r{number}", quality=quality, seed=number)
        offer(f"r{number}", slots=(SLOT,))
    assert verified(mend=False) and verified()
    assert champion(Registry())[0] == "r2" and actions() == ["promoted"] * 3
    assert places.promotion().is_file()
