"""A network by its name: a registered version, a recipe that is trained here, a file."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from mlflow.models import Model

from data.files.images import read_image
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.prediction.named import open_reader
from pipelines.prediction.reader import People
from pipelines.prediction.version_files import load_version
from pipelines.registry.gate import read_candidate, register
from pipelines.registry.rules import RULES, read_rules
from pipelines.registry.versions import CANDIDATE, CHAMPION, Registry
from pipelines.serving.model_files import write_model_files
from pipelines.serving.pose_model import TAG, PoseModel
from tests.worlds.promoted import write_no_graph
from tests.worlds.results import write_results

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("one_thread")]

SLOT = "pose-coco"
BOXES = np.array([[10.0, 20.0, 60.0, 90.0], [50.5, 5.0, 40.0, 100.0]])


@pytest.fixture(scope="module")
def home(module_home: Path) -> Path:
    """A home of one recipe, whose registry holds two versions of a slot."""
    registry, rule = Registry(), read_rules(RULES)[SLOT]
    ungraphed = partial(write_model_files, write_graph=write_no_graph)
    for seed, name, write in ((1, "first", write_model_files), (2, "second", ungraphed)):
        write_results(name, seed=seed, decoding="argmax")
        register(registry, SLOT, read_candidate(name), rule, write)
    registry.point(SLOT, CHAMPION, "1")
    registry.point(SLOT, CANDIDATE, "2")
    shutil.rmtree(places.results() / "second")
    return module_home


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 100, 3), dtype=np.uint8)


def read(given: str, image: np.ndarray) -> np.ndarray:
    (poses,) = open_reader(given, device="cpu").read([image], [People(BOXES, np.ones(2))])
    assert len(poses) == 2
    poses.sort(key=lambda pose: pose.box_image)
    columns = [np.c_[pose.keypoints_image, pose.keypoint_scores] for pose in poses]
    return np.stack(columns)


@pytest.mark.parametrize("photo", [False, True])
def test_a_version_is_read_as_it_is_served(
    home: Path, picture: np.ndarray, request: pytest.FixtureRequest, photo: bool
) -> None:
    if photo:
        folder = request.getfixturevalue("real_data") / "coco_mini" / "val2017"
        picture = read_image(min(folder.glob("*.jpg")))
    registry = Registry()
    served = registry.files(registry.version(SLOT, "1"), "artifacts", home / "served")
    names = {"graph": "graph.pt2", "card": "card.json", "code": "code", "digests": "digests.json"}
    told = {"artifacts/digests.json": file_digest(served / "digests.json")}
    Model(metadata={TAG: told}).save(served.parent / "MLmodel")  # as MLflow writes it beside them
    model = PoseModel()
    context = type("Context", (), {"artifacts": {k: served / v for k, v in names.items()}})
    model.load_context(context)
    (answer,) = model.predict(None, [{"image": picture, "boxes": BOXES.tolist()}])
    expected = np.array([pose["keypoints"] for pose in answer["poses"]])
    np.testing.assert_allclose(read(SLOT, picture), expected, atol=1e-3)
    (poses,) = open_reader(SLOT).read([picture], [People(BOXES, np.ones(2))])
    scores = sorted(pose["score"] for pose in answer["poses"])
    assert sorted(pose.score for pose in poses) == pytest.approx(scores, abs=1e-4)


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (SLOT, "1"),
        (f"{SLOT}@champion", "1"),
        (f"{SLOT}@candidate", "2"),
        (f"{SLOT}:2", "2"),
        (f"models:/{SLOT}/2", "2"),
        (f"models:/{SLOT}@champion", "1"),
    ],
)
def test_versions_have_names(home: Path, picture: np.ndarray, given: str, number: str) -> None:
    reader = open_reader(given)
    assert reader.name == f"{SLOT}:{number}" and reader.needs_boxes
    same = read(given, picture) == read(f"{SLOT}:1", picture)
    assert same.all() == (number == "1")


def test_what_was_brought_is_brought_once_and_told_apart_by_origin(
    home: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read(SLOT, picture)
    (kept,) = (places.home() / "runs" / "versions" / SLOT).glob("1-*")
    stamp = (kept / "card.json").stat().st_mtime_ns
    np.testing.assert_array_equal(read(f"{SLOT}:1", picture), before)
    assert (kept / "card.json").stat().st_mtime_ns == stamp
    monkeypatch.setenv("LIMBER_HOME", str(home.parent / "elsewhere"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db")
    np.testing.assert_array_equal(read(SLOT, picture), before)
    assert not (home.parent / "elsewhere" / "mlflow.db").exists()


def test_a_version_of_a_data_set_that_is_none_of_this_checkout_brings_its_skeleton(
    home: Path, picture: np.ndarray, tmp_path: Path
) -> None:
    read(SLOT, picture)
    (kept,) = (places.home() / "runs" / "versions" / SLOT).glob("1-*")
    folder = tmp_path / "herons"
    shutil.copytree(kept, folder)
    card = json.loads((folder / "card.json").read_text())
    skeletons = folder / "code" / card["code"]["package"] / "data" / "skeletons"
    own = (skeletons / "coco.yaml").read_text().replace("nose", "beak")
    (skeletons / "herons.yaml").write_text(own)
    card["recipe"]["dataset"] = card["skeleton"]["name"] = "herons"
    (folder / "card.json").write_text(json.dumps(card))
    skeleton = load_version(folder, "herons").skeleton
    assert skeleton.name == "herons" and "beak" in skeleton.keypoints


def test_what_was_brought_and_changed_since_is_brought_again(
    home: Path, picture: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read(SLOT, picture)
    (kept,) = (places.home() / "runs" / "versions" / SLOT).glob("1-*")
    weights, whole = kept / "model.safetensors", (kept / "model.safetensors").read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (kept / "code" / "json.py").write_text("")
    np.testing.assert_array_equal(read(SLOT, picture), before)
    assert weights.read_bytes() == whole and not (kept / "code" / "json.py").exists()
    assert f"{kept}: brought again (version 1 of {SLOT}" in capsys.readouterr().err


def test_a_recipe_that_is_trained_here_and_its_file_are_one(
    home: Path, picture: np.ndarray, tmp_path: Path
) -> None:
    copy = shutil.copy(places.best_weights("first"), tmp_path / "some.pt")
    named = read("first", picture)
    np.testing.assert_array_equal(read(str(copy), picture), named)
    np.testing.assert_allclose(read(f"{SLOT}:1", picture), named, atol=1e-5)
    assert open_reader("first").digest == open_reader(str(copy)).digest


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("pose-koco", r"given 'pose-koco', accepted: registered: pose-coco; trained here: first; "
         "did you mean 'pose-coco'"),
        ("demo_hrnet", "recipe demo_hrnet: not trained here; run `make repro RECIPE=demo_hrnet`"),
        ("pose-coco:9", "pose-coco:9: no such version, accepted: pose-coco:1, pose-coco:2"),
        ("pose-coco@best", "pose-coco@best: no such alias, accepted: pose-coco@ca"),
        ("model.onnx", r"model.onnx: no such file, accepted: SLOT, SLOT@ALIAS"),
        ("some/where", "some/where: no such file"),
        ("@", "MODEL: given '@'"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said(home: Path, given: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        open_reader(given)


def test_devices_are_those_that_are_here(home: Path) -> None:
    for given in ("gpu", "cuda:99", "meta"):
        with pytest.raises(ValueError, match=f"device: given '{given}', accepted: cpu"):
            open_reader("first", device=given)


def test_no_database_is_made_to_look_for_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ValueError, match="nothing is registered or trained here yet"):
        open_reader("pose-coco")
    assert list(tmp_path.iterdir()) == []


def test_version_1_of_another_server_is_another_one(
    home: Path, picture: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry that was made anew counts from 1 again."""
    before = read(SLOT, picture)
    shutil.copy(home / "mlflow.db", tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    Registry().client.delete_registered_model(SLOT)
    write_results("third", seed=3, decoding="argmax")
    ungraphed = partial(write_model_files, write_graph=write_no_graph)
    register(Registry(), SLOT, read_candidate("third"), read_rules(RULES)[SLOT], ungraphed)
    Registry().point(SLOT, CHAMPION, "1")
    other = read(f"{SLOT}:1", picture)
    shutil.rmtree(places.results() / "third")
    assert not np.array_equal(other, before)
