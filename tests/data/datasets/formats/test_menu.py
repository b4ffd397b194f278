"""The matrix of import and export: one truth, read from every tool's dialect, written and read."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from data.datasets.formats.guessing import guess
from data.datasets.formats.labels import Labels
from data.datasets.formats.menu import READERS, WRITERS
from data.datasets.formats.yolo_pose import place_of
from data.datasets.own import OwnData, Part, Source
from data.datasets.sources.splitting import Cut
from data.ground.data_set import Making
from data.ground.sample import Rejected
from data.ground.skeleton import Skeleton
from tests.worlds.label_files import (
    DIALECTS,
    LIMBS,
    NAMES,
    NO_FLAGS,
    NUMBERED,
    TRUTH,
    Person,
    pictures,
)


def read(dialect: str, root: Path) -> Labels:
    name, write = DIALECTS[dialect]
    labels, images, category = write(root)
    return READERS[name](labels, images, category)


TRUTH_BY_SIZE: dict[tuple[int, int], tuple[Person, ...]] = dict(TRUTH.values())  # names differ


def assert_is_truth(labels: Labels, dialect: str, names: tuple[str, ...], within: float) -> None:
    assert labels.category == "worker" and labels.keypoints == names
    assert len(labels.images) == len(TRUTH) and labels.notes == ()
    for image in labels.images:
        people = TRUTH_BY_SIZE[image.width, image.height]
        assert len(image.people) == len(people)
        for person, true in zip(image.people, people, strict=True):
            points = np.array(true.points)
            flags = points[:, 2].astype(int)
            told = np.where(flags > 0, 2, 0) if dialect in NO_FLAGS else flags
            assert person.visibility.tolist() == told.tolist()
            assert person.visibility.dtype == np.int64 and not person.is_crowd
            np.testing.assert_allclose(person.keypoints_image, points[:, :2], atol=within)
            assert person.box_image == pytest.approx(true.box, abs=within)


def names_in(dialect: str) -> tuple[str, ...]:
    return tuple(f"keypoint_{i + 1}" for i in range(4)) if dialect in NUMBERED else NAMES


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_read(dialect: str, tmp_path: Path) -> None:
    labels = read(dialect, tmp_path)
    assert_is_truth(labels, dialect, names_in(dialect), 1e-6)
    _, images, _ = DIALECTS[dialect][1](tmp_path)
    assert all((images / image.file).is_file() for image in labels.images)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_known_by_its_looks(dialect: str, tmp_path: Path) -> None:
    name, write = DIALECTS[dialect]
    assert guess(write(tmp_path)[0]) == name


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_was_read_is_written_and_read_again(dialect: str, writer: str, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    labels = read(dialect, tmp_path / "from")
    _, images, _ = DIALECTS[dialect][1](tmp_path / "from")
    target = tmp_path / "to" / "labels.json" if writer == "coco" else tmp_path / "to"
    WRITERS[writer](labels, target)
    if writer == "yolo_pose":  # its images lie in the folder of their split
        for image in labels.images:
            link = target / place_of(image)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((images / image.file).resolve())
        images = target
    again = READERS[writer](target, images)
    assert_is_truth(again, dialect, names_in(dialect), 1e-6)
    if writer == "yolo_pose":
        assert again.mirrored == labels.mirrored
        return
    assert again.limbs == labels.limbs
    for image, before in zip(again.images, labels.images, strict=True):
        assert image.file == before.file
        for person, told in zip(image.people, before.people, strict=True):
            assert (person.keypoints_image == told.keypoints_image).all()
            assert person.box_image == told.box_image


TOY = Skeleton("toy", NAMES, LIMBS, (("left_wrist", "right_wrist"),), (0.05,) * 4, ())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_an_own_data_set(dialect: str, tmp_path: Path) -> None:
    """Read, divided, written as raw data, read as samples: nobody and no keypoint is lost."""
    name, write = DIALECTS[dialect]
    (tmp_path / "from").mkdir()
    labels, images, category = write(tmp_path / "from")
    part = Part(str(labels.relative_to(tmp_path)), str(images.relative_to(tmp_path)))
    source = Source(name, part, split=Cut(0.5), category=category)
    data, raw, rejected = (
        OwnData("toy", source, TOY, READERS[name]),
        tmp_path / "raw",
        list[Rejected](),
    )
    raw.mkdir()
    counting = lambda what, count: nullcontext(lambda: None)  # noqa: E731
    data.make(Making(raw, {}, "params.yaml: datasets.toy", {}, counting, tmp_path))
    samples = [s for split in data.SPLITS for s in data.samples(raw, split, rejected.append)]
    assert len(samples) == len(TRUTH) and rejected == []
    for sample in samples:
        assert sample.image_path.is_file()
        for pose, true in zip(
            sample.poses, TRUTH_BY_SIZE[sample.width, sample.height], strict=True
        ):
            points = np.array(true.points)
            np.testing.assert_allclose(pose.keypoints_image, points[:, :2], atol=1e-6)
            assert pose.box_image == pytest.approx(true.box, abs=1e-6)


STRANGE = {
    "nothing there": (None, "no such file or folder"),
    "an empty folder": ({}, "a folder with no files"),
    "pictures alone": ({"a.jpg": "x"}, r"a folder with files \.jpg"),
    "another yaml": ({"x.yaml": "a: 1"}, r"a folder with files \.yaml"),
    "a results file": ({"r.json": '[{"image_id": 1}]'}, "a json list of objects with image_id"),
    "another json": ({"r.json": '{"a": 1}'}, "a json object with a"),
    "cut off": ({"r.json": '{"images": ['}, "truncated or no json"),
    "two jsons": (
        dict.fromkeys(("a.json", "b.json"), '{"images": [], "annotations": []}'),
        "2 json files of which the first is coco's; name the one that is meant",
    ),
}


@pytest.mark.parametrize("files, told", STRANGE.values(), ids=STRANGE)
def test_what_is_no_format_says_what_it_is(
    files: dict[str, str] | None, told: str, tmp_path: Path
) -> None:
    folder = tmp_path / "labels"
    for name, text in (files or {}).items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    if files == {}:
        folder.mkdir()
    with pytest.raises(ValueError, match=told) as error:
        guess(folder)
    assert str(error.value).startswith(str(folder))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_images_that_are_elsewhere_are_named(dialect: str, tmp_path: Path) -> None:
    name, write = DIALECTS[dialect]
    labels, _, category = write(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"(?s)no |not below"):
        READERS[name](labels, tmp_path / "empty", category)
    with pytest.raises(ValueError, match="no such folder of images"):
        READERS[name](labels, tmp_path / "nowhere", category)
    pictures(tmp_path / "empty")
