"""What a version in the registry is made of: graph, weights, card, code, its evaluation."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from safetensors.torch import save_file

import data.views.geometry
from pipelines.evaluation.record import EvaluationRecord
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.prediction import readout
from pipelines.prediction.trained import Trained
from pipelines.serving import model_input
from pipelines.serving.packed_code import pack_code
from pipelines.serving.program import Graph, build_graph, write_program

NEEDS = (
    "mlflow", "torch", "numpy", "opencv-python-headless", "pandas", "pillow", "safetensors"
)  # fmt: skip
WHOLE_IMAGE_NEEDS = ("scipy", "numba")


def write_model_files(
    trained: Trained,
    evaluation: Path,
    lineage: dict[str, str],
    folder: Path,
    write_graph: Callable[[Graph, Path], object] = write_program,
) -> dict[str, str]:
    """Fills `folder`; the files by the names under which pipelines/serving/pose_model.py asks.

    evaluation: results/<recipe>/evaluation, of which numbers and matches go along: a later
    candidate is compared with them. Raises ValueError where the exported graph is not the network.
    """
    files = {
        "graph": folder / "graph.pt2",
        "weights": folder / places.MODEL_WEIGHTS,
        "card": folder / places.CARD,
        "code": folder / places.MODEL_CODE,
        "evaluation": folder / "evaluation",
    }
    graph = build_graph(trained, trained.recipe.evaluation.flip_test, fields=False)
    write_graph(graph, files["graph"])
    state = trained.network.state_dict()
    save_file(
        {k: v.detach().cpu().contiguous().clone() for k, v in state.items()}, files["weights"]
    )
    files["evaluation"].mkdir()
    record = EvaluationRecord.read(evaluation)
    record.write(files["evaluation"])
    for path in evaluation.glob("matches_*.npz"):
        shutil.copyfile(path, files["evaluation"] / path.name)
    about = card(trained, record.metrics, lineage) | {"code": pack(trained, files["code"])}
    files["card"].write_text(json.dumps(about, indent=2) + "\n")
    names = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    digests = {path.relative_to(folder).as_posix(): file_digest(path) for path in names}
    files["digests"] = folder / "digests.json"
    files["digests"].write_text(json.dumps(digests, indent=1) + "\n")
    return {name: str(path) for name, path in files.items()}


def pack(trained: Trained, folder: Path) -> dict[str, Any]:
    """The code that reads poses, packed; of networks that read whole images with their codec."""
    kind, whole = type(trained.codec), trained.codec.whole_image
    always: list[type | ModuleType] = [data.views.geometry, readout, model_input]
    plugs = [*always, *([kind] if whole else [])]
    codec = {"module": kind.__module__, "class": kind.__name__}
    options = {"options": dataclasses.asdict(trained.codec)}
    package = pack_code(plugs, trained.skeleton, folder)
    return {"package": package, "codec": codec | options if whole else None}


def card(trained: Trained, metrics: dict[str, Any], lineage: dict[str, str]) -> dict[str, Any]:
    """What a reader and the model itself must know: sizes, names, numbers, origin.

    Flip test and scales are those that the recipe's evaluation measured.
    """
    skeleton, settings = trained.skeleton, trained.recipe.evaluation
    return {
        "input_size": list(trained.input_size),
        "aligned": bool(trained.codec.aligned),
        "flip_test": settings.flip_test,
        "scales": settings.scales,
        "stages": [list(stage) for stage in trained.network.outputs],
        "keypoint_threshold": settings.keypoint_threshold,
        "skeleton": {
            "name": skeleton.name,
            "keypoints": list(skeleton.keypoints),
            "limbs": [list(limb) for limb in skeleton.limbs],
        },
        "metrics": metrics,
        "lineage": lineage,
        "recipe": trained.recipe.as_dict(),
        **dataclasses.asdict(trained.origin),
    }


def example_input(trained: Trained) -> list[dict[str, Any]]:
    """What a request looks like: a small drawn picture as a JPEG in base64, nobody's photo."""
    ramp = np.linspace(40, 215, 96, dtype=np.uint8)
    picture = np.stack([np.tile(ramp, (128, 1))] * 3, axis=2)
    cv2.ellipse(picture, (48, 64), (20, 48), 0, 0, 360, (120, 160, 220), -1)
    encoded = base64.b64encode(cv2.imencode(".jpg", picture)[1].tobytes()).decode()
    boxes = {} if trained.codec.whole_image else {"boxes": [[24.0, 8.0, 48.0, 112.0]]}
    return [{"image": encoded, **boxes}]


def requirements(trained: Trained) -> list[str]:
    """What a server must install, as pip reads it: the versions at hand."""
    needs = NEEDS + (WHOLE_IMAGE_NEEDS if trained.codec.whole_image else ())
    return [f"{name}=={version(name).partition('+')[0]}" for name in needs]
