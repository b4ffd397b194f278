"""A detector by its file, its address, or its name in params.yaml; what may be said of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.detection.opening import open_detector
from pipelines.detection.settings import DetectorSettings, read_settings
from tests.worlds.detectors import HEIGHT, KINDS, SCORE, WIDTH, red_finder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return red_finder(tmp_path / "finder.onnx", KINDS["yolo"], batch="n")


def params(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_name_of_params(file: Path, tmp_path: Path) -> None:
    text = f"detectors:\n  mine: {{file: {file}, sha256: {digest(file)}, score: 0.3, nms: 0.5}}\n"
    found = open_detector("mine", params=params(tmp_path, text))
    assert (found.name, found.digest, found.kind) == ("mine", digest(file), "yolo_rows")
    assert found.described()["score"] == 0.3 and found.described()["nms"] == 0.5


def test_a_file_of_a_name_lies_below_home(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    red_finder(home / "net.onnx", KINDS["yolo"])
    entry = params(tmp_path, "detectors: {mine: {file: net.onnx}}\n")
    assert open_detector("mine", params=entry).digest == digest(home / "net.onnx")


def test_a_trial_finds_its_origins_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = tmp_path / ".dvc" / "tmp" / "exps" / "tmpabc"
    trial.mkdir(parents=True)
    monkeypatch.setenv("LIMBER_HOME", str(trial))
    red_finder(tmp_path / "net.onnx", KINDS["yolo"])
    entry = params(tmp_path, "detectors: {mine: {file: net.onnx}}\n")
    assert open_detector("mine", params=entry).digest == digest(tmp_path / "net.onnx")


@pytest.mark.parametrize("beside", ["finder.yaml", "finder.onnx.yaml"])
def test_what_goes_before_what(beside: str, file: Path, tmp_path: Path) -> None:
    """The call, what it hands in, the entry or else the file beside, the kind's own."""
    file.with_name(beside).write_text("{score: 0.1, nms: 0.2, most: 7}")
    said = "score: 0.3, nms: 0.5, most: 8, padding: 3"
    entry = params(tmp_path, f"detectors: {{mine: {{file: {file}, {said}}}}}\n")
    handed = DetectorSettings(score=0.6, most=9)
    found = open_detector("mine", score=0.7, settings=handed, params=entry).described()
    assert (found["score"], found["most"], found["nms"], found["padding"]) == (0.7, 9, 0.5, 3)
    assert found["fit"] == "centre"
    found = open_detector(str(file), settings=DetectorSettings(most=9)).described()
    assert (found["score"], found["most"], found["nms"], found["padding"]) == (0.1, 9, 0.2, 114)
    assert open_detector(str(file)).name == "finder"


def test_what_stands_beside_alone_is_refused_by_name(file: Path, tmp_path: Path) -> None:
    """Stages are run by the entry: what it leaves open would go unseen."""
    beside = file.with_suffix(".yaml")
    beside.write_text(f"{{sha256: {digest(file)}, score: 0.1, mean: [1, 2, 3]}}")
    entry = params(tmp_path, f"detectors: {{mine: {{file: {file}, score: 0.3}}}}\n")
    told = rf"params.yaml: detectors.mine: {beside} beside its file says mean, the entry does not; "
    with pytest.raises(ValueError, match=told + rf".*detect --add mine {file}. copies it there"):
        open_detector("mine", params=entry)
    assert open_detector(str(file), params=entry).described()["mean"] == [1, 2, 3]


def test_a_broken_yaml_beside_is_told_in_one_line(file: Path) -> None:
    file.with_suffix(".yaml").write_text("score: {0.1\n  nms: 2")
    with pytest.raises(ValueError, match=r"finder\.yaml: not readable as yaml") as told:
        open_detector(str(file))
    assert "\n" not in str(told.value)


def test_a_score_leaves_out_what_is_below(file: Path) -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[20:60, 30:80, 0] = 255
    for score, people in ((SCORE - 0.01, 1), (SCORE + 0.01, 0)):
        assert len(open_detector(str(file), score=score).find([image])[0].score) == people


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"scor": 0.1}, "scor: unknown key; did you mean 'score'"),
    "a score": ({"score": 1.5}, "score: given 1.5, accepted: 0 to 1"),
    "a size": ({"size": [416]}, "size: given"),
    "a mean": ({"mean": [1.0]}, "mean: given"),
    "a deviation": ({"std": [1.0, 0.0, 1.0]}, r"std\[1\]: given"),
    "classes": ({"classes": []}, "classes: given"),
    "a layout": ({"layout": "hwc"}, "layout: given 'hwc', accepted: one of nchw, nhwc"),
    "a digest": ({"sha256": "abc"}, "sha256: given"),
    "a padding": ({"padding": 300}, "padding: given"),
    "how many": ({"most": 0}, "most: given"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings_are_told_by_their_key(name: str) -> None:
    entry, told = WRONG[name]
    with pytest.raises(ValueError, match=f"here: {told}"):
        read_settings({"file": "a.onnx"} | entry, "here")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (DetectorSettings(sha256="0" * 64), "its sha256 is .*, expected 0000"),
        (
            DetectorSettings(size=[64, 64]),
            r"size: given \[64, 64\], accepted: its own, \[128, 96\]",
        ),
        (DetectorSettings(kind="yolo"), "kind: given 'yolo', accepted: .*did you mean 'yolox'"),
        (DetectorSettings(kind="detr"), "not as `kind: detr` has them"),
        (DetectorSettings(layout="nhwc"), "no nhwc"),
        (DetectorSettings(score=7.0), "score: given 7.0"),
    ],
)
def test_settings_that_the_file_does_not_bear(
    settings: DetectorSettings, told: str, file: Path
) -> None:
    with pytest.raises(ValueError, match=told):
        open_detector(str(file), settings=settings)


def test_pixels_as_they_are_have_no_mean(tmp_path: Path) -> None:
    from onnx import TensorProto

    file = red_finder(tmp_path / "a.onnx", KINDS["yolo"], elements=TensorProto.UINT8)
    with pytest.raises(ValueError, match="takes uint8, pixels as they are"):
        open_detector(str(file), settings=DetectorSettings(mean=[1.0, 2.0, 3.0]))


INPUTS: dict[str, tuple[dict[str, Any], str]] = {
    "one channel": ({"channels": 1}, r"its input image is \[1, 1, 96, 128\], accepted: .images, 3"),
    "huge": ({"size": (1 << 20, 1 << 20)}, r"1,099,511,627,776 pixels, accepted: 1 to 67,108,864"),
    "thousands at once": ({"batch": 1 << 30}, r"pixels, accepted: 1 to 67,108,864"),
    "nothing": ({"size": (0, 96)}, r"0 pixels"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_that_take_no_photos(name: str, tmp_path: Path) -> None:
    ways, told = INPUTS[name]
    file = red_finder(tmp_path / "net.onnx", KINDS["yolo"], **ways)
    with pytest.raises(ValueError, match=rf"net\.onnx: .*{told}"):
        open_detector(str(file))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("mina", "detector: given 'mina', accepted: .*(mine).*did you mean 'mine'"),
        ("missing.onnx", "missing.onnx: no such file"),
        ("https://example.org/a.onnx", "an address without a digest"),
        ("fileless", "params.yaml: detectors.fileless: file: missing"),
        ("broken", "params.yaml: detectors.broken: fil: unknown key"),
    ],
)
def test_what_names_no_detector(given: str, told: str, tmp_path: Path) -> None:
    entries = "detectors: {mine: {file: a.onnx}, fileless: {score: 0.1}, broken: {fil: a}}\n"
    with pytest.raises(ValueError, match=told):
        open_detector(given, params=params(tmp_path, entries))


def test_a_file_needs_no_params(file: Path, tmp_path: Path) -> None:
    assert open_detector(str(file), params=tmp_path / "none.yaml").kind == "yolo_rows"
    with pytest.raises(ValueError, match=r"detector: given 'mine', .*none yet"):
        open_detector("mine", params=tmp_path / "none.yaml")


def test_entries_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"params.yaml: detectors: given \['a'\]"):
        open_detector("a", params=params(tmp_path, "detectors: [a]\n"))


@pytest.mark.contract
def test_an_address_is_brought_once(file: Path, home: Path, s3_server: Any) -> None:
    s3_server.upload_file(str(file), "bucket", "nets/finder.onnx")
    address = f"s3://bucket/nets/finder.onnx#sha256={digest(file)}"
    with pytest.raises(ValueError, match=r"s3://bucket/nets/finder\.onnx: its sha256"):
        open_detector(address[:-64] + "0" * 64)
    assert open_detector(address).digest == digest(file)
    s3_server.delete_object(Bucket="bucket", Key="nets/finder.onnx")
    assert open_detector(address).name == "finder"
