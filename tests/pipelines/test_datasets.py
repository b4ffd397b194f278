"""The command `datasets`: what it finds, what it writes, what it refuses; nothing is replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.datasets.formats.menu import READERS, WRITERS
from data.ground.skeleton import skeleton_of_file
from data.ground.yaml_text import read_yaml
from pipelines import datasets
from pipelines.host import places
from pipelines.recipe.datasets import own_data
from pipelines.survey.adding import Targets
from pipelines.survey.example import KEYPOINTS, write_example
from tests.worlds.here import ROOT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def targets(tmp_path: Path) -> Targets:
    """Files of the test's own: a copy of params.yaml, no skeletons, no recipes."""
    made = Targets(tmp_path / "params.yaml", tmp_path / "skeletons", tmp_path / "recipes")
    made.params.write_text((ROOT / "params.yaml").read_text())
    for folder in (made.skeletons, made.recipes):
        folder.mkdir()
    return made


@pytest.fixture
def run(home: Path, targets: Targets, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command with its files there -> exit code, stdout, stderr."""
    home.mkdir()

    def here(*argv: object) -> tuple[int, str, str]:
        code = datasets.main([str(word) for word in argv], targets, lambda name: None)
        return code, *capsys.readouterr()

    return here


@pytest.fixture
def pliers(tmp_path: Path) -> Path:
    write_example(tmp_path / "photos of tools")
    return tmp_path / "photos of tools"


def test_adding_says_what_is_there_and_writes_entry_skeleton_recipe_and_page(
    run: Run, pliers: Path, targets: Targets
) -> None:
    before = targets.params.read_text()
    code, out, _ = run("add", "pliers", pliers, pliers / "images")
    assert code == 0
    assert "train: 10 images (0 without people), 10 people" in out
    assert "left | right: left_tip | right_tip, left_grip | right_grip" in out
    assert "warning: val: 2 people: an AP of 0.8 could as well be 0.22 or 0.98" in out
    assert "make repro RECIPE=pliers_small_hrnet" in out
    after = targets.params.read_text()
    lines = set(after.splitlines()) - set(before.splitlines())
    assert not set(before.splitlines()) - set(after.splitlines()), "comments are kept"
    assert sorted(line.strip() for line in lines) == [
        "format: yolo_pose",
        "pliers:",
        "skeleton: pliers",
        "split: {val: 0.2, by: file, seed: 1}",
        f"train: {{labels: {pliers}, images: {pliers / 'images'}}}",
    ]
    skeleton = skeleton_of_file(targets.skeletons / "pliers.yaml")
    assert skeleton.keypoints == KEYPOINTS
    recipe = read_yaml(targets.recipes / "pliers_small_hrnet.yaml")
    assert recipe["dataset"] == "pliers" and recipe["training"]["global_batch"] == 8
    assert places.surveyed("pliers").is_file()


def test_what_is_added_is_an_own_data_set_that_is_listed_checked_and_read(
    run: Run, pliers: Path, targets: Targets
) -> None:
    run("add", "pliers", pliers, pliers / "images", "--skeleton", _skeleton(run, pliers, targets))
    found = own_data("pliers", targets.params)
    labels = found.read_labels(places.home(), "params.yaml")
    assert {split: len(each.images) for split, (_, each) in labels.items()} == {
        "train": 10, "val": 2,
    }  # fmt: skip
    code, out, _ = run("list")
    assert code == 0
    row = next(line for line in out.splitlines() if line.startswith("pliers"))
    assert row.split() == ["pliers", "not", "prepared", "pliers", "yolo_pose",
                           *str(pliers).split()]  # fmt: skip
    summary = places.prepared("pliers") / "summary.json"
    summary.parent.mkdir(parents=True)
    summary.write_text('{"splits": {"train": {"images": 10, "persons": 9}}}')
    assert any("train 10, 9" in line for line in run("list")[1].splitlines())
    code, out, _ = run("check", "pliers")
    assert code == 0 and "train: 10 images" in out and "warning: val: 2 people" in out


def _skeleton(run: Run, pliers: Path, targets: Targets) -> Path:
    """A file of its own: the command's default place is the repository."""
    run("add", "other", pliers, pliers / "images")
    path = targets.skeletons / "other.yaml"
    return path.rename(path.with_name("pliers.yaml"))


@pytest.mark.parametrize(
    ("options", "entry", "said"),
    [
        (("--val-share", "0.5", "--by", "video", "--seed", "3"), None, "by video there is 1"),
        (("--val-share", "0.5", "--seed", "3"), {"val": 0.5, "by": "file", "seed": 3}, "train: 6"),
    ],
)
def test_the_split_is_the_one_that_is_asked_for(
    run: Run, pliers: Path, targets: Targets, options: tuple[str, ...],
    entry: dict[str, object] | None, said: str,
) -> None:  # fmt: skip
    code, out, err = run("add", "pliers", pliers, pliers / "images", *options)
    assert said in out + err and (code == 0) == (entry is not None)
    told = read_yaml(targets.params)["datasets"].get("pliers", {})
    assert told.get("split") == entry


def test_photos_of_their_own_to_evaluate_on_or_the_trained_ones(
    run: Run, pliers: Path, targets: Targets, tmp_path: Path
) -> None:
    write_example(tmp_path / "more", photos=3, seed=9)
    val = ("--val-labels", tmp_path / "more", "--val-images", tmp_path / "more" / "images")
    code, out, _ = run("add", "two", pliers, pliers / "images", *val)
    assert code == 0 and "train: 12 images" in out and "val: 3 images" in out
    code, out, _ = run("add", "heart", pliers, pliers / "images", "--val-share", "0")
    assert code == 0 and "warning: val: the images that are trained on" in out
    told = read_yaml(targets.params)["datasets"]
    more = {"labels": str(tmp_path / "more"), "images": str(tmp_path / "more" / "images")}
    assert told["two"]["val"] == more
    assert told["heart"]["val"] == told["heart"]["train"]


def test_a_photo_in_both_splits_is_told_by_its_bytes(
    run: Run, pliers: Path, tmp_path: Path
) -> None:
    write_example(tmp_path / "same", photos=3)
    val = ("--val-labels", tmp_path / "same", "--val-images", tmp_path / "same" / "images")
    _, out, _ = run("add", "pliers", pliers, pliers / "images", *val)
    assert "3 of 3 val images are trained on as well (the same bytes)" in out


def test_the_names_of_cocos_keypoints_in_any_order_are_cocos_skeleton(
    run: Run, real_data: Path, targets: Targets
) -> None:
    folder = real_data / "coco_mini"
    labels = folder / "annotations" / "person_keypoints_train2017.json"
    val = folder / "annotations" / "person_keypoints_val2017.json"
    code, out, _ = run("add", "workers", labels, folder / "train2017", "--val-labels", val,
                       "--val-images", folder / "val2017")  # fmt: skip
    assert code == 0
    assert "train: 11 images (1 without people), 62 people (35 without keypoints), 3 crowds" in out
    assert "val: 18 images (0 without people), 73 people (45 without keypoints), 1 crowds" in out
    assert "val: 28 people: an AP of 0.8 could as well be 0.62 or 0.91" in out
    assert "swapped" not in out and "same bytes" not in out and "look like" not in out
    assert read_yaml(targets.params)["datasets"]["workers"]["skeleton"] == "coco"
    assert list(targets.skeletons.iterdir()) == [], "one that is there is not made again"


def test_photos_that_were_labelled_as_they_are_seen_are_read_so(
    run: Run, pliers: Path, targets: Targets
) -> None:
    """YOLO's shares are of the picture as people see it: 240 x 320 of a stored 320 x 240."""
    for path in (pliers / "images").iterdir():
        exif = Image.Exif()
        exif[274] = 6
        picture = np.asarray(Image.open(path))
        Image.fromarray(picture).save(path, exif=exif)
    code, out, _ = run("add", "pliers", pliers, pliers / "images")
    assert code == 0 and "10 images are labelled as EXIF turns them, not as stored" in out
    assert read_yaml(targets.params)["datasets"]["pliers"]["exif"] == "apply"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("add", "coco", "{p}", "{p}/images"), "one of the menu"),
        (("add", "a b", "{p}", "{p}/images"), "letters, digits and _"),
        (("add", "x", "{p}", "{p}/photos"), "photos: no such folder of images"),
        (("add", "x", "{p}/none.json", "{p}/images"), "none.json"),
        (("add", "x", "{p}", "{p}/images", "--format", "yolo"), "did you mean 'yolo_pose'"),
        (("add", "x", "{p}", "{p}/images", "--val-share", "1"), "--val-share: given 1.0"),
        (("add", "x", "{p}", "{p}/images", "--val-images", "y"), "given without --val-labels"),
        (("add", "x", "{p}", "{p}/images", "--skeleton", "body"), "--skeleton: given 'body'"),
        (("add", "x", "{p}", "{p}/images", "--skeleton", "coco"), "left_tip"),
        (("add", "x", "{p}", "{p}/images", "--from", "nothing"), "--from: given 'nothing'"),
        (("add", "x", "{p}", "{p}/images", "--from", "demo_higher_hrnet"), "not trained here"),
        (("check", "coco"), "accepted: an own one"),
        (("check", "nobody"), "given 'nobody'"),
        (("add",), "the following arguments are required"),
        ((), "verb"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing_behind(
    run: Run, pliers: Path, targets: Targets, argv: tuple[str, ...], said: str
) -> None:
    before = targets.params.read_text()
    code, _, err = run(*(word.format(p=pliers) for word in argv))
    assert code == 2 and said in err and err.count("\n") == 1, err
    assert targets.params.read_text() == before
    assert not [*targets.skeletons.iterdir(), *targets.recipes.iterdir()]


def test_nothing_is_written_over(run: Run, pliers: Path, targets: Targets) -> None:
    kept = targets.recipes / "pliers_small_hrnet.yaml"
    kept.write_text("mine\n")
    before = targets.params.read_text()
    code, _, err = run("add", "pliers", pliers, pliers / "images")
    assert code == 2 and f"{kept}: is there already" in err
    assert kept.read_text() == "mine\n" and targets.params.read_text() == before
    assert list(targets.skeletons.iterdir()) == []
    kept.unlink()
    assert run("add", "pliers", pliers, pliers / "images")[0] == 0
    code, _, err = run("add", "pliers", pliers, pliers / "images")
    assert code == 2 and "remove datasets.pliers from params.yaml" in err


@pytest.mark.parametrize("kind", WRITERS)
def test_an_export_is_added_again_to_the_pixel(
    run: Run, pliers: Path, targets: Targets, tmp_path: Path, kind: str
) -> None:
    run("add", "pliers", pliers, pliers / "images", "--skeleton", _skeleton(run, pliers, targets))
    target = tmp_path / "out"
    code, out, _ = run("export", "pliers", "--format", kind, "--to", target)
    assert code == 0 and str(target) in out
    for split, count in (("train", 10), ("val", 2)):
        assert len(list((target / "images" / split).iterdir())) == count
    first = READERS["yolo_pose"](pliers, pliers / "images")
    known = {image.file: image.people[0] for image in first.images}
    whole = kind == "yolo_pose"
    files = [target] if whole else [target / "train.json", target / "val.json"]
    folders = [target / "images"] if whole else [target / "images" / s for s in ("train", "val")]
    seen = 0
    for file, folder in zip(files, folders, strict=True):
        again = READERS[kind](file, folder)
        assert again.keypoints == KEYPOINTS
        for image in again.images:
            assert (folder / image.file).is_file(), "an image, linked"
            one = known[Path(image.file).name]
            again_one = image.people[0]
            np.testing.assert_allclose(again_one.keypoints_image, one.keypoints_image, atol=1e-4)
            assert one.box_image is not None
            area = None if whole else 0.53 * one.box_image[2] * one.box_image[3]
            assert again_one.area == pytest.approx(area), "what scores here take"
            seen += 1
    assert seen == 12
    assert run("export", "pliers", "--format", kind, "--to", target)[0] == 2, "is there already"


def test_sigmas_are_measured_by_a_second_file_and_written_into_the_skeleton(
    run: Run, pliers: Path, targets: Targets, tmp_path: Path
) -> None:
    skeleton = _skeleton(run, pliers, targets)
    run("add", "pliers", pliers, pliers / "images", "--skeleton", skeleton)
    labels = READERS["yolo_pose"](pliers, pliers / "images")
    areas = [0.53 * one.box_image[2] * one.box_image[3] for i in labels.images for one in i.people
             if one.box_image]  # fmt: skip
    shift = np.array([3.0, 4.0])
    moved = [
        replace(image, people=(replace(one, keypoints_image=one.keypoints_image + shift, area=a),))
        for image, a in zip(labels.images, areas, strict=True)
        for one in image.people
    ]
    second = tmp_path / "second.json"
    WRITERS["coco"](replace(labels, images=tuple(moved)), second)
    code, _, err = run("sigmas", "pliers")
    assert code == 2 and "nobody is labelled twice" in err
    kept = skeleton.read_text()
    code, out, _ = run("sigmas", "pliers", second, "--write")
    assert code == 0 and "12 people labelled twice" in out
    expected = np.sqrt(np.mean(25 / np.array(areas)) / 2)
    np.testing.assert_allclose(skeleton_of_file(skeleton).sigmas, expected, atol=1e-4)
    text = skeleton.read_text()
    assert "sigmas: [  # of OKS: 6 of 6 measured on people labelled twice" in text
    before, after = (
        {line for line in of.splitlines() if "0.0" not in line and "sigmas" not in line}
        for of in (kept, text)
    )
    assert before == after, "all else is as it was"


def test_the_example_is_drawn_and_names_the_next_command(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("example", tmp_path / "new")
    assert code == 0 and len(list((tmp_path / "new" / "images").iterdir())) == 12
    assert f"datasets add pliers {tmp_path / 'new'} {tmp_path / 'new' / 'images'}" in out
    code, _, err = run("example", tmp_path / "new")
    assert code == 2 and "is there already" in err
