"""The model in the registry answers where nothing of ours is installed, and over HTTP."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException

from data.ground.sample import Batch
from data.views.geometry import box_to_view, crop, invert, view_matrix
from pipelines.host import places
from pipelines.prediction.predictor import predict
from pipelines.prediction.trained import load_trained
from pipelines.registry.gate import read_candidate, register
from pipelines.registry.rules import RULES, read_rules
from pipelines.registry.versions import CHAMPION, Registry
from tests.worlds.elsewhere import elsewhere
from tests.worlds.hostile import promising_jpeg
from tests.worlds.results import write_results

pytestmark = pytest.mark.contract

SLOT = "pose-coco"
SIZE = (64, 64)
BOXES = [[10.0, 20.0, 60.0, 90.0], [50.5, 5.0, 40.0, 100.0]]
CODECS: dict[str, dict[str, Any]] = {
    "one": {"decoding": "argmax"},
    "two": {"decoding": "dark", "unbiased": True},
}


@pytest.fixture(scope="module")
def home(module_home: Path) -> Path:
    """A home whose registry holds two versions of one slot that decode differently."""
    registry, rule = Registry(), read_rules(RULES)[SLOT]
    for number, (name, codec) in enumerate(CODECS.items(), start=1):
        write_results(name, seed=number, **codec)
        register(registry, SLOT, read_candidate(name), rule)
    registry.point(SLOT, CHAMPION, "1")
    return module_home


def picture() -> np.ndarray:
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8), (100, 120))


def expected(name: str, image: np.ndarray, boxes: list[list[float]]) -> np.ndarray:
    """Keypoints and scores [N, K, 3] by the code that evaluates."""
    trained = load_trained(places.best_weights(name), name, None)
    matrices = [
        view_matrix(box_to_view(box, SIZE, trained.codec.aligned), SIZE, trained.codec.aligned)
        for box in boxes
    ]
    crops = np.stack([crop(image, matrix, SIZE) for matrix in matrices])
    count = len(boxes)
    batch = Batch(
        torch.from_numpy(crops),
        torch.zeros(count, 17, 2),
        torch.zeros(count, 17, dtype=torch.long),
        torch.arange(count),
        torch.from_numpy(np.stack([invert(matrix) for matrix in matrices])),
    )
    found = predict(
        trained.network.cpu(),
        trained.codec,
        trained.skeleton,
        [batch],
        "cpu",
        pixels=trained.recipe.pixels,
        flip_test=trained.recipe.evaluation.flip_test,
    )
    return np.concatenate([found.keypoints_image, found.scores[..., None]], axis=2)


def keypoints(answer: dict[str, Any]) -> np.ndarray:
    return np.array([pose["keypoints"] for pose in answer["poses"]])


ELSEWHERE = """
import importlib.util, json, sys
assert all(importlib.util.find_spec(name) is None for name in ("pipelines", "models", "data"))
import cv2, mlflow
mlflow.set_tracking_uri(sys.argv[1])
image = cv2.cvtColor(cv2.imread("picture.png"), cv2.COLOR_BGR2RGB)
boxes = json.loads(sys.argv[2])
loaded = [mlflow.pyfunc.load_model(f"models:/pose-coco/{number}") for number in (1, 2)]
champion = mlflow.pyfunc.load_model("models:/pose-coco@champion")
rows = [{"image": image, "boxes": boxes}, {"image": open("picture.png", "rb").read()}]
print(json.dumps([model.predict(rows) for model in (*loaded, champion)]))
"""


@pytest.mark.full
def test_two_versions_in_one_process_elsewhere_keep_their_own_code(
    home: Path, tmp_path: Path
) -> None:
    image = picture()
    cv2.imwrite(str(tmp_path / "picture.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    command = [sys.executable, "-c", ELSEWHERE, f"sqlite:///{home}/mlflow.db", json.dumps(BOXES)]
    done = subprocess.run(command, cwd=tmp_path, env=elsewhere(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    one, two, champion = json.loads(done.stdout.splitlines()[-1])
    for name, answers in (("one", one), ("two", two)):
        boxed, whole = answers
        # DARK's Newton step has no bound: where an untrained map is flat it leads far away
        close = {"atol": 0.02, "rtol": 1e-2}
        np.testing.assert_allclose(keypoints(boxed), expected(name, image, BOXES), **close)
        assert [pose["box"] for pose in boxed["poses"]] == BOXES and not boxed["whole_image"]
        everything = [[0.0, 0.0, 100.0, 120.0]]
        np.testing.assert_allclose(keypoints(whole), expected(name, image, everything), **close)
        assert whole["whole_image"] and whole["poses"][0]["box"] == everything[0]
    assert champion == one
    assert not np.allclose(keypoints(one[0]), keypoints(two[0]), atol=0.5)


def test_a_version_carries_graph_weights_card_and_no_pickle(home: Path, tmp_path: Path) -> None:
    registry = Registry()
    version = registry.version(SLOT, "2")
    files = registry.files(version, "", tmp_path)
    stored = registry.client.get_logged_model(version.tags["limber.model_id"])
    assert stored.artifact_location.startswith((home / "mlartifacts").as_uri())
    assert stored.source_run_id == version.run_id
    names = {path.name for path in files.rglob("*") if path.is_file()}
    assert {"graph.pt2", "model.safetensors", "card.json", "readout.py", "geometry.py"} <= names
    assert {"metrics.json", "matches_gt.npz", "pose_model.py", "requirements.txt"} <= names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pth"))]
    assert not (files / "code").exists(), "no code_paths"
    card = json.loads((files / "artifacts" / "card.json").read_text())
    assert card["input_size"] == [64, 64] and card["aligned"] is True
    assert card["skeleton"]["keypoints"][0] == "nose" and card["metrics"]["AP@gt"] == 0.8
    lineage = {"recipe", "recipe_digest", "data_hash", "run_id", "checkpoint_sha256", "git_commit"}
    assert lineage <= set(card["lineage"])
    assert {f"limber.{key}" for key in lineage - {"git_commit"}} <= set(version.tags)
    needs = (files / "requirements.txt").read_text()
    assert f"torch=={torch.__version__.partition('+')[0]}" in needs and "+" not in needs


@pytest.fixture(scope="module")
def model(home: Path) -> Any:
    """Version 1 as a plain object."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
    return mlflow.pyfunc.load_model(f"models:/{SLOT}/1").unwrap_python_model()


def test_every_form_of_an_image_gives_the_same_answer(model: Any) -> None:
    image = picture()
    encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    text = base64.b64encode(encoded).decode()
    ask = SimpleNamespace(predict=lambda given: model.predict(None, given))
    true = ask.predict([{"image": image}])
    json.dumps(true)
    forms = [image, image.tolist(), encoded, text, f"data:image/png;base64,{text}"]
    for form in forms:
        assert ask.predict([{"image": form}]) == true
        assert ask.predict([{"image": np.array(form)}]) == true  # as MLflow's server hands on
        assert ask.predict({"image": form}) == true
        assert ask.predict(pd.DataFrame({"image": [form]})) == true
        assert ask.predict({"image": [form, form]}) == true * 2
    assert ask.predict({"image": np.stack([image, image])}) == true * 2
    table = pd.DataFrame({"image": [text, text], "boxes": [BOXES, None]})
    first, second = ask.predict(table)
    assert len(first["poses"]) == 2 and second == true[0]
    assert ask.predict({"image": [text], "boxes": [BOXES]}) == [first]
    assert ask.predict({"image": image, "boxes": []}) == [{"poses": [], "whole_image": False}]
    many = ask.predict({"image": image, "boxes": BOXES * 20})[0]["poses"]
    assert len(many) == 40
    np.testing.assert_allclose(many[-1]["keypoints"], first["poses"][1]["keypoints"], atol=0.02)


COLUMNS = "given columns .*; accepted: image, boxes, each once"
OUTSIDE = r"^image 0: boxes\[1\]: given .*, outside the image of 100 x 120 pixels"


def bomb(kind: str, side: int = 40000) -> bytes:
    """A small file whose header promises `side` x `side` / 10 pixels."""
    if kind == "bmp":
        return b"BM" + struct.pack(
            "<IIIIiiHHIIiiII", 99, 0, 54, 40, side, side // 10, 1, 24, *[0] * 6
        )
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side // 10, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + crc + b"\0\0\0\4IDAT" + bytes(8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"image": "photos/me.jpg"}], "not base64; accepted:.*a path or an address is never"),
        ([{"image": "https://host/me.jpg"}], "never opened"),
        ([{"image": base64.b64encode(b"no image").decode()}], "8 bytes that are no image"),
        ([{"image": b""}], "0 bytes that are no image"),
        ([{"image": np.zeros((5, 5))}], r"shape \[5, 5\]"),
        ([{"image": np.zeros((0, 5, 3), np.uint8)}], "accepted: an array"),
        ([{"image": np.full((5, 5, 3), 0.5)}], "whole numbers 0 to 255"),
        ([{"image": [[[1, 2, 3]], [[1, 2, 3], [4, 5, 6]]]}], "unequal length"),
        ([{"image": None}], "accepted: an array"),
        ([{"boxes": BOXES}], "no `image`"),
        ([{"image": picture(), "box": BOXES}], "unknown box; accepted: image, boxes"),
        ([{"image": picture(), "boxes": [[0, 0, float("nan"), 5]]}], r"boxes\[0\].*finite"),
        ([{"image": picture(), "boxes": [[0, 0, 0, 5]]}], "width and height above 0"),
        ([{"image": picture(), "boxes": [[0, 0, 5, -1]]}], "width and height above 0"),
        ([{"image": picture(), "boxes": [[0, 0, 1e300, 5]]}], "finite numbers up to 1,000,000"),
        ([{"image": picture(), "boxes": "x" * 9999}], r"boxes: given 'x{79}\.\.\., accepted"),
        ([{"image": picture(), "boxes": [[0, 0, 5, 5], [100, 0, 5, 5]]}], OUTSIDE),
        ([{"image": picture(), "boxes": [[0, 0, 5, 5], [-5, 0, 5, 5]]}], OUTSIDE),
        ([{"image": picture()}, {"image": picture(), "boxes": [[0, 120.0, 5, 5]]}], "^image 1: "),
        ([{"image": bomb("png")}], "40000 x 4000 pixels; accepted: at most 150,000,000 pixels"),
        ([{"image": bomb("bmp")}], "40000 x 4000 pixels; accepted: at most 150,000,000 pixels"),
        ([{"image": bomb("png", 1 << 20)}], "too many pixels; accepted: at most 150,000,000"),
        ([{"image": promising_jpeg(picture(), 30_000)}], "too many pixels; accepted: at most 150"),
        ([{"image": promising_jpeg(picture(), 12_500)}], "12500 x 12500 pixels; accepted: at most"),
        ([{"image": np.zeros((1, 32_001, 3), np.uint8)}], "no side longer than 32,000"),
        ([{"image": picture(), "boxes": [[0, 0, 5, 5]] * 1001}], "1,001 boxes; accepted: at most"),
        ([{"image": picture()}] * 1001, "given 1,001 images; accepted: at most 1,000"),
        ([{"image": np.zeros((5, 5, 3), complex)}], "accepted: an array"),
        ([{"image": []}], "accepted: an array"),
        ([{"image": "AAA"}], "'AAA' is not base64"),
        ([{"image": picture(), "boxes": [1, 2, 3, 4]}], "boxes: given"),
        ([{"image": picture(), "boxes": [[1, 2, 3]]}], "boxes of shape"),
        ({"image": [picture(), picture()], "boxes": [BOXES]}, "1 lists for 2 images"),
        ([], "accepted: a DataFrame or a list"),
        (7, "accepted: a DataFrame or a list"),
        (np.array("x"), "accepted: a DataFrame or a list"),
        (pd.DataFrame([[1, 2]], columns=pd.Index([["image"], "boxes"], dtype=object)), COLUMNS),
        (pd.DataFrame([[1, 2]], columns=["image", "image"]), COLUMNS),
        (pd.DataFrame([[1]]), COLUMNS),
    ],
)  # fmt: skip
def test_bad_input_is_named(model: Any, given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        model.predict(None, given)
    assert isinstance(caught.value, MlflowException) and len(str(caught.value)) < 400
    assert caught.value.get_http_status_code() == 400


def test_a_box_that_reaches_into_the_image_is_answered(model: Any) -> None:
    boxes = [[-50.0, -60.0, 51.0, 61.0], [99.5, 119.5, 400.0, 400.0], [0.0, 0.0, 1e-9, 1e-9]]
    answer = model.predict(None, [{"image": picture(), "boxes": boxes}])[0]
    assert [pose["box"] for pose in answer["poses"]] == boxes
    assert np.isfinite(keypoints(answer)).all()


def test_it_serves_over_http(home: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = elsewhere() | {"MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db"}
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["--model-uri", f"models:/{SLOT}@champion", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        await_answer(f"http://127.0.0.1:{port}/ping", server, tmp_path / "log")
        ask_over_http(f"http://127.0.0.1:{port}/invocations")
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(20)


def await_answer(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text())


def ask_over_http(address: str) -> None:
    image = picture()
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    text = base64.b64encode(jpeg.tobytes()).decode()
    seen = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)
    row = {"image": text, "boxes": BOXES}
    true = expected("one", seen, BOXES)
    for body in ({"dataframe_records": [row]}, {"inputs": [row]}, {"instances": [row]}):
        answer = post(address, body)["predictions"]
        np.testing.assert_allclose(keypoints(answer[0]), true, atol=0.02)
        assert answer[0]["whole_image"] is False
    answer = post(address, {"dataframe_records": [{"image": image.tolist()}]})["predictions"]
    assert answer[0]["whole_image"] is True
    away = {"image": text, "boxes": [[500, 500, 9, 9]]}
    for row, said in (
        (
            {"image": "/etc/hostname"},
            "image 0: image: text '/etc/hostname' is not base64; accepted",
        ),
        (away, "image 0: boxes[0]: given [500.0, 500.0, 9.0, 9.0], outside the image of 100 x 120"),
        (
            {"image": text, "boxes": [[0, 0, float("nan"), 9]]},
            "image 0: boxes[0]: given [0.0, 0.0,",
        ),
        ({"image": base64.b64encode(bomb("png")).decode()}, "image 0: image: 40000 x 4000 pixels"),
    ):
        for form in ("dataframe_records", "inputs"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(address, {form: [row]})
            answer = json.loads(refused.value.read())
            assert refused.value.code == 400 and answer["error_code"] == "INVALID_PARAMETER_VALUE"
            assert answer["message"].startswith(said), "our own sentence, without the input"


def post(address: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())
