"""Our own code, packed to travel with a registered model, whatever the repository becomes.

The copy is a package named after its content, so that two versions of it live in one process.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from data.ground.refusal import refusal
from pipelines.host.imports import SKELETONS, named_files, reached
from pipelines.host.places import REPOSITORY

PREFIX = "limber_"
MAY_TRAVEL = ("data", "pipelines/prediction/readout.py")


def pack_code(plugs: Sequence[type | ModuleType], skeleton: str, folder: Path) -> str:
    """Writes what the plugs import of ours, and that skeleton, into `folder`: the package's name.

    In it everything lies as in the repository. Raises ValueError where a file imports what cannot
    travel: what is not of the data wing or reads poses.
    """
    first = [Path(inspect.getfile(plug)).resolve() for plug in plugs]
    needed = {*reached(first, _needed), REPOSITORY / SKELETONS / f"{skeleton}.toml"}
    texts = {path.relative_to(REPOSITORY): path.read_text() for path in sorted(needed)}
    content = "".join(f"{place}\0{text}\0" for place, text in texts.items())
    package = PREFIX + hashlib.sha256(content.encode()).hexdigest()[:12]
    for place, text in texts.items():
        target = folder / package / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_renamed(text, package))
        for parent in (Path(package) / place).parents:
            if parent.name:
                (folder / parent / "__init__.py").touch()
    return package


def _needed(path: Path) -> list[Path]:
    files = named_files(path, REPOSITORY)
    for file in files:
        place = file.relative_to(REPOSITORY)
        if not any(place.is_relative_to(allowed) for allowed in MAY_TRAVEL):
            raise refusal(path, fault=f"imports {place}, which cannot travel with a model")
    return files


def _renamed(text: str, package: str) -> str:
    pattern = r"^(\s*)from (data|pipelines)\."
    return re.sub(pattern, rf"\1from {package}.\2.", text, flags=re.MULTILINE)
