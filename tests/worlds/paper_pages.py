"""docs/papers as rows: what each claims, which commands it names, which numbers it quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.worlds.here import ROOT

FOLDER = ROOT / "docs" / "papers"
SPAN = re.compile(r"`([^`]+)`")
CELLS = re.compile(r"(?<!\\)\|")
METRIC = re.compile(r"([A-Za-z]\w*(?:@[\d.]+)?@(?:gt|det|image|test-dev)) (\d+\.\d)\b")
BARE = re.compile(r"\b(A[PR]\w*) (\d+\.\d)\b")  # of a quote: no protocol of ours
PARAMS = re.compile(r"\bparams (\d{1,3}(?:,\d{3})+)\b")
COUNT = re.compile(r"(\d+\.\d{3}) (HR|exact) (Gi?)\b")


@dataclass(frozen=True)
class Line:
    """One line of a table: its page, its heading, its cells by the head of their column."""

    page: str
    section: str
    cells: dict[str, str]

    @property
    def commands(self) -> list[str]:
        return SPAN.findall(self.cells.get("command", ""))

    @property
    def published(self) -> str:
        return self.cells.get("published", "")

    @property
    def measured(self) -> str:
        return self.cells.get("measured", "")

    def __str__(self) -> str:
        return f"{self.page}, {self.section}: {next(iter(self.cells.values()))}"


def pages() -> list[Path]:
    return sorted(path for path in FOLDER.glob("*.md") if path.stem != "README")


def lines(page: Path) -> Iterator[Line]:
    """Every line of every table of a page that has a column of commands."""
    section, head = "", []
    for text in page.read_text().splitlines():
        if text.startswith("#"):
            section, head = text.lstrip("# "), []
        if not text.startswith("|"):
            head = []
            continue
        cells = [cell.strip() for cell in CELLS.split(text)[1:-1]]
        if not head:
            head = cells
        elif set(text) - set("|- ") and "command" in head:
            assert len(cells) == len(head), f"{page.name}: {text}"
            yield Line(page.name, section, dict(zip(head, cells, strict=True)))


def all_lines() -> list[Line]:
    return [line for page in pages() for line in lines(page)]


def spans(path: Path) -> list[str]:
    """Everything that a page sets as code."""
    return SPAN.findall(path.read_text())
