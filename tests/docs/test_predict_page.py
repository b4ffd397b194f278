"""docs/predict.md says the keys that are read, and its examples are those that the tests run."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields

import pytest
import yaml

from pipelines.detection.settings import DetectorSettings
from pipelines.predict import asked_for
from pipelines.prediction.sidecar import Crop, FedPixels, NetworkOutput, Sidecar
from tests.worlds.here import ROOT
from tests.worlds.sidecars import HRNET, MOVENET_THUNDER, RTMPOSE

TOLD = [(ROOT / name).read_text() for name in ("README.md", "docs/predict.md", "Makefile")]
PAGE = (ROOT / "docs" / "predict.md").read_text()
POSES, _, DETECTORS = PAGE.partition("## A detector")


def keys_of(text: str) -> set[str]:
    """What the first column of its table names."""
    rows = re.findall(r"^\| (`.*?) \|", text.partition("## Video")[0], re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`(.*?)`", row)}


@pytest.mark.parametrize("sidecar", [MOVENET_THUNDER, RTMPOSE, HRNET])
def test_examples_are_those_that_are_tested(sidecar: str) -> None:
    blocks = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", POSES, re.DOTALL)]
    assert yaml.safe_load(sidecar) in blocks
    assert len(blocks) == 3


def test_every_key_of_a_sidecar_is_told() -> None:
    parts = {"pixels": FedPixels, "crop": Crop, "output": NetworkOutput}
    expected = {field.name for field in fields(Sidecar)} - set(parts)
    expected |= {f"{part}.{field.name}" for part, kind in parts.items() for field in fields(kind)}
    assert keys_of(POSES) == expected


def test_every_key_of_a_detector_is_told() -> None:
    assert keys_of(DETECTORS) == {field.name for field in fields(DetectorSettings)}


def test_every_line_that_is_told_is_understood() -> None:
    lines = [
        line
        for text in TOLD
        for line in re.findall(r"^\t?@?(?:limber |python -m pipelines\.)predict (.*)$", text, re.M)
    ]
    assert len(lines) >= 4
    for line in lines:
        asked = asked_for().parse_args(shlex.split(line, comments=True))
        assert asked.model and asked.sources


def test_every_option_that_is_told_is_there() -> None:
    options = set(re.findall(r"`(--[a-z-]+)", PAGE.partition("## Video")[2]))
    known = {name for action in asked_for()._actions for name in action.option_strings}
    assert options and options <= known
