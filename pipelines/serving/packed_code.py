"""Our own code, packed to travel with a registered model, whatever the repository becomes.

The copy is a package named after its content, so that two versions of it live in one process.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from data.ground.refusal import refusal
from data.ground.skeleton import Skeleton, plain_skeleton, skeleton_of_file
from pipelines.host.imports import SKELETONS, named_files, reached
from pipelines.host.places import REPOSITORY

PREFIX = "limber_"
MAY_TRAVEL = ("data", "pipelines/prediction/readout.py", "pipelines/serving/model_input.py")


def pack_code(plugs: Sequence[type | ModuleType], skeleton: Skeleton, folder: Path) -> str:
    """Writes what the plugs import of ours, and that skeleton, into `folder`: the package's name.

    In it everything lies as in the repository. Raises ValueError where a file imports what cannot
    travel: what is not of the data wing or reads poses.
    """
    first = [Path(inspect.getfile(plug)).resolve() for plug in plugs]
    texts = {p.relative_to(REPOSITORY): p.read_text() for p in reached(first, _needed)}
    texts[Path(SKELETONS) / f"{skeleton.name}.yaml"] = _skeleton_text(skeleton)
    texts = dict(sorted(texts.items()))
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


def _skeleton_text(skeleton: Skeleton) -> str:
    """Its own file where that says the same, else its values (json is yaml)."""
    path = REPOSITORY / SKELETONS / f"{skeleton.name}.yaml"
    if path.is_file() and skeleton_of_file(path) == skeleton:
        return path.read_text()
    return json.dumps(plain_skeleton(skeleton), indent=1) + "\n"


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
