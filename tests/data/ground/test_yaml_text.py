"""Yaml as plain data, also what nobody means well."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from data.ground.yaml_text import DEEPEST, MOST_COPIES, plain_yaml, read_yaml
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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("&a [*a]", r"\*a stands for what it is a part of"),
        ("x: &a {b: [1, {c: *a}]}", r"\*a stands for what it is a part of"),
        (
            "x0: &x0 [1]\n" + "".join(
                f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 90)
            ),
            "its aliases stand for more than 10,000 values",
        ),
        (f"a: &a [{'1, ' * 99}]\nb: [{'*a, ' * 101}]", "its aliases stand for more than 10,000"),
    ],
    ids=["itself", "itself, deeper", "ten times ten", "flat"],
)  # fmt: skip
def test_aliases_without_end_are_named(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"odd\.yaml: not readable as yaml: {why}"):
        read_yaml(path)


def test_aliases_stand_for_what_they_name() -> None:
    told = plain_yaml("a: &a {x: &x [1, 2]}\nb: {<<: *a, y: *x}\nc: [*x, *x]")
    assert told == {"a": {"x": [1, 2]}, "b": {"x": [1, 2], "y": [1, 2]}, "c": [[1, 2], [1, 2]]}
    many = ", ".join(["*a"] * (MOST_COPIES // 100))
    assert len(plain_yaml(f"a: &a [{'1, ' * 99}]\nb: [{many}]")["b"]) == MOST_COPIES // 100
