"""The command `datasets`: what it finds, what it writes, what it refuses; nothing is replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels, Note
from data.datasets.formats.menu import READERS, WRITERS
from data.ground.skeleton import skeleton_of_file
from data.ground.yaml_text import read_yaml
from pipelines import datasets
from pipelines.host import places
from pipelines.recipe.datasets import own_data
from pipelines.recipe.yaml_edits import edited
from pipelines.survey.adding import Targets
from pipelines.survey.example import KEYPOINTS, write_example
from pipelines.survey.exporting import behind_lines
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
        (("--val-share", "0.5", "--by", "video", "--seed", "3"), None, "(--val-share 0)"),
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
        (("add", "On", "{p}", "{p}/images"), "yaml reads it as another value"),
        (("add", "y", "{p}", "{p}/images"), "yaml reads it as another value"),
        (("example", "{p}/data.yaml/deep"), "data.yaml/deep: cannot be made (Not a directory)"),
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
    assert code == 2 and "SECOND" in err
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


ORIENTATION = 274


def test_stored_photos_that_exif_turns_are_exported_as_yolos_tools_see_them(
    run: Run, targets: Targets, tmp_path: Path
) -> None:
    """A pixel of its own colour is labelled in the photo as stored, and found where it is seen."""
    photos = tmp_path / "photos"
    photos.mkdir()
    rows = []
    for n in range(1, 5):
        picture = np.full((30, 40, 3), 40 * n, np.uint8)
        picture[7, 12], picture[20, 33] = (255, 0, 0), (0, 0, 255)
        exif = Image.Exif()
        exif[ORIENTATION] = (1, 3, 6, 8)[n - 1]
        Image.fromarray(picture).save(photos / f"{n}.png", exif=exif)
        points = np.array([[12.0, 7.0], [33.0, 20.0]])
        someone = LabelledPerson(points, np.array([2, 2]), (10.0, 5.0, 25.0, 18.0), id=str(n))
        rows.append(LabelledImage(f"{n}.png", 40, 30, (someone,), id=str(n)))
    WRITERS["coco"](Labels("tool", ("tip", "end"), tuple(rows)), tmp_path / "labels.json")
    skeleton = tmp_path / "tool.yaml"
    run("add", "other", tmp_path / "labels.json", photos)
    (targets.skeletons / "other.yaml").rename(skeleton)
    assert run("add", "tool", tmp_path / "labels.json", photos, "--skeleton", skeleton)[0] == 0
    code, out, _ = run("export", "tool", "--format", "yolo_pose", "--to", tmp_path / "out")
    assert code == 0 and "left behind: 4 areas" in out
    again = READERS["yolo_pose"](tmp_path / "out", tmp_path / "out" / "images")
    assert len(again.images) == 4
    for image in again.images:
        seen = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "out/images" / image.file)))
        assert (image.height, image.width) == seen.shape[:2]
        columns, lines = image.people[0].keypoints_image.round().astype(int).T
        assert seen[lines, columns].tolist() == [[255, 0, 0], [0, 0, 255]], image.file


def test_a_recipe_that_does_not_load_takes_all_back(
    home: Path, pliers: Path, targets: Targets, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(name: str) -> None:
        raise ValueError(f"{name}: will not load")

    before = targets.params.read_text()
    argv = ["add", "pliers", str(pliers), str(pliers / "images")]
    assert datasets.main(argv, targets, check) == 2
    assert "pliers_small_hrnet: will not load" in capsys.readouterr().err
    assert targets.params.read_text() == before
    assert not [*targets.skeletons.iterdir(), *targets.recipes.iterdir()]


def test_what_others_wrote_meanwhile_is_not_taken_back(
    home: Path, pliers: Path, targets: Targets
) -> None:
    def check(name: str) -> None:
        with edited(targets.params) as content:
            content["run"]["datasets"].append("others")
        raise ValueError(f"{name}: will not load")

    expected = read_yaml(targets.params)
    expected["run"]["datasets"].append("others")
    argv = ["add", "pliers", str(pliers), str(pliers / "images")]
    assert datasets.main(argv, targets, check) == 2
    assert read_yaml(targets.params) == expected


def coco_file(path: Path, people: Sequence[int], names: tuple[str, ...] = ("tip", "end")) -> Path:
    """pliers' photos 1, 2, ... with as many people each as told, K keypoints."""
    points = np.linspace((20.0, 30.0), (90.0, 80.0), len(names))
    someone = LabelledPerson(points, np.full(len(names), 2), (10.0, 20.0, 90.0, 70.0))
    rows = tuple(
        LabelledImage(f"pliers {n:02d}.jpg", 320, 240, (someone,) * count, id=str(n))
        for n, count in enumerate(people, 1)
    )
    WRITERS["coco"](Labels("tool", names, rows), path)
    return path


def test_a_split_in_which_nobody_is_labelled_is_refused_before_anything_is_written(
    run: Run, pliers: Path, targets: Targets, tmp_path: Path
) -> None:
    before = targets.params.read_text()
    labels = coco_file(tmp_path / "few.json", [1] + [0] * 11)
    code, _, err = run("add", "few", labels, pliers / "images")
    assert code == 2 and "has a labelled keypoint" in err and "--val-labels" in err
    assert targets.params.read_text() == before
    assert not [*targets.skeletons.iterdir(), *targets.recipes.iterdir()]


def test_faults_of_val_name_its_own_file(run: Run, pliers: Path, tmp_path: Path) -> None:
    train, val = coco_file(tmp_path / "t.json", [1] * 4), tmp_path / "v.json"
    coco_file(val, [1] * 4, ("tip", "other"))
    _, _, err = run("add", "x", train, pliers / "images", "--val-labels", val)
    assert err.startswith(f"error: {val}: keypoints other are not the skeleton's"), err


def test_a_set_that_is_evaluated_on_what_it_trains_on_is_checked_once(
    run: Run, pliers: Path, targets: Targets
) -> None:
    skeleton = _skeleton(run, pliers, targets)
    run("add", "pliers", pliers, pliers / "images", "--skeleton", skeleton, "--val-share", "0")
    code, out, _ = run("check", "pliers")
    assert code == 0 and "the images that are trained on: AP says what was learnt by heart" in out
    assert "val: 12 images" not in out and "same bytes" not in out


def test_a_skeletons_file_is_looked_for_from_the_current_folder(
    run: Run, pliers: Path, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    skeleton = _skeleton(run, pliers, targets)
    monkeypatch.chdir(skeleton.parent)
    code, _, err = run("add", "here", pliers, pliers / "images", "--skeleton", skeleton.name)
    assert code == 0, err
    assert read_yaml(targets.params)["datasets"]["here"]["skeleton"] == str(skeleton)


def test_an_export_says_what_stays_behind() -> None:
    points = np.array([[1.0, 2.0], [3.0, 4.0]])
    one = LabelledPerson(points, np.array([2, 2]), (0.0, 0.0, 9.0, 9.0), area=7.0)
    crowd = replace(one, is_crowd=True, segmentation=[[0.0, 0, 9, 0, 9, 9]])
    rows = (LabelledImage("a.jpg", 64, 48, (one, crowd), id="img-1"),)
    labels = Labels("tool", ("tip", "end"), rows, notes=(Note("person", "9", "a.jpg", "no box"),))
    told = behind_lines({"train": labels}, "yolo_pose")
    assert told == ["left behind: 1 crowds, 1 polygons, 2 areas, 1 rows that cannot be used"]
    assert behind_lines({"train": labels}, "coco") == [
        "left behind: 1 rows that cannot be used",
        "ids of images are numbered anew: not all are whole numbers",
    ]
    plain = replace(labels, images=(replace(rows[0], id="7"),), notes=())
    assert behind_lines({"train": plain}, "coco") == []
