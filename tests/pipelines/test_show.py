"""The command: pictures of the images asked for, and refusals that say what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipelines import show
from pipelines.host import places
from pipelines.intake.prepared import image_files
from pipelines.recipe.reader import load_recipe
from tests.worlds.drawn import draw
from tests.worlds.trained import save_trained

NAMES = ("demo_hrnet", "demo_higher_hrnet")
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def files(module_home: Path) -> dict[int, Path]:
    """Images of the val split; two recipes with random weights."""
    prepared, raw = draw(module_home, train=1, val=4)
    for name in NAMES:
        save_trained(name, load_recipe(name))
    return image_files(prepared, raw, "val")


def refused(capsys: pytest.CaptureFixture[str], *given: str) -> str:
    assert show.main(given) == 2
    return capsys.readouterr().err


def test_pictures_of_the_images_asked_for_and_no_others(
    files: dict[int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    ids = list(files)
    asked = f"{ids[2]},{ids[0]:012d},{ids[2]}"
    assert show.main([*NAMES, "--images", asked, "--keypoints", "nose, left_wrist"]) == 0
    folder = places.shown() / "__".join(NAMES)
    expected = [
        folder / f"{image_id:012d}_{what}.jpg"
        for image_id in (ids[2], ids[0])
        for what in ("poses", "heatmaps")
    ]
    assert capsys.readouterr().out.split() == [str(path) for path in expected]
    assert sorted(folder.iterdir()) == sorted(expected)


def test_images_of_a_list_go_where_they_are_wanted(files: dict[int, Path], tmp_path: Path) -> None:
    info, out = tmp_path / "info.json", tmp_path / "out"
    rows = [{"id": 7 + n, "file_name": file.name} for n, file in enumerate(files.values())]
    info.write_text(json.dumps({"images": rows}))
    boxes = tmp_path / "boxes.json"
    box = {"image_id": 7, "category_id": 1, "bbox": [9, 9, 60, 90], "score": 0.9}
    boxes.write_text(json.dumps([box]))
    folder = str(next(iter(files.values())).parent)
    listed = ["--test-dev", "--image-info", str(info), "--images-folder", folder]
    for name, more in (("demo_hrnet", ["--detections", str(boxes)]), ("demo_higher_hrnet", [])):
        where = ["--images", "7", "--out", str(out / name)]
        assert show.main([name, *where, *listed, *more]) == 0
        assert [path.name for path in (out / name).iterdir()] == ["000000000007_poses.jpg"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["demo_hrne"], "no recipe 'demo_hrne'.*did you mean 'demo_hrnet'"),
        (["demo_openpose"], "demo_openpose: not trained, accepted: demo_higher_hrnet, demo_hrnet"),
        (["demo_hrnet", "--images", "nose"], "--images: given 'nose', accepted: ids"),
        (["demo_hrnet", "--images", "987654"], "--images: given 987654, accepted: 4 images"),
        (["demo_hrnet", "--keypoints", "left_wris"], "did you mean 'left_wrist'"),
        (["demo_hrnet", "--scale", "32"], "--scale: accepted: with --keypoints"),
        (["demo_hrnet", "--keypoints", "nose", "--scale", "128"], "given 128, accepted: 32"),
        (["demo_hrnet", "--test-dev"], "all of --test-dev, --image-info and --images-folder"),
        (["demo_hrnet", "--images-folder", "x"], "all of --test-dev"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_is_written(
    files: dict[int, Path], capsys: pytest.CaptureFixture[str], given: list[str], said: str
) -> None:
    images = [] if "--images" in given else ["--images", str(next(iter(files)))]
    out = places.home() / "nothing"
    assert re.search(said, refused(capsys, *given, *images, "--out", str(out)))
    assert not out.exists()


def test_recipes_of_other_data_sets_are_not_shown_together(
    files: dict[int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    save_trained("overfit_hrnet_coco", load_recipe("overfit_hrnet_coco"), data_hash="d" * 64)
    said = refused(capsys, "demo_hrnet", "overfit_hrnet_coco", "--images", str(next(iter(files))))
    assert "demo_hrnet is evaluated on stick_figures val, overfit_hrnet_coco on coco train" in said
    assert "same data set and split" in said
