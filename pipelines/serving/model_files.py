"""What a version in the registry is made of: graph, weights, card, geometry, its evaluation."""

from __future__ import annotations

import dataclasses
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from pipelines.host.places import REPOSITORY
from pipelines.prediction.trained import Trained
from pipelines.serving.codec_code import pack_codec
from pipelines.serving.graph import FieldGraph, PoseGraph
from pipelines.serving.program import write_field_graph, write_graph

GEOMETRY = REPOSITORY / "data" / "views" / "geometry.py"
NEEDS = ("mlflow", "torch", "numpy", "opencv-python-headless", "pandas", "safetensors")
WHOLE_IMAGE_NEEDS = ("scipy", "numba")


def write_model_files(
    trained: Trained, evaluation: Path, lineage: dict[str, str], folder: Path
) -> dict[str, str]:
    """Fills `folder`; the files by the names under which pipelines/serving/pose_model.py asks.

    evaluation: results/<recipe>/evaluation, of which numbers and matches go along: a later
    candidate is compared with them. Raises ValueError where the exported graph is not the network.
    """
    files = {
        "graph": folder / "graph.pt2",
        "weights": folder / "model.safetensors",
        "card": folder / "card.json",
        "transforms": folder / "transforms.py",
        "evaluation": folder / "evaluation",
    }
    if trained.codec.whole_image:
        files["codec"] = folder / "codec"
        packed = write_whole_image_files(trained, files)
    else:
        packed = {}
        graph = PoseGraph(trained.network, trained.codec, trained.skeleton, trained.input_size)
        write_graph(graph, files["graph"])
    state = trained.network.state_dict()
    save_file(
        {k: v.detach().cpu().contiguous().clone() for k, v in state.items()}, files["weights"]
    )
    shutil.copyfile(GEOMETRY, files["transforms"])
    files["evaluation"].mkdir()
    for path in [*evaluation.glob("*metrics.json"), *evaluation.glob("evaluation.json"),
                 *evaluation.glob("matches_*.npz")]:  # fmt: skip
        shutil.copyfile(path, files["evaluation"] / path.name)
    metrics = json.loads((evaluation / "metrics.json").read_text())
    about = card(trained, metrics, lineage) | packed
    files["card"].write_text(json.dumps(about, indent=2) + "\n")
    return {name: str(path) for name, path in files.items()}


def write_whole_image_files(trained: Trained, files: dict[str, Path]) -> dict[str, Any]:
    """The graph that paints fields and the codec's own code; what the card says of them.

    Flip test and scales are those that the recipe was evaluated with.
    """
    codec, settings = trained.codec, trained.recipe.evaluation
    write_field_graph(FieldGraph(trained.network, codec.resize.multiple), files["graph"])
    place = pack_codec(codec, trained.skeleton.name, files["codec"])
    return {
        "flip_test": settings.flip_test,
        "scales": settings.scales,
        "codec": {**place, "options": dataclasses.asdict(codec)},
    }


def card(trained: Trained, metrics: dict[str, Any], lineage: dict[str, str]) -> dict[str, Any]:
    """What a reader and the model itself must know: sizes, names, numbers, origin."""
    skeleton = trained.skeleton
    return {
        "input_size": list(trained.input_size),
        "aligned": bool(trained.codec.aligned),
        "flip_test": True,
        "keypoint_threshold": trained.recipe.evaluation.keypoint_threshold,
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


def requirements(trained: Trained) -> list[str]:
    """What a server must install, as pip reads it: the versions at hand."""
    needs = NEEDS + (WHOLE_IMAGE_NEEDS if trained.codec.whole_image else ())
    return [f"{name}=={version(name).partition('+')[0]}" for name in needs]
