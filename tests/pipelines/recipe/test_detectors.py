"""Detectors in params.yaml: who finds whose people, what of an entry decides, entries written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pipelines.recipe.detectors import (
    add_detector,
    deciding_settings,
    detector_entry,
    detector_of,
)
from tests.worlds.here import ROOT

ENTRY = {"file": "/models/some.onnx", "sha256": "a" * 64}


def params(folder: Path, detect: object, detectors: object = None) -> Path:
    path = folder / "params.yaml"
    entries = {"some": ENTRY, "other": {"file": "b.onnx"}} if detectors is None else detectors
    path.write_text(yaml.safe_dump({"detectors": entries, "detect": detect, "datasets": {}}))
    return path


def test_a_mixture_takes_the_detector_of_its_first_member(tmp_path: Path) -> None:
    path = params(tmp_path, {"coco": "some"})
    assert detector_of("coco", path) == detector_of("coco_mpii", path) == "some"
    assert detector_of("mpii", path) is None and deciding_settings("mpii", path) == ""
    path = params(tmp_path, {"coco": "some", "coco_mpii": "other"})
    assert detector_of("coco_mpii", path) == "other"
    assert detector_entry("other", path) == {"file": "b.onnx"}


def test_a_params_yaml_without_detectors_is_as_good(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("run: {}\n")
    assert detector_of("coco", tmp_path / "params.yaml") is None


@pytest.mark.parametrize(
    ("detect", "detectors", "said"),
    [
        ({"coco": "sume"}, None, r"detect\.coco: given 'sume', .*did you mean 'some'"),
        ({"cocoa": "some"}, None, r"detect\.cocoa: no data set, .*did you mean 'coco'"),
        (["coco"], None, r"detect: given \['coco'\], accepted: DATASET: NAME"),
        ({}, ["some"], r"detectors: given \['some'\], accepted: NAME: \{file"),
    ],
)
def test_what_names_nothing_is_refused(
    tmp_path: Path, detect: object, detectors: object, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        detector_of("coco", params(tmp_path, detect, detectors))


def test_all_but_where_the_file_lies_decides(tmp_path: Path) -> None:
    """A yaml beside the file decides nothing: DVC sees params.yaml alone."""
    file = tmp_path / "some.onnx"
    found = [
        deciding_settings("coco", params(tmp_path, {"coco": "some"}, {"some": entry}))
        for entry in (
            {"file": str(file), "sha256": "a"},
            {"file": str(tmp_path / "else" / "some.onnx"), "sha256": "a"},
            {"file": str(file), "sha256": "b"},
            {"file": str(file), "sha256": "a", "score": 0.2},
        )
    ]
    assert found[0] == found[1] and len(set(found)) == 3
    file.with_suffix(".yaml").write_text("score: 0.3\n")
    entry = {"file": str(file), "sha256": "a"}
    beside = deciding_settings("coco", params(tmp_path, {"coco": "some"}, {"some": entry}))
    assert beside == found[0]


HEAD = "# first\ndetectors: {}  # networks\ndetect: {}  # whose\n\n# end\nrun: {}  # last\n"


def test_entries_are_lines_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(HEAD)
    add_detector("some", {"file": "a.onnx"}, ["coco"], path)
    add_detector("other", {"file": "b.onnx"}, [], path)
    add_detector("some", {"file": "a.onnx", "score": 0.2}, ["coco", "mpii"], path)
    assert [" ".join(line.split()) for line in path.read_text().splitlines()] == [
        "# first",
        "detectors: # networks",
        "some: {file: a.onnx, score: 0.2}",
        "other: {file: b.onnx}",
        "detect: # whose",
        "coco: some",
        "mpii: some",
        "",
        "# end",
        "run: {} # last",
    ]


BLOCK = """\
detectors:
  some:
    # a network of ours
    file: a.onnx  # the first
    score: 0.2  # as few as that

# whose
detect: {}  # none yet
"""


def test_an_entry_of_lines_keeps_them_and_their_comments(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(BLOCK)
    add_detector("some", {"file": "b.onnx", "sha256": "abc"}, [], path)
    after = BLOCK.replace("a.onnx", "b.onnx").replace("that\n", "that\n    sha256: abc\n")
    assert path.read_text() == after


def test_into_the_params_yaml_that_is_there(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    path = tmp_path / "params.yaml"
    path.write_text(text)
    add_detector("some", ENTRY, ["coco"], path)
    before, after = (yaml.safe_load(each) for each in (text, path.read_text()))
    assert after["detectors"]["some"] == ENTRY and after["detect"]["coco"] == "some"
    others = set(before) - {"detectors", "detect"}
    assert {key: after[key] for key in others} == {key: before[key] for key in others}
    comments = [line.partition("#")[2] for line in text.splitlines()]
    assert [line.partition("#")[2] for line in path.read_text().splitlines() if "#" in line] == [
        comment for comment in comments if comment
    ]


def test_nobodys_people_are_found_by_none(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(HEAD)
    with pytest.raises(ValueError, match="data set: given 'nobody'"):
        add_detector("some", ENTRY, ["nobody"], path)
    assert path.read_text() == HEAD
