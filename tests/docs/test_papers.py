"""docs/papers against the recipes: commands parse, quotes are the recipes'.

Counts: tests/pipelines/report/test_cost.py, where they are made.
"""

from __future__ import annotations

import re
import shlex
from argparse import Namespace
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides
from pytest import approx

from data.ground.yaml_text import read_yaml
from pipelines.host.command import Arguments
from pipelines.recipe.reader import load_recipe, read_recipe, recipe_names, recipe_path
from pipelines.recipe.schema import Published
from pipelines.report.cost import all_rows
from pipelines.report.paper_rows import PAPER_TABLES
from pipelines.report.published import quoted_rows
from tests.worlds import paper_pages
from tests.worlds.here import ROOT
from tests.worlds.paper_pages import BARE, METRIC, Line, all_lines, pages

SOURCES = {  # page -> how recipes name the paper
    "lite_higher_hrnet": "Du, Ma, Fan 2022",
    "ghost_openpose": "Chen et al. 2025",
    "ca_hrnet": "Wu et al. 2022",
    "hsrnet": "Wang et al. 2021",
    "pose_renet": "Xiang, Chen, Zhou",
}
# tables of a paper -> how many lines they have
TABLES = {
    "lite_higher_hrnet": {"Table 1": 6},
    "ghost_openpose": {"Table 5": 2},
    "ca_hrnet": {"Table 1": 2},
    "hsrnet": {"Table 1": 12, "Table 2": 4, "Table 3": 10, "Table 4": 10},
    "pose_renet": {"Table I": 10, "Table II": 13, "Table III": 2},
}
FIGURES = {  # page -> figures of the paper
    "lite_higher_hrnet": 6,
    "ghost_openpose": 4,
    "ca_hrnet": 6,
    "hsrnet": 8,
    "pose_renet": 7,
}
OVERRIDE = re.compile(r"-S '?recipes/(\w+)\.yaml: ?(\+?[\w.]+=[^\s';`]+)")
NAMES = recipe_names()


def commands() -> list[str]:
    """Every command of the pages, once, wherever it stands."""
    files = [*pages(), paper_pages.FOLDER / "README.md"]
    found = [span for path in files for span in paper_pages.spans(path)]
    starts = ("python -m ", "make ", "dvc ")
    return sorted({span for span in found if span.startswith(starts)})


def headers() -> Iterator[tuple[str, str]]:
    """(recipe, `-S` as its comments give it) of every recipe that offers one."""
    for name in NAMES:
        comments = re.findall(r"#\s?(.*)", recipe_path(name).read_text())
        for _, override in OVERRIDE.findall(" ".join(comments)):
            yield name, override.rstrip(".,:)")


class ParsedError(BaseException):
    """Arguments were accepted; nothing was done. No command takes it for an error."""


def stop_when_parsed(self: Arguments, argv: Sequence[str]) -> Namespace:
    raise ParsedError(super(Arguments, self).parse_args(argv))


@pytest.mark.parametrize("command", commands())
def test_each_command_is_one(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert words[1] in targets
        for given in words[2:]:
            assert given.removeprefix("RECIPE=") in NAMES
    elif words[0] == "dvc":
        assert words[:3] == ["dvc", "exp", "run"]
        assert_overrides(words[3:], tmp_path)
    elif words[2].startswith("benchmarks."):
        assert (ROOT / f"{words[2].replace('.', '/')}.py").is_file()
    else:
        monkeypatch.setattr(Arguments, "parse_args", stop_when_parsed)
        with pytest.raises(ParsedError):
            import_module(words[2]).main(words[3:])
        assert_recipes(words[3:])


def assert_recipes(words: Sequence[str]) -> None:
    """Words that look like recipes are recipes."""
    for word in words:
        if re.search(r"_(coco|mpii|crowdpose)_", word):
            assert word in NAMES


def assert_overrides(words: Sequence[str], folder: Path) -> None:
    assert words[::2] == ["-S"] * (len(words) // 2)
    for path, overrides in to_path_overrides(words[1::2]).items():
        assert_still_a_recipe(ROOT / path, overrides, folder)


def assert_still_a_recipe(path: Path, overrides: Sequence[str], folder: Path) -> None:
    """As DVC would edit it, the file is a recipe, and another one."""
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    apply_overrides(copy, list(overrides))
    changed = read_recipe(read_yaml(copy), str(copy))
    assert changed.digest() != load_recipe(path.stem).digest()


@pytest.mark.parametrize(("name", "override"), sorted(headers()))
def test_what_a_header_offers_can_be_set(name: str, override: str, tmp_path: Path) -> None:
    assert_still_a_recipe(recipe_path(name), [override], tmp_path)


@pytest.mark.parametrize("page", sorted(SOURCES))
def test_a_page_has_every_line_of_every_table_and_every_figure(page: str) -> None:
    found = [line for line in all_lines() if line.page == f"{page}.md"]
    for table, count in TABLES[page].items():
        of_table = [line for line in found if line.section.partition(":")[0].split(",")[0] == table]
        assert len(of_table) == count, table
    told = " ".join(line.cells.get("place", "") for line in found)
    shown: set[int] = set()
    for text in re.findall(r"figures? ([\d, to]+)", told):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", text):
            shown |= set(range(int(first), int(last or first) + 1))
    assert shown >= set(range(1, FIGURES[page] + 1))


@pytest.mark.parametrize("path", [*pages(), paper_pages.FOLDER / "README.md"], ids=str)
def test_no_place_is_kept_for_later(path: Path) -> None:
    assert not re.search(r"\b[A-Z]+_[A-Z]+\b|TODO|TBD|\?\?", path.read_text())


@pytest.mark.parametrize("line", all_lines(), ids=str)
def test_a_line_names_what_runs_it_or_says_why_nothing_does(line: Line) -> None:
    assert line.commands or line.cells["command"].startswith("none: ")
    networks = {row.network for row in all_rows_once()}
    for span in line.commands:
        is_command = span.startswith(("python -m ", "make ", "dvc "))
        assert is_command or span in NAMES or span in networks, span
    if line.commands and "@" in line.published:
        assert "not measured" in line.measured or METRIC.search(line.measured)


@pytest.mark.parametrize(
    "line", [line for line in all_lines() if METRIC.search(line.published)], ids=str
)
def test_quoted_numbers_are_in_the_recipe(line: Line) -> None:
    rows = [row for name in line.commands if name in NAMES for row in quoted_rows(name)]
    for metric, number in METRIC.findall(line.published):
        assert any(printed(row, metric) == number for row in rows), f"{metric} {number}"
    for number in re.findall(r"params (\d+\.\d+)M", line.published):
        assert float(number) in {row.params_m for row in rows}
    for number in re.findall(r"GFLOPs (\d+(?:\.\d+)?)", line.published):
        assert float(number) in {row.gflops for row in rows}
    if "in doubt" in line.published:
        assert any(row.protocol_doubtful for row in rows)


@pytest.mark.parametrize(
    "line", [line for line in all_lines() if "quotes the row" in line.cells["command"]], ids=str
)
def test_a_row_without_a_network_is_a_quote_of_the_report(line: Line) -> None:
    numbers = {name: float(number) for name, number in BARE.findall(line.published)}
    assert len(numbers) >= 5
    quotes = [row for table in PAPER_TABLES for row in table.rows if not row.recipe]
    of = [row for row in quotes if {k: 100 * v for k, v in row.quote.items()} == approx(numbers)]
    assert of
    for number in re.findall(r"(\d+\.\d)M|(\d+\.\d) GFLOPs", line.published):
        assert float(number[0] or number[1]) in {
            x for row in of for x in (row.params_m, row.gflops)
        }


def printed(row: Published, metric: str) -> str:
    return f"{100 * row.metrics[metric]:.1f}" if metric in row.metrics else ""


@pytest.mark.parametrize("page", sorted(SOURCES))
def test_what_a_recipe_quotes_of_a_paper_is_on_its_page(page: str) -> None:
    mine = [line for line in all_lines() if line.page == f"{page}.md"]
    for name in NAMES:
        for row in quoted_rows(name):
            if SOURCES[page] not in row.source:
                continue
            told = " ".join(line.published for line in mine if name in line.commands)
            numbers = {(metric, f"{100 * value:.1f}") for metric, value in row.metrics.items()}
            assert numbers <= set(METRIC.findall(told)), name
            assert not row.protocol_doubtful or "in doubt" in told, name


@cache
def all_rows_once() -> list[Any]:
    return all_rows()
