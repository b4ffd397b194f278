"""`detect` as it is typed: a detector is entered, then finds people of drawn and real photos."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data.ground.yaml_text import read_yaml
from pipelines import detect
from pipelines.detection.opening import open_detector
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.intake.preparing import prepare
from tests.worlds.detectors import KINDS, ROWS_ONLY, red_finder
from tests.worlds.drawn import NAME, draw_at_home

pytestmark = pytest.mark.contract  # of onnxruntime


def entered(home: Path, file: Path, dataset: str) -> Path:
    """A params.yaml into which the file was entered."""
    path = home.parent / "params.yaml"
    path.write_text("datasets: {}\ndetectors: {}\ndetect: {}\n")
    detect.add("some", str(file), [dataset], path)
    return path


def test_a_file_is_entered_and_finds_people(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_at_home(train=2, val=3)
    file = red_finder(home / "finder.onnx", KINDS["yolo"])
    params = entered(home, file, NAME)
    content = read_yaml(params)
    entry = {"file": "finder.onnx", "sha256": file_digest(file)}
    assert content["detectors"] == {"some": entry} and content["detect"] == {NAME: "some"}
    assert "detectors.some: yolo_rows, sha256 " in capsys.readouterr().out
    record = detect.detect(NAME, lambda name: open_detector(name, params=params), params)
    assert record.detector is not None and record.detector.sha256 == entry["sha256"]
    assert record.detector.settings["nms"] > 0 and record.splits["val"].images == 3
    assert f"{NAME} val: {record.splits['val'].boxes} boxes by some (yolo_rows), 3 images" in (
        capsys.readouterr().out
    )


def test_another_file_of_the_name_keeps_the_entrys_settings(home: Path) -> None:
    home.mkdir()
    params = entered(home, red_finder(home / "finder.onnx", KINDS["yolo"]), NAME)
    text = params.read_text().replace("sha256:", "score: 0.4, sha256:")
    params.write_text(text)
    other = red_finder(home / "other.onnx", KINDS["yolox"])
    detect.add("some", str(other), [], params)
    entry = read_yaml(params)["detectors"]["some"]
    assert entry == {"file": "other.onnx", "score": 0.4, "sha256": file_digest(other)}


def test_a_file_is_opened_as_its_entry_says(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is told is what the stage reads; an entry without a digest gets it so."""
    home.mkdir()
    file = red_finder(home / "rows.onnx", ROWS_ONLY)
    params = home / "params.yaml"
    params.write_text(f"detectors:\n  some: {{file: {file}, kind: yolo_rows}}\n")
    detect.add("some", str(file), [], params)
    assert "detectors.some: yolo_rows, sha256 " in capsys.readouterr().out
    assert read_yaml(params)["detectors"]["some"]["sha256"] == file_digest(file)


def test_what_a_yaml_beside_says_is_copied(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the entry says already stays; then the stage goes by the entry alone."""
    draw_at_home(train=2, val=1)
    file = red_finder(home / "rows.onnx", ROWS_ONLY)
    file.with_suffix(".yaml").write_text("{kind: yolo_rows, score: 0.4, nms: 0.3}\n")
    params = home / "params.yaml"
    entry = f"{{file: {file}, sha256: {file_digest(file)}, score: 0.2}}"
    params.write_text(f"detectors:\n  some: {entry}\ndetect: {{{NAME}: some}}\n")
    with pytest.raises(ValueError, match=r"says kind, nms, the entry does not; .*--add some "):
        detect.detect(NAME, lambda name: open_detector(name, params=params), params)
    detect.add("some", str(file), [], params)
    said = capsys.readouterr().out
    assert "detectors.some: kind yolo_rows, nms 0.3, of the yaml beside the file" in said
    added = read_yaml(params)["detectors"]["some"]
    assert (added["kind"], added["score"], added["nms"]) == ("yolo_rows", 0.2, 0.3)
    record = detect.detect(NAME, lambda name: open_detector(name, params=params), params)
    assert record.detector is not None and record.detector.settings["nms"] == 0.3


def test_what_runs_the_stage_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    file = red_finder(home / "finder.onnx", KINDS["yolo"])
    params = home / "params.yaml"
    params.write_text("run: {datasets: [coco], mixtures: {coco_mpii: {}}}\ndetectors: {}\n")
    detect.add("some", str(file), ["coco", "coco_mpii", "mpii"], params)
    told = [line.partition("; ")[2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert told[:2] == ["`make repro` runs it"] * 2
    assert told[2].startswith("`make repro RECIPE=NAME` of a recipe of mpii runs it")


def test_a_name_in_the_files_place_leaves_the_entry(home: Path) -> None:
    home.mkdir()
    params = entered(home, red_finder(home / "finder.onnx", KINDS["yolo"]), NAME)
    before = params.read_text()
    with pytest.raises(ValueError, match="some: no such file"):
        detect.add("some", "some", [], params)
    assert params.read_text() == before


def test_what_is_no_detector_is_entered_nowhere(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "none.onnx").write_bytes(b"none")
    params = home / "params.yaml"
    params.write_text("detectors: {}\n")
    with pytest.raises(ValueError, match=r"none\.onnx"):
        detect.add("some", str(home / "none.onnx"), [], params)
    assert params.read_text() == "detectors: {}\n"
    for typed in (["--add", "no name", "a.onnx"], [NAME, "--for", NAME], []):
        assert detect.main(typed) == 2
    said = capsys.readouterr().err
    assert "--add: given 'no name'" in said and "--for: accepted: with --add NAME FILE" in said


def test_real_people_by_a_real_detector(home: Path, real_data: Path) -> None:
    """AP 0.323, AP50 0.568, AR 0.430 were measured with other code."""
    raw = places.raw("coco")
    shutil.copytree(real_data / "coco_mini", raw)
    shutil.rmtree(raw / "person_detection_results")
    prepare("coco", 0.0)
    params = entered(home, real_data / "weights" / "nanodet.onnx", "coco")
    record = detect.detect("coco", lambda name: open_detector(name, params=params), params)
    people = record.splits["val"].people
    assert people is not None and people.people == 73
    assert people.numbers == pytest.approx({"AP": 0.323, "AP50": 0.568, "AR": 0.430}, abs=0.005)
