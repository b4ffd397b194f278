"""The stage detect: what it leaves, whole or not at all; whose boxes win, what costs nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from data.files.table import write_table
from data.menus import DATASETS
from pipelines import detect
from pipelines.detection.detected import Detected
from pipelines.detection.detecting import scored_splits, write_detected
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.prepared import data_hash
from pipelines.intake.preparing import prepare
from tests.worlds.drawn import NAME, draw_at_home
from tests.worlds.given_detector import GivenDetector, params_with, shifted

Truth = dict[int, list]  # type: ignore[type-arg]


@pytest.fixture
def truth(home: Path) -> Truth:
    """Of six drawn images, prepared."""
    draw_at_home(train=2, val=6)
    return DATASETS[NAME].truth(places.raw(NAME), "val")


def nobody_opens(name: str) -> NoReturn:
    pytest.fail(f"{name} is opened")


def test_people_are_found_and_scored(truth: Truth, tmp_path: Path) -> None:
    params = params_with(tmp_path / "params.yaml")
    found = shifted(truth, 0.775)
    record = write_detected(NAME, lambda name: GivenDetector(found), params)
    folder = places.detected(NAME)
    assert Detected.read(folder, "") == record and list(record.splits) == ["val"]
    assert record.data_hash == data_hash(NAME) and record.detector is not None
    assert vars(record.detector) == {
        "name": "given", "kind": "told", "sha256": "a" * 64, "settings": {"score": 0.1}
    }  # fmt: skip
    split = record.splits["val"]
    people = sum(len(each) for each in truth.values())
    assert (split.images, split.boxes, split.brought, split.unreadable) == (6, people, False, 0)
    rows = json.loads((folder / split.file).read_text())
    assert split.sha256 == file_digest(folder / split.file)
    assert [row["image_id"] for row in rows] == [i for i in sorted(truth) for _ in truth[i]]
    assert {row["category_id"] for row in rows} == {1}
    boxes = [box for each in found for box in each.box_image.tolist()]
    assert [row["bbox"] for row in rows] == [pytest.approx(box, abs=1e-3) for box in boxes]
    assert split.people is not None and split.people.people == people
    assert split.people.numbers == {"AP": 0.6, "AP50": 1.0, "AR": 0.6}
    assert json.loads(places.detected_metrics(NAME).read_text()) == {"val": split.people.numbers}


def test_the_same_boxes_leave_the_same_files(
    truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else each run would be a change to DVC; how long it took is told."""
    params, left = params_with(tmp_path / "params.yaml"), []
    for steps in (0.0, 1.7):
        ticks = iter([1.0, 1.0 + steps])
        write_detected(NAME, lambda name: GivenDetector(shifted(truth)), params, ticks.__next__)
        left.append({p.name: p.read_bytes() for p in places.detected(NAME).iterdir()})
    assert left[0] == left[1]
    assert f"{NAME} val: 6 images in 1.7 s" in capsys.readouterr().out


def test_without_a_detector_nothing_is_opened_and_a_note_says_so(
    truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = params_with(tmp_path / "params.yaml", dataset=None)
    record = detect.detect(NAME, nobody_opens, params)
    assert record.splits == {} and record.detector is None
    assert [path.name for path in places.detected(NAME).iterdir()] == ["detected.json"]
    assert json.loads(places.detected_metrics(NAME).read_text()) == {}
    said = capsys.readouterr().out
    assert f"python -m pipelines.detect --add NAME FILE --for {NAME}" in said


def test_what_orders_the_stages_is_always_the_same(truth: Truth, tmp_path: Path) -> None:
    noted = set()
    for dataset in (None, NAME):
        params = params_with(tmp_path / "params.yaml", dataset)
        write_detected(NAME, lambda name: GivenDetector(shifted(truth)), params)
        noted.add(places.detected_order(NAME).read_text())
    assert len(noted) == 1


def test_an_image_that_cannot_be_read_is_said_and_the_others_go_on(
    truth: Truth, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = sorted(truth)[2]
    next(places.raw(NAME).rglob(f"*{lost}.jpg")).write_bytes(b"no photo")
    params = params_with(tmp_path / "params.yaml")
    others = {i: people for i, people in truth.items() if i != lost}
    record = detect.detect(NAME, lambda name: GivenDetector(shifted(others)), params)
    split = record.splits["val"]
    assert (split.images, split.unreadable) == (6, 1)
    rows = json.loads((places.detected(NAME) / split.file).read_text())
    assert {row["image_id"] for row in rows} == set(others)
    said = capsys.readouterr()
    assert "1 images cannot be read" in said.out and f"{lost}.jpg: no readable" in said.err


def test_what_fails_leaves_what_was_there(truth: Truth, tmp_path: Path) -> None:
    params = params_with(tmp_path / "params.yaml")
    write_detected(NAME, lambda name: GivenDetector(shifted(truth)), params)
    before = (places.detected(NAME) / "detected.json").read_text()
    with pytest.raises(StopIteration):
        write_detected(NAME, lambda name: GivenDetector([]), params)
    assert (places.detected(NAME) / "detected.json").read_text() == before
    assert not list(places.detected(NAME).parent.glob("*.part"))


def test_a_detector_without_a_digest_is_refused(truth: Truth, tmp_path: Path) -> None:
    params = params_with(tmp_path / "params.yaml", sha256=None)
    with pytest.raises(ValueError, match=r"detectors\.given\.sha256: missing; .*--add given given"):
        write_detected(NAME, nobody_opens, params)


def test_boxes_that_a_data_set_brings_win_and_are_scored(real_coco: Path, tmp_path: Path) -> None:
    prepare("coco", 0.0)
    record = write_detected("coco", nobody_opens, params_with(tmp_path / "params.yaml", "coco"))
    split = record.splits["val"]
    assert split.brought and record.detector is None and split.boxes == 250
    assert split.file.startswith("person_detection_results/")
    assert split.sha256 == file_digest(real_coco / split.file)
    assert split.people is not None and 0.1 < split.people.AP < split.people.AP50 < 1
    assert [path.name for path in places.detected("coco").iterdir()] == ["detected.json"]


@pytest.mark.parametrize("text", ['[{"image_id": 1', '{"boxes": []}'])
def test_a_brought_file_that_is_none_has_no_score(
    home: Path, real_data: Path, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Evaluation refuses it; an AP of 0 would say that its boxes were looked at."""
    shutil.copytree(real_data / "coco_mini", places.raw("coco"))
    prepare("coco", 0.0)
    file = DATASETS["coco"].detections_file(places.raw("coco"), "val")
    assert file is not None
    file.write_text(text)
    record = detect.detect("coco", nobody_opens, params_with(tmp_path / "params.yaml", "coco"))
    split = record.splits["val"]
    assert split.brought and split.boxes == 0 and split.people is None
    assert json.loads(places.detected_metrics("coco").read_text()) == {}
    assert f"{file}: " in (said := capsys.readouterr().out) and "not scored" in said


def test_splits_that_hold_what_is_trained_on_are_not_looked_at(home: Path) -> None:
    images = {"train": "ab", "val": "c", "trainval": "abc", "test": "xyz"}
    for split, names in images.items():
        folder = places.prepared("crowdpose") / split
        folder.mkdir(parents=True)
        write_table(folder / "images.arrow", {"path": list(names)})
    assert scored_splits("crowdpose") == ["val", "test"]
