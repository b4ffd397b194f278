"""Own data sets: files stay where they are, what is read is what the user's labels say."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from data.datasets.formats.labels import Labels
from data.datasets.own import OwnData, Part, Source
from data.datasets.sources.splitting import Cut
from data.ground.data_set import Making
from data.ground.sample import Rejected
from data.ground.skeleton import Skeleton
from tests.worlds.labelled import NAMES, image, labels, person

TOY = Skeleton("toy", NAMES, (), (("left_hand", "right_hand"),), (0.05,) * 3, ())
TRAIN, VAL = Part("in/train.json", "in/photos"), Part("in/val.json", "in/photos")


class Read:
    """A reader that knows what each file says."""

    def __init__(self, **said: Labels) -> None:
        self.said, self.asked = said, list[str | None]()

    def __call__(self, file: Path, images: Path, category: str | None = None) -> Labels:
        self.asked.append(category)
        return self.said[file.stem]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "in/photos/über uns").mkdir(parents=True)
    for name in ("train", "val"):
        (tmp_path / f"in/{name}.json").write_text("{}")
    return tmp_path


def made(home: Path, source: Source, read: Read) -> tuple[OwnData, Path]:
    data, root = OwnData("workers", source, TOY, read), home / "raw"
    root.mkdir()
    counting = lambda what, count: nullcontext(lambda: None)  # noqa: E731
    data.make(Making(root, {}, "params.yaml: datasets.workers", {}, counting, home))
    return data, root


def test_two_files_of_labels_become_two_splits(home: Path) -> None:
    read = Read(train=labels(image("über uns/1.jpg")), val=labels(image("2.jpg"), image("3.jpg")))
    data, root = made(home, Source("coco", TRAIN, VAL, category="worker"), read)
    (sample,) = data.samples(root, "train")
    assert sample.image_path == root / "images/train/über uns/1.jpg"
    assert sample.image_path.parent.resolve() == home / "in/photos/über uns", "a link"
    assert sample.poses[0].keypoints_image.tolist() == [[50, 10], [20, 40], [80, 40]]
    assert len(data.truth(root, "val")) == 2
    assert read.asked == ["worker", "worker"]


def test_one_file_is_divided(home: Path) -> None:
    read = Read(train=labels(*(image(f"{n}.jpg") for n in range(10))))
    data, root = made(home, Source("coco", TRAIN, split=Cut(0.2)), read)
    counts = {split: len(list(data.samples(root, split))) for split in data.SPLITS}
    assert counts == {"train": 8, "val": 2}


def test_splits_may_be_the_labels_own(home: Path) -> None:
    read = Read(train=labels(image("1.jpg", split="train"), image("2.jpg", split="val")))
    data, root = made(home, Source("yolo_pose", TRAIN), read)
    (sample,) = data.samples(root, "val")
    assert sample.image_path.name == "2.jpg"


def test_what_the_reader_left_out_is_told_in_quarantine(home: Path) -> None:
    lone = person(seen=[2, 0, 0], id="7")
    read = Read(train=labels(image("1.jpg", lone, person())), val=labels(image("2.jpg")))
    data, root = made(home, Source("coco", TRAIN, VAL), read)
    rejected: list[Rejected] = []
    list(data.samples(root, "train", rejected.append))
    assert [(row.kind, row.id, row.image_id) for row in rejected] == [("person", "7", "1.jpg")]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Source("coco", Part("in/gone.json", "in/photos"), VAL), "in/gone.json: no such file of l"),
        (Source("coco", Part("in/train.json", "in/gone"), VAL), "in/gone: no such folder of imag"),
        (Source("coco", TRAIN), "in/train.json: the labels tell no images of train and val"),
    ],
)
def test_what_is_wrong_names_the_users_file(home: Path, source: Source, says: str) -> None:
    read = Read(train=labels(image("1.jpg")), val=labels(image("2.jpg")))
    with pytest.raises(ValueError, match=says):
        made(home, source, read)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Source("coco", TRAIN, VAL, Cut(0.2)), "x.split: given beside `val`"),
        (Source("coco", TRAIN, split=Cut(1.0)), r"x.split.val: given 1.0, accepted: a share"),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(source: Source, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        source.check("x")


def test_boxes_of_a_detector_are_those_that_the_entry_names(home: Path) -> None:
    source = Source("coco", TRAIN, VAL, detections="elsewhere/boxes.json")
    data = OwnData("workers", source, TOY, Read())
    assert data.detections_file(home, "val") is None
    (home / "person_detection_results").mkdir()
    path = home / "person_detection_results" / "boxes.json"
    path.write_text("[]")
    assert data.detections_file(home, "val") == path
    assert data.detections_file(home, "train") is None
