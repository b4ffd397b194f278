"""`predict` over photos, videos and what is neither: what lies there afterwards, what is said."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest
from pycocotools.coco import COCO

from data.datasets.stick_figures import LIKE
from pipelines.host import places
from pipelines.media.drawn_clip import draw_clip
from pipelines.predict import main
from tests.worlds.checkouts import a_shell
from tests.worlds.clips import grey, make_photo
from tests.worlds.drawn import NAME, draw, small_recipe
from tests.worlds.here import ROOT
from tests.worlds.trained import save_trained

pytestmark = pytest.mark.usefixtures("one_thread", "signals_as_before")
FRAMES = 10


@pytest.fixture(scope="module")
def photos(module_home: Path) -> Path:
    """Four drawn photos; `some` is trained (random weights)."""
    draw(module_home, train=1, val=4)
    save_trained("some", small_recipe())
    return LIKE.images_folder(places.raw(NAME), "val")


@pytest.fixture(scope="module")
def clip(photos: Path) -> Path:
    path = photos.parent / "clip.mp4"
    draw_clip(path, seconds=FRAMES / 25, size=(160, 120))
    return path


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "poses.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_photos_a_video_and_what_is_neither(
    photos: Path, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, out = tmp_path / "notes.txt", tmp_path / "out"
    text.write_text("no picture")
    assert main(["some", str(photos), str(text), str(clip), "--out", str(out)]) == 1
    told = capsys.readouterr()
    assert "notes.txt" in told.err and told.err.count("error: ") == 1
    assert "each whole image is one person (--detector or --boxes says where)" in told.out
    assert f"{4 + FRAMES} frames, {4 + FRAMES} people; 1 source failed" in told.out
    names = [path.name for path in sorted(photos.iterdir())]
    made = [path.name for path in (out / "overlays").iterdir()]
    assert sorted(made) == [*names, "clip.mp4"]
    assert [row["image"] for row in rows(out)] == [*names, *["clip.mp4"] * FRAMES]
    with av.open(out / "overlays" / "clip.mp4") as video:
        assert sum(1 for _ in video.decode(video=0)) == FRAMES
    coco = COCO(out / "images.json")
    assert len(coco.loadRes(str(out / "poses.json")).anns) == 4 + FRAMES


def test_boxes_of_a_file_say_where_people_are(photos: Path, tmp_path: Path) -> None:
    truth = places.raw(NAME) / "annotations" / "person_keypoints_val2017.json"
    options = ["--boxes", str(truth), "--no-overlays", "--out", str(tmp_path)]
    assert main(["some", str(photos), *options]) == 0
    people = json.loads(truth.read_text())["annotations"]
    found = json.loads((tmp_path / "poses.json").read_text())
    assert sorted(row["image_id"] for row in found) == sorted(row["image_id"] for row in people)
    ours = {tuple(round(v, 2) for v in row["box"]) for row in found}
    assert ours == {tuple(round(v, 2) for v in row["bbox"]) for row in people}
    assert not (tmp_path / "overlays").exists()


@pytest.mark.parametrize(
    ("numbers", "code", "said"),
    [
        ([1], 1, r"error: .*boxes.json: it has an entry for none of 3 photos and frames; name"),
        ([7, 8], 0, r"boxes.json: no entry for 1 of 3 photos and frames"),
        ([7, 8, 9], 0, r"^3 frames, 3 people$"),
    ],
)
@pytest.mark.usefixtures("photos")
def test_photos_that_a_file_of_boxes_does_not_know_are_counted(
    numbers: list[int], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (7, 8, 9):
        make_photo(tmp_path / "in" / f"{number:012}.jpg", grey(50))
    boxes = tmp_path / "boxes.json"
    found = [{"image_id": n, "bbox": [4, 4, 20, 30], "category_id": 1} for n in numbers]
    boxes.write_text(json.dumps(found))
    options = ["--boxes", str(boxes), "--no-overlays", "--out", str(tmp_path / "out")]
    assert main(["some", str(tmp_path / "in"), *options]) == code
    told = capsys.readouterr()
    assert re.search(said, told.out + told.err, re.MULTILINE)
    assert ("entry" in told.out + told.err) == (len(numbers) < 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["nothing", "a.jpg"], "MODEL: given 'nothing', accepted: .*some"),
        (["some", "a.jpg", "--detector", "x", "--boxes", "y"], "--boxes or --detector, not both"),
        (
            ["some", "a.jpg", "--detect-every", "0"],
            "--detect-every: given '0', accepted: a whole number, 1",
        ),
        (["some", "a.jpg", "--box-score", "nan"], "box_score: given nan, accepted: 0 to 1"),
        (["some", "a.jpg", "--box-score", "2"], "box_score: given 2.0, accepted: 0 to 1"),
        (["some", "a.jpg", "--threshold", "nan"], "--threshold: given nan, accepted: a number"),
        (["some", "a.jpg", "--seconds", "0"], "--seconds: given 0.0, accepted: above 0"),
        (["some", "a.jpg", "--boxes", "no.json"], "no.json"),
        (["some", "a.jpg", "--threshold", "high"], "--threshold: invalid float value: 'high'"),
    ],
)
@pytest.mark.usefixtures("photos")
def test_what_cannot_be_is_refused_in_a_line(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*given, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert re.search(said, told) and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("photos")
def test_where_nothing_can_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("a file")
    assert main(["some", "a.jpg", "--out", str(tmp_path / "out" / "below")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.contract
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_done_when_a_signal_comes_is_kept(
    photos: Path, clip: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """The clip over and over is longer than anybody waits."""
    out, copies = tmp_path / "out", tmp_path / "clips"
    copies.mkdir()
    for n in range(400):
        (copies / f"{n:03}.mp4").hardlink_to(clip)
    command = [sys.executable, "-m", "pipelines.predict", "some", str(copies), "--out", str(out)]
    environment = a_shell() | {"LIMBER_HOME": str(places.home()), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
        while not (out / "overlays" / "001.mp4").exists():
            assert process.poll() is None, "ended by itself"
            time.sleep(0.1)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 128 + number
    assert "interrupted" in said and "Traceback" not in said
    whole = [path for path in (out / "overlays").iterdir() if path.suffix == ".mp4"]
    assert not [path for path in out.rglob("*") if ".part" in path.suffixes]
    for path in whole:
        with av.open(path) as video:
            assert 1 <= sum(1 for _ in video.decode(video=0)) <= FRAMES
    found = json.loads((out / "poses.json").read_text())
    assert len(found) == len(rows(out)) >= 2 * FRAMES
