"""Code that travels: a package named after its content, whole without the repository."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import data.views.geometry
from data.codecs.associative_embedding import AssociativeEmbedding
from data.ground.skeleton import load_skeleton
from pipelines.host.imports import named_files
from pipelines.host.places import REPOSITORY
from pipelines.prediction import poses, readout
from pipelines.serving.packed_code import PREFIX, pack_code

PLUGS = (data.views.geometry, readout)
COCO, MPII = load_skeleton("coco"), load_skeleton("mpii")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That Python imports from; what came from there is forgotten again."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(PREFIX):
            del sys.modules[name]


def packed(folder: Path, package: str) -> dict[str, str]:
    """Place in the package -> text, without the files that only make folders packages."""
    root = folder / package
    files = (path for path in root.rglob("*") if path.is_file() and path.stat().st_size)
    return {path.relative_to(root).as_posix(): path.read_text() for path in files}


def test_the_same_content_has_the_same_name(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    name = pack_code(PLUGS, COCO, one)
    assert name == pack_code(PLUGS[::-1], COCO, other), "whatever the order of the plugs"
    assert name.isidentifier() and name.startswith(PREFIX)
    assert packed(one, name) == packed(other, name)


def test_other_content_has_another_name(tmp_path: Path) -> None:
    names = [
        pack_code(PLUGS, COCO, tmp_path),
        pack_code(PLUGS, MPII, tmp_path),
        pack_code([readout], COCO, tmp_path),
        pack_code([*PLUGS, AssociativeEmbedding], COCO, tmp_path),
    ]
    assert len(set(names)) == 4
    assert {path.name for path in tmp_path.iterdir()} == set(names), "all live in one folder"


def test_the_name_follows_each_text(tmp_path: Path) -> None:
    """It is the digest of every place and text as they lie in the repository."""
    name = pack_code(PLUGS, COCO, tmp_path)
    root = tmp_path / name
    files = sorted(p for p in root.rglob("*") if p.suffix != ".py" or p.name != "__init__.py")
    digest = hashlib.sha256()
    for place in (path.relative_to(root) for path in files if path.is_file()):
        digest.update(f"{place}\0{(REPOSITORY / place).read_text()}\0".encode())
    assert name == PREFIX + digest.hexdigest()[:12]


def test_the_skeleton_lies_inside_untouched(tmp_path: Path) -> None:
    for skeleton, other in (("coco", "mpii"), ("mpii", "coco")):
        texts = packed(tmp_path, pack_code(PLUGS, load_skeleton(skeleton), tmp_path))
        place = f"data/skeletons/{skeleton}.yaml"
        assert texts[place] == (REPOSITORY / place).read_text()
        assert f"data/skeletons/{other}.yaml" not in texts


def test_nothing_in_it_names_the_repository(tmp_path: Path) -> None:
    package = pack_code([*PLUGS, AssociativeEmbedding], COCO, tmp_path)
    texts = packed(tmp_path, package)
    assert {"data/views/geometry.py", "pipelines/prediction/readout.py"} <= set(texts)
    for place, text in texts.items():
        inside = tmp_path / package / place
        assert named_files(inside, REPOSITORY) == [], place
        original = REPOSITORY / place
        wanted = [path.relative_to(REPOSITORY) for path in named_files(original, REPOSITORY)]
        assert all((tmp_path / package / each).is_file() for each in wanted), place
        assert text == original.read_text() or f"from {package}." in text


def test_it_runs_on_its_own_code(folder: Path) -> None:
    package = pack_code(PLUGS, COCO, folder)
    importlib.invalidate_caches()
    travelled = importlib.import_module(f"{package}.pipelines.prediction.readout")
    assert travelled is not readout
    assert travelled.box_around.__module__ == f"{package}.data.ground.sample"
    draw = np.random.default_rng(0)
    scores, boxes = draw.random((5, 17)), draw.random(5)
    expected = readout.person_scores(scores, boxes, 0.2)
    np.testing.assert_array_equal(travelled.person_scores(scores, boxes, 0.2), expected)
    skeletons = importlib.import_module(f"{package}.data.ground.skeleton")
    assert skeletons.skeleton_names() == ["coco"]
    assert skeletons.load_skeleton("coco").keypoints[0] == "nose"


def test_two_packages_live_in_one_process(folder: Path) -> None:
    names = [pack_code(PLUGS, load_skeleton(skeleton), folder) for skeleton in ("coco", "mpii")]
    importlib.invalidate_caches()
    loaded = [importlib.import_module(f"{name}.data.ground.skeleton") for name in names]
    assert [module.skeleton_names() for module in loaded] == [["coco"], ["mpii"]]


def test_a_file_that_imports_what_may_not_travel_is_refused(tmp_path: Path) -> None:
    said = r"prediction/poses\.py: imports \S+, which cannot travel with a model"
    with pytest.raises(ValueError, match=said):
        pack_code([poses], COCO, tmp_path)
    assert list(tmp_path.iterdir()) == [], "nothing is half written"
