"""A source's look: another one where anything was changed there, the same where nothing was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.datasets.own import OwnData, Part, Source
from data.datasets.stick_figures import draw_split
from data.ground.data_set import DataSet
from data.ground.skeleton import Skeleton
from data.menus import DATASETS
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.look import AWAY, KnownDigests, look, write_look

pytestmark = pytest.mark.usefixtures("home")
VAL = "annotations/person_keypoints_val2017.json"
BOXES = "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"


@pytest.fixture
def coco(home: Path) -> dict[str, Any]:
    """Settings of COCO, whose source is two drawn pictures of each split below the home."""
    for split in ("train", "val"):
        draw_split(home / "coco", split, 2, seed=1)
    (home / "boxes").mkdir()
    (home / "boxes/detector.json").write_text("[]")
    return {"source": "coco", "detections": "boxes/detector.json"}


def seen(kind: DataSet, settings: dict[str, Any]) -> dict[str, Any]:
    return look(kind, settings, KnownDigests(places.home() / "known.json"))


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def test_what_is_written_down(home: Path, coco: dict[str, Any]) -> None:
    found = seen(DATASETS["coco"], coco)["seen"]
    assert found[VAL] == file_digest(home / "coco" / VAL)
    pictures = list((home / "coco/val2017").iterdir())
    assert found["val2017"]["files"] == 2
    assert found["val2017"]["bytes"] == sum(path.stat().st_size for path in pictures)
    assert found["boxes/detector.json"] == file_digest(home / "boxes/detector.json")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda coco: (coco / VAL).write_text("{}"), VAL),
        (lambda coco: next((coco / "val2017").iterdir()).write_bytes(b"x"), "val2017"),
        (lambda coco: touch(next((coco / "train2017").iterdir())), "train2017"),
        (lambda coco: (coco / "train2017/more.jpg").write_bytes(b""), "train2017"),
        (lambda coco: next((coco / "val2017").iterdir()).unlink(), "val2017"),
        (lambda coco: next((coco / "val2017").iterdir()).rename(coco / "val2017/b"), "val2017"),
        (lambda coco: (coco.parent / "boxes/detector.json").write_text("[ ]"),
         "boxes/detector.json"),
    ],
)  # fmt: skip
def test_any_change_is_seen_in_its_place(
    home: Path, coco: dict[str, Any], change: Callable[[Path], object], place: str
) -> None:
    before = seen(DATASETS["coco"], coco)["seen"]
    touch(home / "coco" / VAL)
    assert seen(DATASETS["coco"], coco)["seen"] == before, "labels go by what they hold"
    change(home / "coco")
    after = seen(DATASETS["coco"], coco)["seen"]
    assert {name for name in {**before, **after} if before.get(name) != after.get(name)} == {place}


def test_a_detectors_file_that_comes_later_and_a_source_that_goes_are_seen(
    home: Path, coco: dict[str, Any]
) -> None:
    (home / "coco/person_detection_results").mkdir()
    (home / "coco" / BOXES).write_text("[]")
    assert BOXES in seen(DATASETS["coco"], coco)["seen"]
    (home / "coco").rename(home / "away")
    gone = seen(DATASETS["coco"], coco)["seen"]
    assert gone["val2017"] == AWAY and VAL not in gone


@pytest.mark.parametrize("name", ["stick_figures", "coco_mpii"])
def test_at_drawn_people_and_mixtures_nothing_is_looked_at(name: str) -> None:
    assert seen(DATASETS[name], {"seed": 1, "weights": {}}) == {}
    write_look(name, {})
    assert places.source_look(name).read_text() == "{}\n"


def test_a_file_that_is_as_it_was_is_not_read_again(tmp_path: Path) -> None:
    path, kept = tmp_path / "labels.json", tmp_path / "known.json"
    path.write_text("one")
    known = KnownDigests(kept)
    known.of(path)
    known.keep()
    assert json.loads(kept.read_text()) == {}, "just written: it may change within a tick"
    touch(path)
    known.of(path)
    known.keep()
    told = json.loads(kept.read_text())
    told[str(path)][-1] = "not read"
    kept.write_text(json.dumps(told))
    assert KnownDigests(kept).of(path) == "not read"
    path.write_text("two")
    touch(path)
    assert KnownDigests(kept).of(path) == file_digest(path), "same size and time, told by another"
    kept.write_text("no json")
    assert KnownDigests(kept).of(path) == file_digest(path)


def own(labels: str, images: str, val: Part | None = None) -> OwnData:
    skeleton = Skeleton("toy", ("a", "b"), (), (), (0.05, 0.05), ())
    return OwnData("own", Source("any", Part(labels, images), val), skeleton, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "changed"),
    [
        (own("in/train.json", "in/images"), "in/train.json"),
        (own("in/train.json", "in/images"), "in/images/a/1.jpg"),
        (own("in/train.json", "in/images", Part("in/val.json", "in/images")), "in/val.json"),
        (own("in/data.yaml", "in/images"), "in/labels/a/1.txt"),
        (own("in/data.yaml", "in/images"), "in/data.yaml"),
        (own("in/data.yaml", "in/images"), "in/train.txt"),
        (own("in/labels", "in/images"), "in/labels/a/1.txt"),
    ],
)
def test_of_own_data_all_that_is_read_is_looked_at(home: Path, data: OwnData, changed: str) -> None:
    names = ("train.json", "val.json", "data.yaml", "train.txt", "images/a/1.jpg", "labels/a/1.txt")
    for name in names:
        (home / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "in" / name).write_text(name)
    before = seen(data, {})
    assert seen(data, {}) == before
    (home / changed).write_text("another")
    assert seen(data, {}) != before


@pytest.mark.contract
def test_on_s3_the_tags_tell_and_silence_changes_nothing(
    s3_server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"source": "s3://looked/coco", "detections": "s3://looked/boxes.json"}
    s3_server.create_bucket(Bucket="looked")

    def put(key: str, content: bytes) -> dict[str, Any]:
        s3_server.put_object(Bucket="looked", Key=key, Body=content)
        write_look("coco", settings)
        return dict(json.loads(places.source_look("coco").read_text()))

    put(f"coco/{VAL}", b"one")
    put("coco/val2017/1.jpg", b"one")
    first = put("boxes.json", b"one")
    assert set(first["seen"]) == {VAL, "val2017/1.jpg", "s3://looked/boxes.json"}
    assert put("coco/notes.txt", b"one") == first, "no file of COCO's"
    assert put("coco/val2017/1.jpg", b"one") == first, "the same again"
    second = put("coco/val2017/1.jpg", b"two")["seen"]
    third = put("boxes.json", b"two")
    changed = [name for name in second if second[name] != third["seen"][name]]
    assert changed == ["s3://looked/boxes.json"] and second != first["seen"]
    for key in (f"coco/{VAL}", "coco/val2017/1.jpg", "coco/notes.txt", "boxes.json"):
        s3_server.delete_object(Bucket="looked", Key=key)
    s3_server.delete_bucket(Bucket="looked")
    write_look("coco", settings)
    assert json.loads(places.source_look("coco").read_text()) == third
    assert "taken as it was at the last look" in capsys.readouterr().err
    write_look("coco", {"source": "s3://looked/other"})
    assert json.loads(places.source_look("coco").read_text())["unseen"], "fetch says what is wrong"


@pytest.mark.parametrize("row", [5, None, [], {}, "text", [1, 2, 3, 4, "0" * 64], ["stamp", 5]])
def test_a_row_of_known_digests_that_is_none_is_as_if_unknown(tmp_path: Path, row: object) -> None:
    path, known = tmp_path / "labels.json", tmp_path / "known.json"
    path.write_text("[]")
    touch(path)
    first = KnownDigests(known)
    first.of(path)
    first.keep()
    *stamp, digest = json.loads(known.read_text())[str(path)]
    if row == ["stamp", 5]:
        row = [*stamp, 5]
    known.write_text(json.dumps({str(path): row}))
    again = KnownDigests(known)
    assert again.of(path) == digest == file_digest(path)
    again.keep()
    assert json.loads(known.read_text()) == {str(path): [*stamp, digest]}
