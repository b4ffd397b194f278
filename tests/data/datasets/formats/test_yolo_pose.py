"""YOLO-pose: wrong settings and lines, which image is whose, turned photos, what is written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.datasets.formats import yolo_pose
from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from data.datasets.formats.yolo_pose import place_of

SHAPE = "kpt_shape: [2, 3]\n"
LINE = "0 0.5 0.5 0.5 0.5 0.25 0.5 2 0.75 0.5 1\n"


def make(root: Path, text: str = SHAPE, lines: str = LINE, name: str = "a") -> Path:
    """data.yaml, an image of 40 x 20, its lines."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "labels").mkdir(exist_ok=True)
    Image.new("RGB", (40, 20)).save(root / "images" / f"{name}.png")
    (root / "labels" / f"{name}.txt").write_text(lines)
    (root / "data.yaml").write_text(text)
    return root / "data.yaml"


def read(root: Path, text: str = SHAPE, lines: str = LINE, category: str | None = None) -> Labels:
    return yolo_pose.read(make(root, text, lines), root / "images", category)


def test_fractions_become_pixels(tmp_path: Path) -> None:
    image = read(tmp_path).images[0]
    person = image.people[0]
    assert (image.file, image.width, image.height) == ("a.png", 40, 20)
    assert person.keypoints_image.tolist() == [[10, 10], [30, 10]]
    assert person.visibility.tolist() == [2, 1] and person.box_image == (10, 5, 20, 10)
    assert person.id == f"{tmp_path / 'labels' / 'a.txt'}:1"


SETTINGS = {
    "a billion keypoints": ("kpt_shape: [1000000000, 3]", r"kpt_shape: given \[1000000000, 3\]"),
    "four values": ("kpt_shape: [2, 4]", r"given \[2, 4\], accepted: \[keypoints, 2 or 3\]"),
    "no list": ("kpt_shape: 2", "kpt_shape: given 2"),
    "no shape": ("names: [a]", r"no yaml file with kpt_shape|no kpt_shape"),
    "a flip that is none": (SHAPE + "flip_idx: [0, 0]", "each of 0 to 1 once"),
    "a flip in a circle": (
        "kpt_shape: [3, 3]\nflip_idx: [1, 2, 0]",
        "keypoint 0 becomes 1, which does not come back",
    ),
    "too few names": (SHAPE + "kpt_names: {0: [a]}", "1 names, accepted: 2, as kpt_shape says"),
    "two lists of names": (SHAPE + "kpt_names: {0: [a, b], 1: [a, c]}", "not one list of names"),
    "classes of lists": (SHAPE + "names: [[a], [b]]", r"names: given \[\['a'\], \['b'\]\]"),
    "a folder that is gone": (SHAPE + "train: pictures/x", "train: pictures/x: no such file"),
    "a split that is none": (SHAPE + "train: 7", "train: given 7"),
    "other images": (SHAPE + "train: labels", "its images are not below .* but in "),
    "no yaml": ("kpt_shape: [", "not readable as yaml"),
    "merged keys": ("a: &a {x: 1}\n<<: *a\nkpt_shape: [2, 3]", "with merged keys"),
}


@pytest.mark.parametrize("text, told", SETTINGS.values(), ids=SETTINGS)
def test_settings_that_are_wrong_are_named(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=told) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "data.yaml"))


def test_a_small_yaml_that_grows_is_not_written_out(tmp_path: Path) -> None:
    """30 lists, each twice the one before: a gigabyte of text where a message shows it whole."""
    grown = "".join(f"l{i}: &l{i} [*l{i - 1}, *l{i - 1}]\n" for i in range(1, 30))
    text = f"l0: &l0 [x]\n{grown}kpt_shape: *l29\n"
    with pytest.raises(ValueError, match="its aliases stand for more than") as error:
        read(tmp_path, text)
    assert len(str(error.value)) < 1000


LINES = {
    "one value less": ("0 0.5 0.5 0.5 0.5 0.25 0.5 2 0.75 0.5\n", "10 values, accepted: 11"),
    "boxes alone": ("0 0.5 0.5 0.5 0.5\n", "5 values.*; these are boxes without keypoints"),
    "words": (LINE.replace("2", "two"), "could not convert string to float: '0.two5'"),
}


@pytest.mark.parametrize("lines, told", LINES.values(), ids=LINES)
def test_lines_that_are_no_lines_of_the_set_name_file_and_line(
    lines: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=told) as error:
        read(tmp_path, lines=LINE + "\n" + lines)
    assert str(error.value).startswith(f"{tmp_path / 'labels' / 'a.txt'}:3: ")


ROWS = {
    "not a number": (LINE.replace("0.75", "nan"), "not finite: keypoints"),
    "another flag": (LINE.replace(" 1\n", " 0.7\n"), "visibility other than 0, 1, 2"),
    "a box inside out": (LINE.replace("0.5 0.5 0.25", "-0.5 0.5 0.25"), "a side below 0: box"),
    "a class without a name": (
        LINE.replace("0 0.5", "4 0.5", 1),
        "class 4 has no name in data.yaml",
    ),
}


@pytest.mark.parametrize("line, reason", ROWS.values(), ids=ROWS)
def test_a_bad_person_is_noted_and_the_others_are_read(
    line: str, reason: str, tmp_path: Path
) -> None:
    labels = read(tmp_path, lines=LINE + line)
    assert len(labels.images[0].people) == 1
    told = [(note.id.rsplit(":")[-1], note.image, note.reason) for note in labels.notes]
    assert told == [("2", "a.png", reason)]


def test_of_several_classes_one_is_asked_for(tmp_path: Path) -> None:
    text, lines = SHAPE + "names: {0: dog, 3: worker}", LINE + "3" + LINE[1:]
    with pytest.raises(ValueError, match="several classes: dog, worker; name one: --category of"):
        read(tmp_path, text, lines)
    labels = read(tmp_path, text, lines, "worker")
    assert labels.category == "worker" and labels.notes == ()
    assert [person.id[-1] for person in labels.images[0].people] == ["2"]
    with pytest.raises(ValueError, match="no class 'cat', accepted: dog, worker"):
        read(tmp_path, text, lines, "cat")


def test_without_flags_a_keypoint_at_0_0_or_below_is_absent(tmp_path: Path) -> None:
    lines = "0 0.5 0.5 0.5 0.5 0 0 0 0.25 -1 0.5\n"
    labels = read(tmp_path, "kpt_shape: [3, 2]", lines)
    assert labels.images[0].people[0].visibility.tolist() == [0, 2, 0]


def test_who_has_no_partner_is_told_and_an_image_without_text_has_nobody(tmp_path: Path) -> None:
    path = make(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "empty.png")
    (tmp_path / "labels" / "gone.txt").write_text(LINE)
    labels = yolo_pose.read(path, tmp_path / "images")
    assert {image.file: len(image.people) for image in labels.images} == {
        "a.png": 1,
        "empty.png": 0,
    }
    assert [(note.image, note.reason) for note in labels.notes] == [
        ("labels/gone.txt", "labels without an image of that name")
    ]


def test_splits_are_data_yamls_and_only_those_below_the_images(tmp_path: Path) -> None:
    text = SHAPE + "path: /another/machine\ntrain: /another/machine/images/t\nval: images/v\n"
    for split in ("t", "v"):
        make(tmp_path / split)  # images to move
        (tmp_path / "images" / split).mkdir(parents=True)
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / split / "images/a.png").rename(tmp_path / "images" / split / "a.png")
        (tmp_path / split / "labels/a.txt").rename(tmp_path / "labels" / split / "a.txt")
    (tmp_path / "data.yaml").write_text(text)
    labels = yolo_pose.read(tmp_path / "data.yaml", tmp_path / "images")
    told = [(image.file, image.split, len(image.people)) for image in labels.images]
    assert told == [("t/a.png", "train", 1), ("v/a.png", "val", 1)] and labels.notes == ()
    labels = yolo_pose.read(tmp_path / "data.yaml", tmp_path / "images" / "v")
    assert [(image.file, image.split) for image in labels.images] == [("a.png", "val")]


def test_fractions_are_of_the_photo_as_it_is_seen(tmp_path: Path) -> None:
    """Stored 40 x 20, turned by EXIF to 20 x 40: as trainers of the format, and people, see it."""
    path = make(tmp_path)
    image = Image.new("RGB", (40, 20))
    image.getexif()[0x0112] = 6
    image.save(tmp_path / "images" / "a.png", exif=image.getexif())
    read = yolo_pose.read(path, tmp_path / "images").images[0]
    assert (read.width, read.height) == (20, 40)
    assert read.people[0].keypoints_image.tolist() == [[5, 20], [15, 20]]


POINTS, FLAGS = np.array([[10.0, 4.0], [30.0, 14.0]]), np.array([2, 1])


def labels(*images: LabelledImage, mirrored: tuple[tuple[str, str], ...] = ()) -> Labels:
    return Labels("worker", ("left", "right"), images, mirrored=mirrored)


def image_of(file: str, person: LabelledPerson, width: int = 40, split: str = "") -> LabelledImage:
    return LabelledImage(file, width, 20, (person,), split=split)


def test_what_is_written(tmp_path: Path) -> None:
    """The box is around the keypoints where there is none; crowds stay behind; `labels` stands for
    the last `images` of a path, where readers of the format look."""
    person, crowd = LabelledPerson(POINTS, FLAGS), LabelledPerson(POINTS, FLAGS, is_crowd=True)
    one = LabelledImage("x/images/a.png", 40, 20, (person, crowd), split="val")
    yolo_pose.write(labels(one, mirrored=(("left", "right"),)), tmp_path)
    assert place_of(one).as_posix() == "images/val/x/images/a.png"
    assert (
        tmp_path / "images/val/x/labels/a.txt"
    ).read_text() == "0 0.5 0.45 0.5 0.5 0.25 0.2 2 0.75 0.7 1\n"
    assert (tmp_path / "data.yaml").read_text().splitlines() == [
        'val: "images/val"',
        'train: "images/val"',
        "kpt_shape: [2, 3]",
        "flip_idx: [1, 0]",
        'names: {0: "worker"}',
        'kpt_names: {0: ["left", "right"]}',
    ]
    yolo_pose.write(labels(one), tmp_path)
    assert "flip_idx" not in (tmp_path / "data.yaml").read_text()  # not known is not "none"


PERSON = LabelledPerson(POINTS, FLAGS)
UNWRITABLE = {
    "no size": (labels(image_of("a.png", PERSON, 0)), r"a\.png: no size"),
    "one text for two": (
        labels(image_of("a.png", PERSON), image_of("a.jpg", PERSON)),
        r"images that share a file of labels: labels/train/a\.txt",
    ),
    "nothing of a person": (
        labels(image_of("a.png", LabelledPerson(POINTS, FLAGS * 0, id="7"))),
        r"a\.png: person 7 has neither box nor labelled keypoints",
    ),
}


@pytest.mark.parametrize("told, why", UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_the_format_cannot_say_is_refused(told: Labels, why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        yolo_pose.write(told, tmp_path)
