"""Yaml as plain data, also what nobody means well."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from data.ground.yaml_text import DEEPEST, plain_yaml, read_yaml
from tests.worlds.here import ROOT


@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", None)])
def test_all_of_ours_say_what_yaml_reads(loader: type | None) -> None:
    """libyaml and the reader in Python."""
    if loader is None:
        pytest.skip("PyYAML without libyaml")
    paths = [ROOT / "params.yaml", *sorted((ROOT / "recipes").glob("demo_*.yaml"))]
    for path in paths:
        assert plain_yaml(path.read_bytes()) == yaml.load(path.read_bytes(), Loader=loader), path


@pytest.mark.parametrize("opens", ["[", "{a: ", "- ", "? ", "[{a: ", "!!python/tuple ["])
@pytest.mark.parametrize("times", [DEEPEST + 1, 1_000_000])
def test_one_that_goes_down_for_ever_is_named(opens: str, times: int, tmp_path: Path) -> None:
    """libyaml's own reader takes the process with it."""
    path = tmp_path / "deep.yaml"
    path.write_text(opens * times)
    with pytest.raises(ValueError, match=r"deep\.yaml: not readable as yaml: nested more than"):
        read_yaml(path)


def test_as_deep_as_is_allowed() -> None:
    told = plain_yaml("[" * DEEPEST + "]" * DEEPEST)
    for _ in range(DEEPEST - 1):
        (told,) = told
    assert told == []


@pytest.mark.parametrize(
    "text",
    [b"a: [", b"a: b: c", b"\xff\xfe\x00", b"\x00", b"a: !!python/object:os.system {}", b"*a",
     b"&a [*a", b"%YAML 7.0\n--- a", b"- a\nb: c", b"a\n---\nb\n"],
)  # fmt: skip
def test_what_is_no_yaml_is_named(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"odd\.yaml: not readable as yaml: "):
        read_yaml(path)
