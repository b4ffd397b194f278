"""prepare: every row and image checked once, tables written whole, bad rows told."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask

from data.datasets.coco import Coco
from data.datasets.stick_figures import draw_split
from data.feeds.image_people import ImagePeople
from data.feeds.person_views import main_people
from data.files.table import Table
from pipelines import fetch
from pipelines import prepare as stage
from pipelines.host import places
from pipelines.intake.preparing import prepare

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def raw(home: Path) -> Path:
    for split, images in (("train", 6), ("val", 3)):
        draw_split(places.raw("coco"), split, images, seed=1)
    return places.raw("coco")


def summary(dataset: str = "coco") -> dict[str, Any]:
    return json.loads((places.prepared(dataset) / "summary.json").read_text())


def quarantine() -> list[dict[str, str]]:
    with (places.prepared("coco") / "quarantine.csv").open() as file:
        return list(csv.DictReader(file))


def change(raw: Path, split: str, key: str, number: int, **values: Any) -> dict[str, Any]:
    """Changes one row of the json; the row as it is then."""
    path = Coco().truth_file(raw, split)
    content = json.loads(path.read_text())
    content[key][number].update(values)
    path.write_text(json.dumps(content))
    return content[key][number]


def test_tables_hold_what_the_json_says(raw: Path) -> None:
    prepare("coco", 0.0)
    samples = list(Coco().samples(raw, "train"))
    images = Table(places.prepared("coco") / "train" / "images.arrow")
    persons = Table(places.prepared("coco") / "train" / "persons.arrow")
    assert list(images["path"]) == [f"train2017/{n:012d}.jpg" for n in range(1, 7)]
    assert images["image_id"].tolist() == [s.image_id for s in samples]
    pairs = [(row, pose) for row, sample in enumerate(samples) for pose in sample.poses]
    assert persons["person_id"].tolist() == [pose.id for _, pose in pairs]
    assert persons["image_row"].tolist() == [row for row, _ in pairs]
    assert persons["keypoints_image"].shape == (len(pairs), 34)
    assert persons["visibility"].dtype == np.int8 and persons["box_image"].dtype == np.float32
    expected = np.stack([pose.keypoints_image.ravel() for _, pose in pairs])
    np.testing.assert_allclose(persons["keypoints_image"], expected, atol=1e-4)
    assert quarantine() == [] and summary()["splits"]["train"]["training_persons"] == len(pairs)
    page = cv2.imread(str(places.prepared("coco") / "preview.png"))
    assert page is not None and page.std() > 10


def test_the_hash_depends_on_the_data_alone(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare("coco", 0.0)
    first = summary()
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path / "elsewhere"))
    shutil.copytree(raw, places.raw("coco"))
    prepare("coco", 0.0)
    assert summary() == first
    path = next((places.raw("coco") / "train2017").iterdir())
    cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    prepare("coco", 0.0)
    assert summary()["data_hash"] != first["data_hash"]  # another picture
    shutil.copy(raw / "train2017" / path.name, path)
    change(places.raw("coco"), "val", "annotations", 0, area=1234)
    prepare("coco", 0.0)
    assert summary()["data_hash"] != first["data_hash"]  # another truth


def _spoil(raw: Path, number: int, kind: str) -> None:
    path = raw / "train2017" / f"{number:012d}.jpg"
    if kind == "image missing":
        path.unlink()
    elif kind == "image unreadable: truncated":
        path.write_bytes(path.read_bytes()[:-2000])
    elif kind == "image unreadable: corrupt":
        path.write_bytes(b"no jpeg at all")
    else:
        cv2.imwrite(str(path), np.zeros((10, 10, 3), np.uint8))


@pytest.mark.parametrize(
    "kind",
    [
        "image missing",
        "image unreadable: truncated",
        "image unreadable: corrupt",
        "image size differs from the json",
    ],
)
def test_a_bad_image_goes_to_quarantine_with_its_people(raw: Path, kind: str) -> None:
    _spoil(raw, 2, kind)
    prepare("coco", 0.9)
    rows = quarantine()
    assert [r["reason"] for r in rows if r["kind"] == "image"] == [kind]
    people = [r for r in rows if r["kind"] == "person"]
    assert people and {r["image_id"] for r in people} == {"2"}
    images = Table(places.prepared("coco") / "train" / "images.arrow")
    assert 2 not in images["image_id"] and len(images) == 5
    persons = Table(places.prepared("coco") / "train" / "persons.arrow")
    np.testing.assert_array_equal(images["image_id"][persons["image_row"]], persons["image_id"])
    assert summary()["splits"]["train"]["quarantined"][kind] == 1


def test_bad_rows_over_the_limit_stop_and_leave_only_the_list(raw: Path) -> None:
    prepare("coco", 0.0)
    change(raw, "train", "annotations", 0, keypoints=[1, 2, 3])
    with pytest.raises(ValueError, match=r"bad_row_limit in params.yaml") as error:
        prepare("coco", 0.01)
    kept = places.prepared("coco").with_name("coco.quarantine.csv")
    assert str(kept) in str(error.value) and "wrong number of values" in kept.read_text()
    assert not places.prepared("coco").exists()
    prepare("coco", 0.5)
    assert [row["reason"] for row in quarantine()] == ["wrong number of values: keypoints"]


def test_a_split_without_people_is_an_error(raw: Path) -> None:
    path = Coco().truth_file(raw, "val")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"annotations": []}))
    with pytest.raises(ValueError, match=r"val2017.json: no person to train on"):
        prepare("coco", 1.0)
    assert not places.prepared("coco").exists()


def test_keypoints_outside_the_image_are_kept(raw: Path) -> None:
    change(raw, "train", "annotations", 0, keypoints=[-20.5, 900, 1, *[5, 5, 2] * 16])
    prepare("coco", 0.0)
    persons = Table(places.prepared("coco") / "train" / "persons.arrow")
    assert persons["keypoints_image"][0, :2].tolist() == [-20.5, 900]


def test_crowds_and_people_without_keypoints_become_masks(raw: Path) -> None:
    size = [json.loads(Coco().truth_file(raw, "train").read_text())["images"][0][k]
            for k in ("height", "width")]  # fmt: skip
    nobody = {"keypoints": [0] * 51, "num_keypoints": 0}
    counts = [100, 50, size[0] * size[1] - 150]
    region = {"counts": counts, "size": size}
    change(raw, "train", "annotations", 0, iscrowd=1, segmentation=region, **nobody)
    change(raw, "train", "annotations", 1, segmentation=[[0, 0, 20, 0, 20, 10, 0, 10]], **nobody)
    prepare("coco", 0.0)
    table = Table(places.prepared("coco") / "train" / "ignore.arrow")
    assert table["is_crowd"].tolist() == [1, 0]
    masks = [
        mask.decode({"counts": table["counts"][i], "size": (table["height"][i], table["width"][i])})
        for i in range(2)
    ]
    assert masks[0].sum() == 50 and masks[1].sum() == 200 and masks[1][:10, :20].all()
    counted = summary()["splits"]["train"]
    assert counted["crowds"] == 1
    assert counted["persons"] == counted["persons_with_keypoints"] + 2


def test_missing_raw_data_say_what_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.main(["stick_figures"]) == 2
    assert "run `python -m pipelines.fetch stick_figures`" in capsys.readouterr().err
    assert stage.main([]) == 2 and stage.main(["nothing"]) == 2
    assert "accepted: coco, stick_figures" in capsys.readouterr().err


@pytest.mark.parametrize("limit", [2, -1, "1%", None])
def test_a_limit_that_is_no_share_is_named(
    limit: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage.main(["coco"], lambda _: {"bad_row_limit": limit}) == 2
    assert "datasets.coco.bad_row_limit: given" in capsys.readouterr().err


def test_a_list_of_another_kind_is_refused(raw: Path) -> None:
    Coco().truth_file(raw, "train").write_text('[{"joints_vis": [1], "image": "1.jpg"}]')
    with pytest.raises(ValueError, match="given a json list, accepted"):
        prepare("coco", 0.0)


def test_real_coco(real_data: Path) -> None:
    fetch.fetch("coco", {"source": str(real_data / "coco_mini")})
    prepare("coco", 0.0)
    train, val = (summary()["splits"][split] for split in Coco.SPLITS)
    assert (train["images"], train["persons"], train["training_persons"], train["crowds"]) == (
        11, 65, 27, 3)  # fmt: skip
    assert (val["images"], val["persons"], val["training_persons"], val["crowds"]) == (
        18,
        74,
        28,
        1,
    )
    assert quarantine() == []
    table = Table(places.prepared("coco") / "train" / "ignore.arrow")
    assert len(table) == 38
    content = json.loads(Coco().truth_file(places.raw("coco"), "train").read_text())
    left_out = [a["area"] for a in content["annotations"] if a["iscrowd"] or not a["num_keypoints"]]
    areas = [
        mask.area({"counts": table["counts"][i], "size": (table["height"][i], table["width"][i])})
        for i in range(len(table))
    ]
    np.testing.assert_allclose(sorted(areas), sorted(left_out), rtol=0.2, atol=30)


def test_a_region_that_is_not_its_images_is_its_box_and_told(raw: Path) -> None:
    """pycocotools would hang, or end the process, where training decodes such run lengths."""
    region = {"counts": [10**9], "size": [1, 1]}
    row = change(raw, "train", "annotations", 0, iscrowd=1, segmentation=region)
    prepare("coco", 0.0)
    ignore = Table(places.prepared("coco") / "train" / "ignore.arrow")
    size = [int(ignore[side][0]) for side in ("height", "width")]
    covered = mask.decode({"counts": ignore["counts"][0].encode(), "size": size})
    *_, width, height = row["bbox"]
    assert covered.sum() == pytest.approx(width * height, rel=0.1)
    why = "region not usable, its box taken: run lengths of another size than the image's"
    assert summary()["splits"]["train"]["notes"] == {why: 1}
    assert [(r["kind"], r["id"]) for r in quarantine()] == [("note", str(row["id"]))]


def test_whom_the_file_counts_0_is_trained_on_masked_and_told(raw: Path) -> None:
    """HRNet's loader takes who has a labelled keypoint; HigherHRNet's masks whom the file counts 0,

    where there is a segmentation.
    """
    first = change(
        raw, "train", "annotations", 0, num_keypoints=0, segmentation=[[0, 0, 9, 0, 9, 9]]
    )
    change(raw, "train", "annotations", 1, num_keypoints=0, segmentation=[])
    prepare("coco", 0.0)
    folder = places.prepared("coco") / "train"
    persons, ignore = Table(folder / "persons.arrow"), Table(folder / "ignore.arrow")
    assert persons["person_id"][0] == first["id"]
    assert (
        persons["num_keypoints"][:2].tolist() == [0, 0] and (persons["num_keypoints"][2:] > 0).all()
    )
    assert len(ignore) == 1 and ignore["is_crowd"].tolist() == [0]
    counts = summary()["splits"]["train"]
    assert counts["persons"] == counts["persons_with_keypoints"] == len(persons)
    assert list(counts["notes"].values()) == [2] and counts["quarantined"] == {}
    everyone = ImagePeople(places.prepared("coco"), raw, "train")
    assert everyone.unlabelled(0).sum() > 20
    assert set(main_people(everyone)) <= set(range(2, len(persons)))
