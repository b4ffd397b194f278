"""What somebody deleted, moved or changed in the registry: the ledger knows it, and mends it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipelines import promote
from pipelines.host import places
from pipelines.registry.ledger import Ledger
from pipelines.registry.versions import Registry
from tests.worlds.promoted import SLOT, actions, ledger, offer
from tests.worlds.registries import artifacts, champion, copy_home, flip, make_home, verified
from tests.worlds.results import write_results

pytestmark = pytest.mark.contract  # MLflow asks the machine by a process
LONG = pytest.mark.full


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make_home(folder)
    return folder


@pytest.fixture
def registry(made: Path, home: Path) -> Registry:
    """Version 2 of AP 0.8 is champion of `pose-coco`, version 1 of 0.6 was before."""
    copy_home(made, home)
    return Registry()


def test_nothing_to_mend_is_said_and_changes_nothing(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    before = places.promotion().read_bytes(), places.promotion_journal().read_bytes()
    assert verified()
    assert f"{SLOT}: as the ledger says" in capsys.readouterr().out
    assert (places.promotion().read_bytes(), places.promotion_journal().read_bytes()) == before


@LONG
def test_an_alias_that_was_moved_or_removed_by_hand_is_set_back(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    was = champion(registry)
    for number in ("1", None):
        registry.point(SLOT, "champion", number)
        assert not verified(mend=False), "only told"
        assert registry.aliases(SLOT).get("champion") == number
        assert verified()
        assert champion(registry) == was and registry.aliases(SLOT)["champion"] == "2"
    said = capsys.readouterr().out
    assert "the alias champion points to version 1, not to version 2 (better, " in said
    assert "the alias champion is gone" in said
    assert actions() == ["promoted", "promoted", "restored", "restored"]


@LONG
@pytest.mark.parametrize("harm", ["version", "flipped", "added", "removed", "code"])
def test_a_champion_that_is_gone_or_damaged_is_registered_again(
    registry: Registry, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    was, files = champion(registry), artifacts(registry, "2") / "artifacts"
    if harm == "version":
        registry.client.delete_model_version(SLOT, "2")
    elif harm == "flipped":
        flip(files / "model.safetensors")
    elif harm == "added":
        (files / "code" / "json.py").write_text("print('in place of ours')\n")
    elif harm == "removed":
        (files / "card.json").unlink()
    else:
        (files.parent / "pose_model.py").write_text("print('in place of ours')\n")
    assert verified()
    assert champion(registry) == was and registry.aliases(SLOT)["champion"] == "3"
    assert not registry.damage(registry.version(SLOT, "3"))
    assert actions() == ["promoted", "promoted", "restored"]
    assert verified(), "once"
    assert len(actions()) == 3
    said = capsys.readouterr().out
    told = {"version": "is not in the registry", "flipped": "artifacts/model.safetensors differs",
            "added": "artifacts/code/json.py was added", "code": "pose_model.py differs",
            "removed": "artifacts/card.json is gone"}  # fmt: skip
    assert told[harm] in said


@LONG
def test_without_its_weights_the_one_before_is_champion(registry: Registry) -> None:
    registry.client.delete_model_version(SLOT, "2")
    shutil.rmtree(places.results() / "better")
    assert not verified(mend=False)
    assert verified()
    assert champion(registry)[0] == "first"
    assert registry.aliases(SLOT) == {"champion": "1"}
    assert "stepped_down" not in str(registry.version(SLOT, "1").tags)
    shutil.rmtree(artifacts(registry, "1"))
    shutil.rmtree(places.results() / "first")
    assert not verified(), "nothing is left to mend it with"


@LONG
def test_a_registry_from_an_older_backup_whose_numbers_come_again(registry: Registry) -> None:
    """Of before version 2; somebody registered another model, which got a number of its own."""
    was = champion(registry)
    registry.client.delete_model_version(SLOT, "2")
    write_results("other", quality=0.7, seed=5)
    kept = places.promotion().read_bytes(), places.promotion_journal().read_bytes()
    offer("other", slots=(SLOT,))
    places.promotion().write_bytes(kept[0])
    places.promotion_journal().write_bytes(kept[1])
    assert champion(registry)[0] != "better"
    assert verified()
    assert champion(registry) == was


@LONG
def test_a_champion_that_the_ledger_does_not_know_is_written_down(registry: Registry) -> None:
    places.promotion().unlink()
    places.promotion_journal().unlink()
    assert verified() and actions() == ["restored"]
    assert champion(registry)[0] == "better"


@LONG
def test_a_damaged_version_never_becomes_champion_nor_comes_back(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    (artifacts(registry, "1") / "artifacts" / "code" / "json.py").write_text("")
    assert promote.main(["--rollback", SLOT]) == 2
    told = capsys.readouterr().err
    assert f"version 1 of {SLOT} at sqlite" in told and "artifacts/code/json.py was added" in told
    assert registry.aliases(SLOT)["champion"] == "2"
    assert verified() and registry.aliases(SLOT) == {"champion": "2", "candidate": "2"}


@LONG
@pytest.mark.parametrize(
    "harm", [b"", b"{", b"[]", b'{"slots": 5, "decisions": {}}', b"\xff", "bit"]
)
def test_a_damaged_ledger_is_made_again_from_its_lines(
    registry: Registry, harm: bytes | str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = places.promotion().read_bytes()
    bit = whole.replace(b'"version": "2"', b'"version": "1"')
    places.promotion().write_bytes(bit if isinstance(harm, str) else harm)
    assert verified() and champion(registry)[0] == "better"
    assert places.promotion().read_bytes() == whole
    assert f"{places.promotion()}: damaged (" in capsys.readouterr().err


def test_damaged_lines_come_back_from_what_is_shown(registry: Registry) -> None:
    journal = places.promotion_journal()
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[0].replace(b"0.6", b"0.9") + lines[1][:40])
    decisions = ledger()["decisions"]
    again = Ledger(places.promotion(), journal)
    assert again.decisions == decisions
    again.append(SLOT, "rejected", "a later one")
    alone = Ledger(places.home() / "none.json", journal)
    assert [each["action"] for each in alone.decisions] == ["promoted", "promoted", "rejected"]
    assert json.loads(places.promotion().read_text())["decisions"] == again.decisions
