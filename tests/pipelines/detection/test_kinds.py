"""Each kind of outputs: told without being named, its boxes where they are in the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from pipelines.detection.feeding import IMAGENET_BGR, IMAGENET_RGB
from pipelines.detection.kinds.menu import KINDS as MENU
from pipelines.detection.opening import open_detector
from pipelines.detection.settings import DetectorSettings
from tests.worlds.detectors import (
    BINS,
    HEIGHT,
    KINDS,
    ROWS,
    ROWS_ONLY,
    SCORE,
    WIDTH,
    constant_detector,
    red_finder,
)

SIZES = [(256, 128), (96, 192), (64, 60), (300, 225), (128, 96)]  # width, height


def with_red(width: int, height: int) -> tuple[np.ndarray, list[float]]:
    """A black image with a red rectangle around its middle, and the rectangle's box (xywh)."""
    image = np.zeros((height, width, 3), np.uint8)
    x, y, w, h = width // 4, height // 8, (width * 5) // 8, (height * 5) // 8
    image[y : y + h, x : x + w, 0] = 255
    return image, [x, y, w, h]


def pixel(width: int, height: int) -> float:
    """A pixel of the input, seen from an image that fits into it."""
    return max(1.0, width / WIDTH, height / HEIGHT)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
@pytest.mark.parametrize("name", KINDS)
def test_the_box_comes_back_in_image_pixels(
    name: str, size: tuple[int, int], tmp_path: Path
) -> None:
    detector = open_detector(str(red_finder(tmp_path / "a.onnx", KINDS[name])))
    assert detector.kind == KINDS[name].kind
    image, box = with_red(*size)
    (found,) = detector.find([image])
    assert found.score == pytest.approx([SCORE], abs=1e-3)
    assert np.abs(found.box_image[0] - box).max() <= pixel(*size)


def test_every_kind_is_made_here() -> None:
    assert {kind.kind for kind in KINDS.values()} == set(MENU)


WAYS: dict[str, dict[str, Any]] = {
    "rows last": {"layout": "nhwc"},
    "halves": {"elements": TensorProto.FLOAT16},
    "bytes": {"elements": TensorProto.UINT8},
    "several": {"batch": "n"},
    "four": {"batch": 4},
    "any size": {"size": ("w", "h")},
    "all free": {"size": ("w", "h"), "batch": "n", "channels": "c"},
}


@pytest.mark.parametrize("way", WAYS)
def test_an_input_of_any_kind(way: str, tmp_path: Path) -> None:
    """Images of several sizes in one call; a free size is the one of the settings."""
    file = red_finder(tmp_path / "a.onnx", KINDS["end to end"], **WAYS[way])
    settings = DetectorSettings(size=[WIDTH, HEIGHT])
    images, boxes = zip(*(with_red(*size) for size in SIZES), strict=True)
    found = open_detector(str(file), settings=settings).find(images)
    for size, box, each in zip(SIZES, boxes, found, strict=True):
        assert np.abs(each.box_image[0] - box).max() <= pixel(*size)
    assert open_detector(str(file), settings=settings).find([]) == []


def plus(tmp_path: Path, strides: tuple[int, ...]) -> Path:
    """NanoDet's one table; in the third cell of stride 16 a box that reaches 2.5 cells."""
    before = [(HEIGHT // s) * (WIDTH // s) for s in strides]
    table = np.zeros((1, sum(-(-HEIGHT // s) * -(-WIDTH // s) for s in strides), 3 + 4 * 8))
    table[..., 3::8] = -2.0  # logits of eight bins a side
    row = before[0] + 2
    table[0, row, :3] = [SCORE, 0.5, 0.25]
    table[0, row, 3:] = np.tile([-60, -60, 0, 0, -60, -60, -60, -60], 4)
    return constant_detector(tmp_path / "a.onnx", {"output": table.astype(np.float32)})


@pytest.mark.parametrize(
    ("strides", "middle", "fit"),
    [((8, 16, 32), (40.0, 8.0), "corner"), ((8, 16, 32, 64), (32.0, 0.0), "stretch")],
    ids=["around the middle of a cell", "around its corner"],
)
def test_nanodet_in_one_table(
    strides: tuple[int, ...], middle: tuple[float, float], fit: str, tmp_path: Path
) -> None:
    detector = open_detector(str(plus(tmp_path, strides)))
    (found,) = detector.find([np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)])
    assert detector.kind == "gfl" and found.score == pytest.approx([SCORE])
    x, y = middle
    corners = np.clip([x - 40, y - 40, x + 40, y + 40], 0, [WIDTH, HEIGHT] * 2) * 2
    assert np.allclose(found.box_image, [[*corners[:2], *(corners[2:] - corners[:2])]])
    assert detector.described()["fit"] == fit


@pytest.mark.parametrize(
    ("name", "convolved", "mean"),
    [
        ("mmdeploy", True, IMAGENET_BGR[0]),
        ("mmdeploy", False, (0.0,) * 3),
        ("rf-detr", True, IMAGENET_RGB[0]),
        ("d-fine", True, (0.0,) * 3),
        ("nanodet", False, IMAGENET_BGR[0]),
    ],
)
def test_which_are_fed_normalised(
    name: str, convolved: bool, mean: tuple[float, ...], tmp_path: Path
) -> None:
    """Of mmdeploy's, those that a convolution reads first (RTMDet); YOLOX's are fed as they are."""
    file = red_finder(tmp_path / "a.onnx", KINDS[name], convolved=convolved)
    assert open_detector(str(file)).described()["mean"] == mean


def test_boxes_of_rf_detr_may_end_outside_the_image(tmp_path: Path) -> None:
    """Its boxes are moved reference points, not fractions by a sigmoid."""
    logits, boxes = np.full((1, 20, 91), -9.0), np.full((1, 20, 4), 0.5)
    logits[0, 0, 1], boxes[0, 0], boxes[0, 1] = 9.0, [0.0, 0.5, 1.0, 0.5], [-0.02, 0.99, 1.2, 1.01]
    outputs = {"dets": boxes.astype(np.float32), "labels": logits.astype(np.float32)}
    detector = open_detector(str(constant_detector(tmp_path / "a.onnx", outputs)))
    (found,) = detector.find([np.zeros((HEIGHT, WIDTH, 3), np.uint8)])
    assert detector.kind == "detr"
    assert np.allclose(found.box_image, [[0, HEIGHT / 4, WIDTH / 2, HEIGHT / 2]])


def test_boxes_in_pixels_are_no_fractions(tmp_path: Path) -> None:
    boxes = np.tile(np.float32([60, 40, 30, 30]), (1, 20, 1))
    outputs = {"pred_boxes": boxes, "logits": np.full((1, 20, 80), -9.0, np.float32)}
    with pytest.raises(ValueError, match=r"a\.onnx: no detector"):
        open_detector(str(constant_detector(tmp_path / "a.onnx", outputs)))


def test_rows_that_look_like_yolox(tmp_path: Path) -> None:
    """[1, N, 7] is YOLOX's with two classes, or three classes without objectness: metadata or
    settings tell."""
    image, box = with_red(256, 128)
    plain = red_finder(tmp_path / "plain.onnx", ROWS_ONLY)
    named = red_finder(tmp_path / "named.onnx", ROWS_ONLY, names="{0: 'person', 1: 'a', 2: 'b'}")
    asked = open_detector(str(plain), settings=DetectorSettings(kind="yolo_rows"))
    assert open_detector(str(plain)).kind == "yolox"
    for detector in (open_detector(str(named)), asked):
        assert detector.kind == "yolo_rows"
        assert np.abs(detector.find([image])[0].box_image[0] - box).max() <= 2


@pytest.mark.parametrize(
    ("columns", "names", "asked", "kind", "score"),
    [
        (85, "", None, "yolox", 0.375),
        (85, "", "yolo_rows", "yolo_rows", 0.375),
        (84, "", None, "yolo_rows", 0.5),
        (7, "{0: 'person', 1: 'a'}", "yolo_rows", "yolo_rows", 0.375),
        (7, "", "yolo_rows", "yolo_rows", 0.5),
    ],
)
def test_objectness_of_one_anchor_a_cell(
    columns: int, names: str, asked: str | None, kind: str, score: float, tmp_path: Path
) -> None:
    """Columns behind the box: 0.5, 0.75; with objectness, the product is the score."""
    table = np.zeros((1, ROWS, columns), np.float32)
    table[0, 40, :6] = [40, 40, 30, 30, 0.5, 0.75]
    file = constant_detector(tmp_path / "a.onnx", {"output": table}, names)
    detector = open_detector(str(file), settings=DetectorSettings(kind=asked))
    (found,) = detector.find([np.zeros((HEIGHT, WIDTH, 3), np.uint8)])
    assert detector.kind == kind and found.score == pytest.approx([score])


def test_people_are_the_class_of_that_name(tmp_path: Path) -> None:
    """By metadata, else 0; the settings go before both."""
    file = tmp_path / "a.onnx"
    for names, classes in (("", [0]), ("{0: 'cat', 1: 'Person', 2: 'x'}", [1]), ("nonsense", [0])):
        red_finder(file, KINDS["yolo"], names=names)
        assert open_detector(str(file)).described()["classes"] == classes
    asked = open_detector(str(file), settings=DetectorSettings(classes=[2, 1]))
    (found,) = asked.find([with_red(256, 128)[0]])
    assert found.score == pytest.approx([0.2, 0.1])


def others() -> dict[str, dict[str, np.ndarray]]:
    """Outputs of what is no detector."""
    random = np.random.default_rng(0)
    sizes = {
        "a classifier": {"logits": (1, 1000)},
        "heatmaps": {"heatmaps": (1, 17, 24, 32)},
        "SimCC": {"simcc_x": (1, 17, 256), "simcc_y": (1, 17, 192)},
        "coordinates": {"Identity": (1, 1, 17, 3)},
        "poses in rows": {"output0": (1, 56, ROWS)},
        "masks": {"output0": (1, 116, ROWS), "output1": (1, 32, 24, 32)},
        "heads not joined": {f"p{i}": (1, 3, 12, 16, 85) for i in (3, 4, 5)},
        "distances alone": {"d": (1, ROWS, 4 * BINS)},
        "boxes of no image": {"boxes": (7, 4), "scores": (7,)},
        "one number": {"o": ()},
    }
    return {
        name: {n: random.normal(0, 5, shape).astype(np.float32) for n, shape in each.items()}
        for name, each in sizes.items()
    }


@pytest.mark.parametrize("name", others())
def test_what_is_no_detector_is_told_by_its_outputs(name: str, tmp_path: Path) -> None:
    outputs = others()[name]
    file = constant_detector(tmp_path / "net.onnx", outputs)
    with pytest.raises(ValueError, match=r"net\.onnx: no detector") as told:
        open_detector(str(file))
    assert any(f"{n} " in str(told.value) for n in outputs)
    assert all(f"{kind}" in str(told.value) for kind in MENU)


def test_more_columns_than_the_named_classes_are_no_scores(tmp_path: Path) -> None:
    """A network of poses whose file names one class, with every other column from 0 to 1 too."""
    one = red_finder(tmp_path / "net.onnx", KINDS["yolo"], names="{0: 'person'}")
    with pytest.raises(ValueError, match=r"net\.onnx: no detector"):
        open_detector(str(one))
