"""A model in the registry runs what was registered: no other file, nothing that a graph hides."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from torch import nn

from pipelines.host.folders import file_digest
from pipelines.serving import pose_model
from pipelines.tracking.version_digests import digests_below
from tests.worlds.exploits import pickled

OPAQUE = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "graph.pt2"
    torch.export.save(torch.export.export(nn.Linear(3, 2).eval(), (torch.ones(2, 3),)), path)
    return path


def with_code(graph: Path, place: str, mark: Path, target: Path) -> Path:
    """A copy of the graph that touches `mark` where it is unpickled."""
    with zipfile.ZipFile(graph) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(parts)).partition("/")[0]
    if place == "constant":
        parts[f"{root}/data/constants/opaque_obj_0"] = pickled(mark)
        config = {"config": {"x": OPAQUE}}
        parts[f"{root}/data/constants/model_constants_config.json"] = json.dumps(config).encode()
    else:
        parts[f"{root}/data/sample_inputs/model.pt"] = pickled(mark)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target


@pytest.mark.full
@pytest.mark.contract  # torch asks for a compiler by a process
@pytest.mark.parametrize("place", ["constant", "sample"])
def test_a_graph_that_holds_code_is_refused_and_the_code_not_run(
    graph: Path, place: str, tmp_path: Path
) -> None:
    assert pose_model._load_graph(graph)(torch.ones(2, 3)).shape == (2, 2)
    mark = tmp_path / "ran"
    exploit = with_code(graph, place, mark, tmp_path / "exploit.pt2")
    with pytest.raises(MlflowException, match=r"exploit\.pt2: .*not loaded"):
        pose_model._load_graph(exploit)
    assert not mark.exists() and pose_model.TENSORS_ALONE not in os.environ
    try:
        torch.export.load(exploit)
    except RuntimeError:  # what torch makes of it comes too late
        assert place == "sample"
    assert mark.exists(), "the exploit works where torch loads it as it is"


def written(folder: Path) -> Path:
    """Artifacts of a model and the digests beside them."""
    (folder / "code" / "limber_1").mkdir(parents=True)
    for name in ("card.json", "graph.pt2", "code/limber_1/sample.py"):
        (folder / name).write_text(f"content of {name}")
    names = [path for path in folder.rglob("*") if path.is_file()]
    told = {path.relative_to(folder).as_posix(): file_digest(path) for path in names}
    (folder / "digests.json").write_text(json.dumps(told))
    return folder / "digests.json"


def told_of(folder: Path) -> Path:
    """A model's folder with artifacts, its code, and MLmodel that tells of both."""
    digests = written(folder / "artifacts")
    (folder / "pose_model.py").write_text("# code")
    names = ("pose_model.py", "artifacts/digests.json")
    told = {name: file_digest(folder / name) for name in names}
    Model(metadata={pose_model.TAG: told}).save(str(folder / "MLmodel"))
    return digests


def flip(folder: Path) -> None:
    path = folder / "graph.pt2"
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


@pytest.mark.parametrize(
    ("harm", "file"),
    [
        (flip, "graph.pt2"),
        (lambda folder: (folder / "code" / "json.py").write_text(""), "code/json.py"),
        (lambda folder: (folder / "card.json").unlink(), "card.json"),
        (lambda folder: (folder / "code/limber_1/sample.py").write_text("x"), "code/limber_1/"),
    ],
    ids=["flipped", "added", "removed", "changed"],
)
def test_files_that_are_not_what_was_registered_are_refused(
    tmp_path: Path, harm: Any, file: str
) -> None:
    digests = written(tmp_path / "artifacts")
    pose_model._check_files(digests)
    harm(digests.parent)
    context = SimpleNamespace(artifacts={"digests": str(digests), "card": "", "graph": ""})
    with pytest.raises(MlflowException, match=f"{file}.* is not what was registered.*not loaded"):
        pose_model.PoseModel().load_context(context)


@pytest.mark.parametrize("harm", ["together", "code", "undeclared", "untold"])
def test_a_file_that_was_changed_with_its_digests_is_refused(tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "model"
    artifacts = {"card": str(folder / "artifacts" / "card.json"), "digests": str(told_of(folder))}
    pose_model._check_model(folder)
    if harm == "together":
        flip(folder / "artifacts")
        told = json.loads((folder / "artifacts/digests.json").read_text())
        told["graph.pt2"] = file_digest(folder / "artifacts" / "graph.pt2")
        (folder / "artifacts/digests.json").write_text(json.dumps(told))
    elif harm == "code":
        (folder / "pose_model.py").write_text("# other code")
    elif harm == "undeclared":
        del artifacts["digests"]
    else:
        Model().save(str(folder / "MLmodel"))
    said = {
        "together": "artifacts/digests.json is not what",
        "code": "pose_model.py is not what",
        "undeclared": "names no digests",
        "untold": "does not tell the digests",
    }[harm]
    with pytest.raises(MlflowException, match=f"{said}.*not loaded"):
        pose_model.PoseModel().load_context(SimpleNamespace(artifacts=artifacts))


@pytest.mark.parametrize("known", [True, False], ids=["registry", "no registry"])
def test_a_version_is_held_against_its_tag_where_the_registry_answers(
    tmp_path: Path, known: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    told_of(folder)
    tag = {pose_model.TAG: json.dumps(digests_below(folder))}
    (folder / "registered_model_meta").write_text("model_name: pose-coco\nmodel_version: '3'\n")
    asked = list[tuple[str, str]]()

    def client(*_: str) -> Any:
        def version(*given: str) -> Any:
            asked.append((given[0], given[1]))
            return SimpleNamespace(tags=tag if known else {})

        return SimpleNamespace(get_model_version=version)

    monkeypatch.setattr(pose_model.mlflow, "MlflowClient", client)
    monkeypatch.setattr(pose_model.mlflow, "get_registry_uri", lambda: "http://registry")
    pose_model._check_model(folder)
    assert asked == [("pose-coco", "3")]
    (folder / "requirements.txt").write_text("another\n")
    if known:
        with pytest.raises(MlflowException, match=r"requirements\.txt is not what was registered"):
            pose_model._check_model(folder)
    else:
        pose_model._check_model(folder)
        assert "held against its own digests alone, http://registry" in capsys.readouterr().err


def test_a_registry_that_does_not_answer_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in its address nor in what the client says of it."""
    folder, uri = tmp_path / "model", "http://joe:hunter2@registry:9"
    told_of(folder)
    (folder / "registered_model_meta").write_text("model_name: a\nmodel_version: 3\n")

    def client(*_: str) -> Any:
        raise MlflowException(f"API request to {uri}/api failed")

    monkeypatch.setattr(pose_model.mlflow, "MlflowClient", client)
    monkeypatch.setattr(pose_model.mlflow, "get_registry_uri", lambda: uri)
    pose_model._check_model(folder)
    said = capsys.readouterr().err
    assert "hunter2" not in said
    assert said.count("http://***@registry:9") == 2


def test_a_registry_that_is_not_there_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    told_of(folder)
    (folder / "registered_model_meta").write_text("model_name: a\nmodel_version: 3\n")
    uri = f"sqlite:///{tmp_path / 'none.db'}"
    monkeypatch.setattr(pose_model.mlflow, "get_registry_uri", lambda: uri)
    pose_model._check_model(folder)
    assert not (tmp_path / "none.db").exists()


def test_what_caches_beside_the_code_hold_is_not_run(tmp_path: Path) -> None:
    digests = written(tmp_path / "artifacts")
    cache = digests.parent / "code" / "limber_1" / "__pycache__"
    cache.mkdir()
    (cache / "sample.cpython-311.pyc").write_bytes(b"in place of the source")
    pose_model._check_files(digests)
    assert not cache.exists()
