"""Exported files of ours: the file alone reads poses as the network that it was exported from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch

from data.ground.plug import Plug
from pipelines.host.openvino_session import has_openvino
from pipelines.prediction.best_weights import Origin
from pipelines.prediction.named import open_reader
from pipelines.prediction.onnx_card import KEY
from pipelines.prediction.reader import People
from pipelines.prediction.trained import Trained
from pipelines.prediction.trained_reader import trained_reader
from pipelines.recipe.build import build_architecture, build_codec
from pipelines.recipe.datasets import data_set
from pipelines.recipe.reader import load_recipe
from pipelines.serving.exported_card import exported_card
from pipelines.serving.program import build_graph, export_program, noise_images, write_onnx
from tests.worlds.here import ROOT
from tests.worlds.results import recipe as top_down

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("one_thread")]

BOXES = np.array([[10.0, 20.0, 60.0, 90.0], [50.5, 5.0, 40.0, 100.0]])
ONE = People(BOXES[:1], np.array([0.5]))


def network(name: str) -> Trained:
    """Random weights whose fields have peaks, of a skeleton that no file here has."""
    if name == "crops":
        recipe = top_down(decoding="dark", unbiased=True)
    else:
        recipe = replace(load_recipe("demo_higher_hrnet"), input_size=[64, 64])
        codec = Plug(recipe.codec.name, recipe.codec.options | {"max_people": 5})
        recipe = replace(recipe, codec=codec)
    torch.manual_seed(1)
    made = build_architecture(recipe)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    skeleton = replace(data_set(recipe.dataset).SKELETON, name="herons")
    origin = Origin(3, "f" * 64, "d" * 64)
    device = torch.device("cpu")
    return Trained(recipe, made.eval(), build_codec(recipe), skeleton, device, origin)


def write(trained: Trained, path: Path, flip_test: bool) -> Path:
    with torch.no_grad():
        graph = build_graph(trained, flip_test)
        program = export_program(graph, noise_images(graph)[-1])
        card = exported_card(trained, graph, "some_recipe", flip_test)
        write_onnx(program, graph, path, {KEY: card.text()})
    return path


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Path]:
    trained = network("crops")
    return trained, write(trained, tmp_path_factory.mktemp("crops") / "model.onnx", True)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Path]:
    trained = network("images")
    return trained, write(trained, tmp_path_factory.mktemp("images") / "model.onnx", False)


@pytest.fixture
def picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8), (100, 120))


@pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed")
@pytest.mark.parametrize("kind", ["crops", "images"])
def test_openvino_reads_what_onnxruntime_reads(
    kind: str, request: pytest.FixtureRequest, picture: np.ndarray
) -> None:
    path, people = request.getfixturevalue(kind)[1], ONE if kind == "crops" else None
    first, second = (
        open_reader(str(path), runtime=each).read([picture], people and [people])[0]
        for each in ("onnxruntime", "openvino")
    )
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.keypoints_image, other.keypoints_image, atol=0.05)


def test_a_runtime_is_of_a_file_of_onnx(crops: tuple[Trained, Path]) -> None:
    with pytest.raises(ValueError, match="runtime: given 'tensorrt', accepted: onnxruntime, open"):
        open_reader(str(crops[1]), runtime="tensorrt")
    with pytest.raises(ValueError, match="runtime: given 'openvino', accepted: with a file of ON"):
        open_reader("pose-coco", runtime="openvino")
    if not has_openvino():
        with pytest.raises(ValueError, match="OpenVINO: its package is not installed; run `pip in"):
            open_reader(str(crops[1]), runtime="openvino")


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import json
import cv2, numpy as np
from pipelines.prediction.named import open_reader
from pipelines.prediction.reader import People
image = cv2.cvtColor(cv2.imread("picture.png"), cv2.COLOR_BGR2RGB)
reader = open_reader("model.onnx")
boxes = np.array(json.loads(sys.argv[1]))
(poses,) = reader.read([image], [People(boxes, np.ones(len(boxes)))])
names = {"torch", "scipy", "numba", "pandas", "mlflow", "albumentations"}
assert not [name for name in names if sys.modules.get(name)]
print(json.dumps([[*pose.box_image, *pose.keypoints_image.ravel()] for pose in poses]))
"""


def test_crops_are_read_by_the_file_alone_without_torch(
    crops: tuple[Trained, Path], picture: np.ndarray, tmp_path: Path
) -> None:
    trained, path = crops
    shutil.copy(path, tmp_path / "model.onnx")
    cv2.imwrite(str(tmp_path / "picture.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    command = [sys.executable, "-c", WITHOUT_TORCH, json.dumps(BOXES.tolist())]
    where: dict[str, Any] = {"cwd": tmp_path, "env": {"PYTHONPATH": str(ROOT)}}
    done = subprocess.run(command, **where, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    found = np.array(sorted(json.loads(done.stdout)))
    reader = trained_reader(trained, "some", "d", flip_test=True)
    (poses,) = reader.read([picture], [People(BOXES, np.ones(2))])
    expected = sorted([*pose.box_image, *pose.keypoints_image.ravel()] for pose in poses)
    apart = np.abs(found - np.array(expected))
    # DARK's Newton step has no bound: where an untrained map is flat it leads far away
    assert np.quantile(apart, 0.9) < 1e-2 and len(found) == 2


def test_the_command_itself_starts_without_torch(tmp_path: Path) -> None:
    code = 'import sys; sys.modules["torch"] = None; import pipelines.predict'
    where: dict[str, Any] = {"cwd": tmp_path, "env": {"PYTHONPATH": str(ROOT)}}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, **where, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_the_file_says_what_it_is(crops: tuple[Trained, Path], picture: np.ndarray) -> None:
    trained, path = crops
    reader = open_reader(str(path))
    assert reader.skeleton == trained.skeleton and reader.needs_boxes
    assert reader.threshold == trained.recipe.evaluation.keypoint_threshold
    assert len(reader.digest) == 64
    evaluated = trained_reader(trained, "some", "d", flip_test=True)
    for one, other in zip(reader.read([picture] * 3, [ONE] * 3),
                          evaluated.read([picture] * 3, [ONE] * 3), strict=True):  # fmt: skip
        assert one[0].score == pytest.approx(other[0].score, abs=1e-4)


def test_the_flip_test_of_crops_is_in_the_file_or_not(crops: tuple[Trained, Path]) -> None:
    assert open_reader(str(crops[1]), flip_test=True)
    with pytest.raises(ValueError, match=r"exported with the flip test; .*export RECIPE` writes"):
        open_reader(str(crops[1]), flip_test=False)


@pytest.mark.full
@pytest.mark.parametrize("flip_test", [False, True])
def test_whole_images_are_painted_by_the_file_and_read_by_the_codec(
    images: tuple[Trained, Path], picture: np.ndarray, flip_test: bool
) -> None:
    trained, path = images
    reader = open_reader(str(path), flip_test=flip_test)
    assert not reader.needs_boxes and reader.skeleton == trained.skeleton
    expected = trained_reader(trained, "some", "d", flip_test).read([picture, picture[:80]], None)
    found = reader.read([picture, picture[:80]], None)
    assert [len(poses) for poses in found] == [len(poses) for poses in expected]
    assert len(found[0]) > 1
    for one, other in zip(found[0], expected[0], strict=True):
        apart = np.abs(one.keypoints_image - other.keypoints_image)
        assert np.quantile(apart, 0.9) < 1e-2
        assert one.score == pytest.approx(other.score, abs=1e-3)


@pytest.fixture
def unsaid(crops: tuple[Trained, Path], tmp_path: Path) -> Iterator[Path]:
    model = onnx.load(crops[1])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "old.onnx")
    yield tmp_path / "old.onnx"


def test_an_export_of_before_is_to_be_exported_again(unsaid: Path) -> None:
    with pytest.raises(ValueError, match=r"old\.onnx: an export of before .*export it again"):
        open_reader(str(unsaid))


AE = "associative_embedding"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"multiple": 32, "codec": {"name": "nobody"}}, "codec.name: given 'nobody', accepted: "),
        (
            {"multiple": 32, "codec": {"name": AE, "options": {"max_people": 10**9}}},
            "codec.options.max_people: given 1000000000",
        ),
        ({"multiple": 0}, "multiple: given 0"),
        ({"input_size": [10**9, 64]}, "input_size"),
        ({"input_size": [64]}, r"input_size: given \[64\], accepted: \[width, height\]"),
        ({"scales": []}, "0 scales"),
        ({"scales": [1e300]}, "scales"),
        ({"keypoint_threshold": 7.0}, "keypoint_threshold: given 7.0"),
        ({"stages": []}, "0 stages"),
    ],
)
def test_what_a_file_says_of_itself_has_ranges(
    changes: dict[str, Any], said: str, crops: tuple[Trained, Path], unsaid: Path
) -> None:
    (told,) = (each.value for each in onnx.load(crops[1]).metadata_props if each.key == KEY)
    model = onnx.load(unsaid)
    onnx.helper.set_model_props(model, {KEY: json.dumps(json.loads(told) | changes)})
    onnx.save(model, unsaid)
    with pytest.raises(ValueError, match=said) as refused:
        open_reader(str(unsaid))
    assert str(refused.value).startswith(str(unsaid))


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "truncated or no json"), ('{"epochs": 3}', "metadata `limber`: epochs: unknown key")],
)
def test_a_file_that_says_nonsense_is_refused(unsaid: Path, text: str, said: str) -> None:
    model = onnx.load(unsaid)
    onnx.helper.set_model_props(model, {KEY: text})
    onnx.save(model, unsaid)
    with pytest.raises(ValueError, match=said):
        open_reader(str(unsaid))
