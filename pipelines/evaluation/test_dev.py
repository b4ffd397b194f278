"""What COCO's server answers to the results of `--test-dev`: read, kept with what it is of.

Its truth is not public, so nothing here can compute these numbers; they stand under `@test-dev`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.files.whole_file import write_text_whole
from data.ground.json_text import read_object
from data.ground.refusal import refusal
from pipelines.evaluation.scoring import NUMBERS
from pipelines.host import places
from pipelines.host.folders import file_digest
from pipelines.prediction.coco_results import official_name
from pipelines.recipe.json_records import record_of
from pipelines.recipe.strict import as_plain_data

PROTOCOL = "test-dev"
ACCEPTED = (
    f"the {len(NUMBERS)} numbers of COCO's keypoints, fractions of 1: the server's json (AP, "
    "AP_50, AP_75, AP_medium, AP_large, AR, ...), its scores.txt (a `name: value` per line), or "
    "the lines that COCOeval.summarize() prints"
)
SUMMARY = re.compile(  # of a line of COCOeval.summarize(): AP or AR, overlap, area, people, value
    r"\((A[PR])\) *@\[ *IoU=([\d.]+(?::[\d.]+)?) *\| *area= *(\w+) *\| *maxDets= *(\d+) *\]"
    r" *= *(\S+)"
)
OVERLAPS = {"0.50:0.95": "", "0.50": "50", "0.75": "75"}
AREAS = {"all": "", "medium": "M", "large": "L"}
PEOPLE = "20"  # of an image at most: keypoints; boxes are counted at 1, 10 and 100
LINE = re.compile(r"^\s*(.+?)\s*[:=]\s*(\S+)\s*$")


@dataclass(frozen=True)
class ServerScores:
    """numbers: `AP@test-dev`..., fractions of 1; results_sha256: of the file that was scored."""

    results: str
    results_sha256: str
    numbers: dict[str, float]


def keep_scores(recipe: str, answer: Path) -> Path:
    """Keeps what the server answered to results/RECIPE/test_dev; returns where.

    Raises ValueError where there is no such results file, or for an answer that is none.
    """
    results = results_file(recipe)
    if not results.is_file():
        do = (
            f"run `python -m pipelines.evaluate {recipe} --test-dev ...`, and submit what it writes"
        )
        raise refusal(results, fault="no results that a server could have scored", do=do)
    scores = ServerScores(results.name, file_digest(results), read_answer(answer))
    path = places.test_dev_scores(recipe)
    write_text_whole(path, json.dumps(as_plain_data(scores), indent=2) + "\n")
    return path


def kept_scores(recipe: str) -> ServerScores | None:
    """None where none were brought back. Raises ValueError for a file that is damaged."""
    path = places.test_dev_scores(recipe)
    if not path.is_file():
        return None
    do = "bring the server's answer back again: `python -m pipelines.evaluate --test-dev-scores`"
    return record_of(ServerScores, read_object(path, do, do), path, do)


def is_stale(recipe: str, scores: ServerScores) -> bool:
    """Whether the results have changed since, or are gone: the scores are of others then."""
    results = results_file(recipe)
    return not results.is_file() or file_digest(results) != scores.results_sha256


def results_file(recipe: str) -> Path:
    return places.test_dev(recipe) / official_name(recipe)


def read_answer(path: Path) -> dict[str, float]:
    """{"AP@test-dev": 0.737, ...}, all ten. Raises ValueError for anything else."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise refusal(path, fault=f"not readable ({error})", accepted=ACCEPTED) from error
    found: dict[str, float] = {}
    for name, value in named_values(text, path):
        if name in found and found[name] != value:
            fault = f"{name} twice, as {found[name]} and {value}"
            raise refusal(path, fault=fault, accepted=ACCEPTED)
        found[name] = value
    missing = [name for name in NUMBERS if name not in found]
    if missing:
        raise refusal(path, fault=f"lacks {', '.join(missing)}", accepted=ACCEPTED)
    return {f"{name}@{PROTOCOL}": found[name] for name in NUMBERS}


def named_values(text: str, path: Path) -> Iterator[tuple[str, float]]:
    """The numbers of any accepted form under our names; what has another name is passed over."""
    values = summary_values(text) if SUMMARY.search(text) else plain_values(text)
    for given, value in values:
        name = our_name(given)
        if name in NUMBERS:
            yield name, checked(value, name, path)


def summary_values(text: str) -> Iterator[tuple[str, Any]]:
    for kind, overlap, area, people, value in SUMMARY.findall(text):
        if people == PEOPLE and overlap in OVERLAPS and area in AREAS:
            yield f"{kind}{OVERLAPS[overlap]}{AREAS[area]}", value


def plain_values(text: str) -> Iterator[tuple[str, Any]]:
    """Of a json object, also as the only one of a list, or of lines."""
    try:
        content = json.loads(text)
    except ValueError:
        yield from ((f[1], f[2]) for f in map(LINE.match, text.splitlines()) if f)
        return
    content = content[0] if isinstance(content, list) and len(content) == 1 else content
    yield from content.items() if isinstance(content, dict) else ()


def our_name(given: str) -> str:
    """`AP_medium`, `AP (M)` -> APM; `AR .5`, `AR_50` -> AR50; `AP_all` -> AP."""
    plain = re.sub(r"[^a-z0-9.]", "", given.lower())
    plain = re.sub(r"0?\.(5|75)0?$", lambda part: part[1].ljust(2, "0"), plain)
    for ending, ours in (("medium", "m"), ("large", "l"), ("all", "")):
        plain = plain.removesuffix(ending) + ours if plain.endswith(ending) else plain
    return plain.upper()


def checked(value: Any, name: str, path: Path) -> float:
    """-1 is COCO's word for: nobody of that size."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise refusal(f"{path}: {name}", given=value, accepted="a number of -1 to 1") from None
    if isinstance(value, bool) or not -1 <= number <= 1:
        do = "divide percents by 100" if number > 1 else ""
        raise refusal(f"{path}: {name}", given=value, accepted="a number of -1 to 1", do=do)
    return number
