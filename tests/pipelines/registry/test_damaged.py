"""Files of a version that are damaged: never crowned, by whichever way; registered anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines import promote
from pipelines.host import places
from pipelines.registry.versions import Registry, Version, champion_checkpoint
from pipelines.tracking.version_digests import FILES_TAG, tag_of_model
from tests.worlds.promoted import SLOT, actions, offer
from tests.worlds.registries import artifacts, flip, verified
from tests.worlds.results import write_results

pytestmark = [
    pytest.mark.contract,  # MLflow asks the machine by a process
    pytest.mark.usefixtures("registry_home"),
]
BOTH = (SLOT, "pose-coco-lite")


def weights(registry: Registry, number: str) -> Path:
    return artifacts(registry, number) / "artifacts" / "model.safetensors"


def champion(registry: Registry, slot: str = SLOT) -> Version:
    found = registry.aliased(slot, "champion")
    assert found is not None
    return found


def test_a_damaged_model_of_two_slots_is_mended_in_both_at_once() -> None:
    write_results("good", quality=0.7)
    offer("good", slots=BOTH)
    registry = Registry()
    was = champion(registry)
    assert champion(registry, BOTH[1]).source == was.source, "stored once"
    flip(weights(registry, "1"))
    assert not verified(mend=False, slots=BOTH)
    assert verified(slots=BOTH)
    now = [champion(registry, slot) for slot in BOTH]
    assert [registry.damage(each) for each in now] == ["", ""]
    assert [each.number for each in now] == ["2", "2"]
    assert now[0].source == now[1].source != was.source, "stored once more, for both"
    assert verified(mend=False, slots=BOTH)
    assert actions() == actions(BOTH[1]) == ["promoted", "restored"]


def test_a_damaged_champion_whose_alias_is_gone_is_registered_anew() -> None:
    write_results("good", quality=0.7)
    offer("good", slots=BOTH)
    registry = Registry()
    flip(weights(registry, "1"))
    for slot in BOTH:
        registry.point(slot, "champion", None)
    offer(slots=BOTH)
    for slot in BOTH:
        assert champion(registry, slot).number == "2"
        assert registry.damage(champion(registry, slot)) == ""


def test_a_champion_that_is_measured_is_the_one_that_was_registered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Wrong bits in what was brought of it once decide nothing."""
    write_results("good", quality=0.7)
    offer("good", slots=(SLOT,))
    path, identity = champion_checkpoint(SLOT)
    was = path.read_bytes()
    flip(path)
    assert champion_checkpoint(SLOT) == (path, identity) and path.read_bytes() == was
    (brought,) = places.runs().glob(f"versions/{SLOT}/1-*/model.safetensors")
    flip(brought)
    capsys.readouterr()
    assert champion_checkpoint(SLOT) == (path, identity) and path.read_bytes() == was
    assert "brought again (" in capsys.readouterr().err
    flip(brought)
    flip(weights(Registry(), "1"))
    with pytest.raises(ValueError, match="not the files that were registered"):
        champion_checkpoint(SLOT)


def test_a_damaged_candidate_that_wins_is_registered_anew_and_crowned() -> None:
    write_results("good", quality=0.6, seed=1)
    write_results("better", quality=0.8, seed=2)
    registry = Registry()
    offer("good", "better", slots=(SLOT,))
    assert promote.main(["--rollback", SLOT]) == 0
    flip(weights(registry, "2"))
    for tag in ("limber.stepped_down", "limber.decided"):
        registry.untag(registry.version(SLOT, "2"), tag)
    offer("better", slots=(SLOT,))
    assert champion(registry).number == "3" and registry.damage(champion(registry)) == ""
    assert registry.aliases(SLOT) == {"champion": "3", "candidate": "3", "previous": "1"}


def test_a_damaged_champion_that_gives_way_is_not_kept_as_previous() -> None:
    write_results("good", quality=0.6, seed=1)
    offer("good", slots=(SLOT,))
    registry = Registry()
    flip(weights(registry, "1"))
    write_results("better", quality=0.8, seed=2)
    offer("better", slots=(SLOT,))
    assert registry.aliases(SLOT) == {"champion": "2", "candidate": "2"}


def test_a_version_without_the_tag_of_its_digests_is_not_crowned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_results("good", quality=0.6, seed=1)
    write_results("better", quality=0.8, seed=2)
    offer("good", "better", slots=(SLOT,))
    registry = Registry()
    registry.client.delete_model_version_tag(SLOT, "1", FILES_TAG)
    assert promote.main(["--rollback", SLOT]) == 2
    assert f"no tag {FILES_TAG}" in capsys.readouterr().err
    assert champion(registry).number == "2" and actions() == ["promoted", "promoted"]
    registry.client.delete_model_version_tag(SLOT, "2", FILES_TAG)
    assert not verified(mend=False)
    assert verified()
    assert champion(registry).number == "3" and FILES_TAG in champion(registry).tags
    assert champion(registry).tags["limber.recipe"] == "better"


def test_a_store_that_gives_back_other_files_is_refused() -> None:
    write_results("good", quality=0.6, seed=1)
    offer("good", slots=(SLOT,))
    registry = Registry()
    source = champion(registry).source
    given = {"artifacts/card.json": "0" * 64}
    with pytest.raises(ValueError, match=r"artifacts/card\.json does not come back as it was"):
        tag_of_model(registry.uri, source, given)
    found = dict(json.loads(champion(registry).tags[FILES_TAG]))
    assert tag_of_model(registry.uri, source, found) == champion(registry).tags[FILES_TAG]
