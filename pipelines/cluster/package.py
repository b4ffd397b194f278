"""The code that a job runs: what of a checkout goes to the cluster, and nothing besides."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from data.ground.refusal import masked, refusal
from pipelines.recipe.datasets import own_entries

FOLDERS = ("data", "models", "pipelines", "recipes")
FILES = ("params.yaml",)
KIND = ".py"  # of files that code is made of, in any folder below
BESIDE = (  # what else it is made of: a key or a token may lie in any other yaml or json
    "recipes/*.yaml", "data/skeletons/*.yaml", "data/skeletons/*.yml",
    "pipelines/report/learning_curves.json", "pipelines/report/training_accuracy.json",
)  # fmt: skip
NEVER = ("data/store",)  # data, whatever their names end with
LIMIT = 50_000_000  # bytes; the code has about two million of them
SETTINGS = (".yaml", ".yml")
SHOWN = 3  # of the largest files


@contextmanager
def packed(checkout: Path) -> Iterator[Path]:
    """A copy of the checkout's code in a folder that is gone afterwards, for Ray to send.

    What is named here goes and nothing else: no data, weights, results, databases, keys or
    settings of DVC and shells, however they are called and wherever they lie. Raises ValueError
    where it is too much to be code.
    """
    files = code_files(checkout)
    check_size(checkout, files)
    check_settings(files)
    with tempfile.TemporaryDirectory(prefix="limber-package-") as folder:
        for name, path in files.items():
            target = Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        yield Path(folder)


def code_files(checkout: Path) -> dict[str, Path]:
    """{name from the checkout: file} of what a job needs, changes that no commit holds included."""
    found = {name: checkout / name for name in FILES if (checkout / name).is_file()}
    beside = {*BESIDE, *own_skeletons(checkout)}
    for folder in FOLDERS:
        for here, below, names in os.walk(checkout / folder):
            place = Path(here)
            below[:] = sorted(n for n in below if _goes(place / n, checkout))
            told = {(place / n).relative_to(checkout).as_posix(): place / n for n in sorted(names)}
            found |= {
                name: path
                for name, path in told.items()
                if path.suffix == KIND or any(_fits(name, each) for each in beside)
                if _goes(path, checkout) and path.is_file()
            }
    return found


def own_skeletons(checkout: Path) -> list[str]:
    """Files that own data sets of params.yaml name as their skeleton, as they stand there."""
    named = (entry.get("skeleton") for entry in own_entries(checkout / FILES[0]).values())
    return [each for each in named if isinstance(each, str) and Path(each).suffix in SETTINGS]


def _fits(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/") and Path(name).match(pattern)


def _goes(path: Path, checkout: Path) -> bool:
    name = path.relative_to(checkout).as_posix()
    return not path.name.startswith((".", "__pycache__")) and name not in NEVER


def check_settings(files: Mapping[str, Path]) -> None:
    """Raises ValueError where an address in params.yaml or a recipe, which travel, has a password.

    files: by name from the checkout.
    """
    for name, path in files.items():
        if path.suffix not in SETTINGS:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if masked(line) != line:
                fault = "an address holds a password, which a job is never given"
                do = "take it out; machines have secrets by their environment, ~/.netrc or ~/.aws"
                raise refusal(f"{name}, line {number}", fault=fault, do=do)


def check_size(checkout: Path, files: dict[str, Path], limit: int = LIMIT) -> None:
    """Raises ValueError that names the largest files where they are more than `limit` bytes."""
    sizes = {name: path.stat().st_size for name, path in files.items()}
    if sum(sizes.values()) <= limit:
        return
    largest = sorted(sizes, key=lambda name: -sizes[name])[:SHOWN]
    told = ", ".join(f"{name} ({sizes[name] / 1e6:.0f} MB)" for name in largest)
    raise refusal(
        checkout,
        fault=f"the code of a job has {sum(sizes.values()) / 1e6:.0f} MB; the largest: {told}",
        accepted=f"at most {limit / 1e6:.0f} MB in {', '.join(FOLDERS)}",
        do="move what is no code out of these folders (data belong below data/store)",
    )
