"""Pose networks of others, each read as its sidecar says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from data.files.images import read_image
from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton
from data.menus import DATASETS
from data.views.geometry import box_to_view, move, view_matrix
from pipelines.detection.opening import open_detector
from pipelines.evaluation.scoring import score_poses
from pipelines.prediction.foreign_reader import foreign_reader
from pipelines.prediction.named import open_reader
from pipelines.prediction.reader import People
from pipelines.prediction.sidecar import read_sidecar
from tests.worlds.sidecars import HRNET, MOVENET_THUNDER, RTMPOSE

COCO = load_skeleton("coco")
SIZE = (192, 256)
BOX = np.array([[20.0, 30.0, 60.0, 90.0]])
IMAGE = np.zeros((160, 120, 3), np.uint8)
PLACES = np.stack([10.0 + 10 * np.arange(17), 20.0 + 13 * np.arange(17)], 1)  # of the input


def network(
    path: Path, shape: Sequence[int | str], elements: int = TensorProto.FLOAT, **outputs: np.ndarray
) -> Path:
    """A graph that says the same of every image: outputs without their batch."""
    image = helper.make_tensor_value_info("image", elements, shape)
    axes = numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes")
    none = numpy_helper.from_array(np.zeros(1, np.float32), "none")
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axes"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["mean", "none"], ["zero"]),
    ]
    values, made = [axes, none], []
    for name, value in outputs.items():
        flat = value.astype(np.float32).reshape(1, 1, 1, -1)
        sides = numpy_helper.from_array(np.array([-1, *value.shape], np.int64), f"{name}_sides")
        values += [numpy_helper.from_array(flat, f"{name}_value"), sides]
        nodes += [
            helper.make_node("Add", ["zero", f"{name}_value"], [f"{name}_flat"]),
            helper.make_node("Reshape", [f"{name}_flat", f"{name}_sides"], [name]),
        ]
        made.append(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [shape[0], *value.shape])
        )
    graph = helper.make_graph(nodes, "same", [image], made, values)
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return path


def sidecar(path: Path, text: str) -> Path:
    path.with_suffix(".yaml").write_text(text)
    return path


def read_one(path: Path, images: int = 1) -> list[Pose]:
    people = People(BOX, np.array([0.5]))
    found = open_reader(str(path)).read([IMAGE] * images, [people] * images)
    assert [len(poses) for poses in found] == [1] * images
    return [poses[0] for poses in found]


def in_input(pose: Pose, size: tuple[int, int] = SIZE, padding: float = 1.25) -> np.ndarray:
    view = box_to_view(BOX[0], size, aligned=False, padding=padding)
    return move(view_matrix(view, size, aligned=False), pose.keypoints_image)


def simcc() -> dict[str, np.ndarray]:
    """Peaks at twice the places, of 0.9 across and of 0.6 and 0.95 down."""
    x, y = np.zeros((17, 384)), np.zeros((17, 512))
    rows = np.arange(17)
    x[rows, (2 * PLACES[:, 0]).astype(int)] = 0.9
    y[rows, (2 * PLACES[:, 1]).astype(int)] = np.where(rows < 8, 0.6, 0.95)
    return {"simcc_y": y, "simcc_x": x}


def test_simcc_is_read_by_the_highest_cells_of_both_axes(tmp_path: Path) -> None:
    shape = ("n", 3, 256, 192)
    path = sidecar(network(tmp_path / "rtmpose.onnx", shape, **simcc()), RTMPOSE)
    poses = read_one(path, images=3)
    for pose in poses:
        np.testing.assert_allclose(in_input(pose), PLACES, atol=1e-3)
        np.testing.assert_allclose(pose.keypoint_scores, [0.6] * 8 + [0.9] * 9, atol=1e-6)
    assert poses[0].score == pytest.approx(0.5 * (8 * 0.6 + 9 * 0.9) / 17)
    assert poses[0].box_image == tuple(BOX[0])


def test_heatmaps_are_read_as_our_own_are(tmp_path: Path) -> None:
    """A quarter of a cell towards the higher neighbour: cell 10 of stride 4 is 41 from the left."""
    maps = np.zeros((17, 64, 48))
    maps[:, 20, 10], maps[:, 20, 11], maps[:, 19, 10] = 0.8, 0.4, 0.4
    path = sidecar(network(tmp_path / "hrnet.onnx", (1, 3, 256, 192), heatmaps=maps), HRNET)
    for pose in read_one(path, images=2):
        np.testing.assert_allclose(in_input(pose), [[41.0, 79.0]] * 17, atol=1e-3)
        np.testing.assert_allclose(pose.keypoint_scores, 0.8, atol=1e-6)


@pytest.mark.parametrize(
    ("output", "columns", "scores"),
    [
        ("order: xy, unit: pixels, values: 2, score: null", lambda x, y: (x, y), 1.0),
        ("order: yx, unit: crop, values: 3, score: 2", lambda x, y: (y / 256, x / 192, 0.7), 0.7),
        (
            "order: xy, unit: pixels, values: 4, score: 3, logits: true",
            lambda x, y: (x, y, 5.0, 0.0),
            0.5,
        ),
    ],
)
def test_coordinates_are_read_in_their_order_and_unit(
    tmp_path: Path, output: str, columns: Any, scores: float
) -> None:
    rows = np.array([columns(x, y) for x, y in PLACES]).reshape(-1)
    shape = (1, 256, 192, 3)
    path = network(tmp_path / "some.onnx", shape, points=rows)
    text = "input_size: [192, 256]\nskeleton: coco\npixels: {layout: nhwc}\ncrop: {padding: 1.5}"
    sidecar(path, f"{text}\noutput: {{kind: coordinates, {output}}}\n")
    (pose,) = read_one(path)
    np.testing.assert_allclose(in_input(pose, padding=1.5), PLACES, atol=1e-3)
    np.testing.assert_allclose(pose.keypoint_scores, scores, atol=1e-6)


def test_keypoints_come_in_the_skeletons_order(tmp_path: Path) -> None:
    path = network(tmp_path / "some.onnx", ("n", 3, 256, 192), **simcc())
    names = list(reversed(COCO.keypoints))
    (pose,) = read_one(sidecar(path, f"{RTMPOSE}keypoints: [{', '.join(names)}]\n"))
    np.testing.assert_allclose(in_input(pose), PLACES[::-1], atol=1e-3)
    assert pose.keypoint_scores is not None
    np.testing.assert_allclose(pose.keypoint_scores[-8:], 0.6, atol=1e-6)


def test_pixels_are_fed_as_the_sidecar_says(tmp_path: Path) -> None:
    """A graph that gives back what it is fed: the mean of each channel, as points."""
    path = tmp_path / "mean.onnx"
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 64, 64])
    means = helper.make_tensor_value_info("means", TensorProto.FLOAT, ["n", 3])
    axes = numpy_helper.from_array(np.array([2, 3], np.int64), "axes")
    node = helper.make_node("ReduceMean", ["image", "axes"], ["means"], keepdims=0)
    graph = helper.make_graph([node], "means", [image], [means], [axes])
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    (tmp_path / "one.yaml").write_text(
        "keypoints: [head]\nlimbs: []\nmirrored: []\nsigmas: [0.1]\nupper_body: []\n"
    )
    sidecar(
        path,
        "input_size: [64, 64]\nskeleton: one.yaml\n"
        "pixels: {colour: bgr, mean: [3, 2, 1], std: [2, 4, 8]}\n"
        "output: {kind: coordinates, unit: pixels, values: 3, score: 2}\n",
    )
    image_of = np.full((64, 64, 3), (11, 22, 33), np.uint8)
    box = np.array([[16.0, 16.0, 32.0, 32.0]])
    ((pose,),) = open_reader(str(path)).read([image_of], [People(box, np.ones(1))])
    expected = np.array([[(33 - 3) / 2, (22 - 2) / 4]])
    matrix = view_matrix(box_to_view(box[0], (64, 64), aligned=False), (64, 64), aligned=False)
    np.testing.assert_allclose(move(matrix, pose.keypoints_image), expected, atol=1e-3)
    np.testing.assert_allclose(pose.keypoint_scores, (11 - 1) / 8, atol=1e-4)


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("kind: simcc", "kind: simc", r"output.kind: given 'simc'"),
        ("split: 2", "splitt: 2", r"output.splitt: unknown key; did you mean 'split'"),
        ("split: 2", "split: 3", r"given \[17, 384\], simcc of 17 keypoints are \[17, 576\]"),
        ("[192, 256]", "[256, 192]", r"input_size and pixels.layout make \[3, 192, 256\]"),
        ("[192, 256]", "[192]", r"input_size: given \[192\], accepted: \[width, height\]"),
        ("[192, 256]", "[192, 99999]", r"input_size: given .* up to 4,096 pixels"),
        ("skeleton: coco", "skeleton: cocoa", r"skeleton: given 'cocoa', accepted: coco, crowd"),
        ("skeleton: coco", "skeleton: mpii", r"does not fit .*simcc of 16 keypoints"),
        ("simcc_x, simcc_y", "simcc_x", r"kind simcc is read from 2 of them: output.names"),
        ("57.375]", "0]", r"pixels.std: given \[58.395, 57.12, 0.0\], accepted: three of 1e-06 to"),
    ],
)
def test_a_sidecar_that_does_not_fit_is_refused(
    tmp_path: Path, was: str, now: str, said: str
) -> None:
    path = network(tmp_path / "some.onnx", ("n", 3, 256, 192), **simcc())
    assert was in RTMPOSE
    sidecar(path, RTMPOSE.replace(was, now))
    with pytest.raises(ValueError, match=said) as refused:
        open_reader(str(path))
    assert "some.yaml" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "key", "accepted"),
    [
        ("output: {kind: heatmaps, blur_kernel: 2147483647}", "output.blur_kernel", "3 to 255"),
        ("output: {kind: heatmaps, blur_kernel: 1}", "output.blur_kernel", "3 to 255"),
        ("output: {kind: heatmaps, blur_kernel: 12}", "output.blur_kernel", "an odd number, 3 to"),
        ("output: {kind: simcc, split: 1.0e+308}", "output.split", "more than 0, up to 64"),
        ("output: {kind: simcc, split: 0}", "output.split", "more than 0, up to 64"),
        ("output: {kind: coordinates, values: 1000000}", "output.values", "2 to 64"),
        ("pixels: {std: [1.0e-300, 1, 1]}", "pixels.std", "three of 1e-06 to 1,000,000"),
        ("pixels: {mean: [1.0e+300, 1, 1]}", "pixels.mean", "three of -1,000,000 to 1,000,000"),
        ("crop: {padding: 1.0e+300}", "crop.padding", "more than 0, up to 10"),
        ("threshold: -1.0e+300", "threshold", "-1,000,000 to 1,000,000"),
        ("nms_threshold: 1.5", "nms_threshold", "0 to 1"),
    ],
)
def test_numbers_have_ranges(tmp_path: Path, text: str, key: str, accepted: str) -> None:
    path = tmp_path / "some.yaml"
    lines = {"input_size": "input_size: [192, 256]", "skeleton": "skeleton: coco",
             "output": "output: {kind: heatmaps}"}  # fmt: skip
    path.write_text("\n".join((lines | {text.partition(":")[0]: text}).values()))
    with pytest.raises(ValueError, match=rf"some\.yaml: {key}: given .*, accepted: {accepted}"):
        read_sidecar(path)


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("score: 0", "output.score: given 0, accepted: .*from 2"),
        ("score: 1", "output.score: given 1, accepted: .*from 2"),
        ("score: 3", "output.score: given 3, accepted: .*from 2"),
        ("values: 2", "output.score: given 2, accepted: .*null: none"),
    ],
)
def test_x_and_y_are_no_score(tmp_path: Path, said: str, refused: str) -> None:
    text = MOVENET_THUNDER.replace("score: 2", said).replace("values: 3, values", "values")
    assert text != MOVENET_THUNDER
    path = sidecar(tmp_path / "some.onnx", text)
    with pytest.raises(ValueError, match=refused):
        read_sidecar(path.with_suffix(".yaml"))


@pytest.mark.parametrize("key", ["mean: [1, 0, 0]", "std: [1, 1, 58]"])
def test_whole_numbers_are_fed_as_they_are(tmp_path: Path, key: str) -> None:
    places = np.tile(np.float32([0.5, 0.5, 0.9]), (17, 1))
    shape = (1, 256, 256, 3)
    path = network(tmp_path / "some.onnx", shape, TensorProto.INT32, Identity=places)
    sidecar(path, MOVENET_THUNDER.replace("layout: nhwc", f"layout: nhwc, {key}"))
    with pytest.raises(ValueError, match=r"some\.yaml: pixels\.mean, pixels\.std: .*whole numbers"):
        open_reader(str(path))
    sidecar(path, MOVENET_THUNDER.replace("layout: nhwc", "layout: nhwc, mean: [0, 0, 0]"))
    assert open_reader(str(path)).skeleton == COCO


def test_a_broken_sidecar_is_told_in_one_line(tmp_path: Path) -> None:
    path = sidecar(tmp_path / "some.onnx", "input_size: [192\n  skeleton: coco")
    with pytest.raises(ValueError, match=r"some\.yaml: not readable as yaml") as told:
        read_sidecar(path.with_suffix(".yaml"))
    assert "\n" not in str(told.value)


def test_what_nothing_is_said_of_is_refused(tmp_path: Path) -> None:
    path = network(tmp_path / "some.onnx", ("n", 3, 256, 192), **simcc())
    said = r"does not say how it is read \(outputs simcc_y, simcc_x\), accepted: an export of ours"
    with pytest.raises(ValueError, match=said):
        open_reader(str(path))
    with pytest.raises(ValueError, match=r"other\.yaml: no such file"):
        open_reader(str(path), sidecar=tmp_path / "other.yaml")
    with pytest.raises(ValueError, match="no flip test of networks of others"):
        foreign_reader(path, sidecar(path, RTMPOSE).with_suffix(".yaml"), "some", True)


def test_values_that_are_not_finite_do_no_harm(tmp_path: Path) -> None:
    broken = simcc()
    broken["simcc_x"][3] = np.nan
    path = sidecar(network(tmp_path / "some.onnx", ("n", 3, 256, 192), **broken), RTMPOSE)
    (pose,) = read_one(path)
    assert pose.keypoint_scores is not None
    assert np.isfinite(pose.keypoints_image).all() and pose.keypoint_scores[3] == 0
    assert np.isfinite(pose.score)


def scored(poses: dict[int, list[Pose]], raw: Path) -> float:
    truth = DATASETS["coco"].truth(raw, "val")
    return float(score_poses("oks", COCO, poses, truth).result()["AP"])


def test_nanodet_and_thunder_find_people_on_real_photos(real_data: Path) -> None:
    """Others' code, which scores people another way, found 0.529."""
    weights, raw = real_data / "weights", real_data / "coco_mini"
    path = sidecar(weights / "movenet-thunder.onnx", MOVENET_THUNDER)
    reader, detector = open_reader(str(path)), open_detector(str(weights / "nanodet.onnx"))
    poses: dict[int, list[Pose]] = {}
    for photo in sorted((raw / "val2017").glob("*.jpg")):
        image = read_image(photo)
        (found,) = detector.find([image])
        sure = found.score > 0.2
        people = People(found.box_image[sure], found.score[sure])
        (poses[int(photo.stem)],) = reader.read([image], [people])
    assert scored(poses, raw) == pytest.approx(0.563, abs=0.03)
