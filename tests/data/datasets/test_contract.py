"""Every data set of the menu keeps the contract; a new one is tested by standing there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from data.ground.data_set import DataSet, Making, accept
from data.ground.sample import Pose, Reject, Sample
from data.ground.skeleton import Skeleton, load_skeleton
from data.menus import DATASETS, EVALUATORS

NAMES = sorted(DATASETS)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    dataset = DATASETS[name]
    assert isinstance(dataset.SKELETON, Skeleton)
    assert len(set(dataset.SPLITS)) == len(dataset.SPLITS) >= 2
    assert set(dataset.PUBLISHED) <= set(dataset.SPLITS)
    assert all((count.images > 0) != (count.people > 0) for count in dataset.PUBLISHED.values())


@pytest.mark.parametrize("name", NAMES)
def test_its_evaluators_stand_on_the_menu_and_take_its_skeleton(name: str) -> None:
    dataset = DATASETS[name]
    assert dataset.EVALUATORS
    for evaluator in dataset.EVALUATORS:
        assert EVALUATORS[evaluator](dataset.SKELETON).names


@pytest.mark.parametrize("name", NAMES)
def test_its_files_of_truth_lie_below_its_root(name: str, tmp_path: Path) -> None:
    dataset = DATASETS[name]
    for split in dataset.SPLITS:
        first, *_ = dataset.truth_files(tmp_path, split)
        assert first == dataset.truth_file(tmp_path, split) and first.is_relative_to(tmp_path)
        assert dataset.detections_file(tmp_path, split) is None
        with pytest.raises(ValueError, match="no such file"):
            dataset.truth(tmp_path, split)
        with pytest.raises(ValueError, match="no such file"):
            list(dataset.samples(tmp_path, split))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_fetched_or_makes_its_files(name: str, tmp_path: Path) -> None:
    """By a layout, whose truth is looked at; or it fills the folder that it is given."""
    dataset = DATASETS[name]
    if dataset.LAYOUT is not None:
        assert dataset.LAYOUT.needed and dataset.LAYOUT.folders
        with pytest.raises(ValueError, match="no such file"):
            dataset.check_truth(tmp_path, dataset.SPLITS[0])
        return
    counts = {f"{split}_images": 1 for split in dataset.SPLITS}
    members = {member: tmp_path / "elsewhere" / member for member in dataset.members}
    for root in members.values():
        root.mkdir(parents=True)
    folder = tmp_path / "own"
    folder.mkdir()
    told: list[str] = []

    def counting(what: str, count: int) -> AbstractContextManager[Callable[[], None]]:
        return nullcontext(lambda: told.append(what))

    dataset.make(Making(folder, counts, "params.yaml: x", members, counting))
    assert len(told) == (0 if members else len(dataset.SPLITS))
    assert any(folder.iterdir()) and {path.name for path in folder.iterdir()} >= set(members)


class Least(DataSet):
    """What a data set cannot leave out."""

    SKELETON = load_skeleton("coco")
    SPLITS = ("train",)
    EVALUATORS = ("oks",)

    def truth_file(self, root: Path, split: str) -> Path:
        return root / split

    def samples(self, root: Path, split: str, reject: Reject = accept) -> list[Sample]:
        return []

    def truth(self, root: Path, split: str) -> dict[int, list[Pose]]:
        return {}


def test_what_it_may_leave_out_has_a_default(tmp_path: Path) -> None:
    dataset = Least()
    assert dataset.truth_files(tmp_path, "train") == [tmp_path / "train"]
    assert dataset.detections_file(tmp_path, "train") is None
    assert (dataset.LAYOUT, dataset.PUBLISHED, dataset.members) == (None, {}, {})
    assert dataset.check_weights({"any": 1}, "params.yaml") == {}
    assert dataset.draw_people(tmp_path, "train", [], {}) is None
    dataset.check_truth(tmp_path, "train")


def test_what_it_must_have_is_abstract() -> None:
    class Less(DataSet):
        pass

    with pytest.raises(TypeError, match=r"abstract.*samples.*truth"):
        Less()  # type: ignore[abstract]
