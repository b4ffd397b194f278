"""A codec's own code, packed to travel with a registered model, whatever the repository becomes.

The copy is a package named after its content, so that two versions of it live in one process.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from pathlib import Path
from typing import Any

import data
from pipelines.host.imports import named_files, reached

ROOT = Path(data.__file__).parent
PREFIX = "limber_codec_"


def pack_codec(codec: Any, skeleton: str, folder: Path) -> dict[str, str]:
    """Writes what the codec imports of ours, and the skeleton of that name, into `folder`.

    {"package", "module", "class"} says where the codec lies.

    Raises ValueError where a file of it imports from outside the data wing.
    """
    first = Path(inspect.getfile(type(codec)))
    needed = {*reached([first], _needed), ROOT / "skeletons" / f"{skeleton}.toml"}
    files = {path: path.read_text() for path in needed}
    content = "".join(f"{p.relative_to(ROOT)}\0{text}\0" for p, text in sorted(files.items()))
    package = PREFIX + hashlib.sha256(content.encode()).hexdigest()[:12]
    for path, text in files.items():
        place = folder / package / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_renamed(text, package))
        for parent in place.relative_to(folder).parents:
            if parent.name:
                (folder / parent / "__init__.py").touch()
    name = type(codec).__module__.partition(".")[2]
    return {"package": package, "module": f"{package}.{name}", "class": type(codec).__name__}


def _needed(path: Path) -> list[Path]:
    """Files of the data wing that one of them imports."""
    files = named_files(path, ROOT.parent)
    for file in files:
        if not file.is_relative_to(ROOT):
            raise ValueError(f"{path}: imports {file}, which cannot travel with a model")
    return files


def _renamed(text: str, package: str) -> str:
    return re.sub(r"^(\s*)from data\.", rf"\1from {package}.", text, flags=re.MULTILINE)
