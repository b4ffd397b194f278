"""Rules on plugs, commands and rooms: that what is there can be found and says what it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.house.tree import arrows, modules, parsed, place, room_of, rooms, sources

MENUS = ("data/menus.py", "data/datasets/menu.py", "models/menus.py")
PLUGS = ("data/datasets", "data/codecs", "data/evaluators", "models", "models/losses")
GROUND = {  # files beside the plugs that are none
    "data/datasets/menu.py": "the menu itself",
    "data/datasets/mixture.py": "a plug made of plugs: on the menu by its members",
    "data/datasets/own.py": "entries of params.yaml are its names",
    "models/contracts.py": "what a network and a loss promise",
    "models/cost.py": "counts what any network costs",
    "models/ghost_blocks.py": "parts of the two ghost networks",
    "models/layers.py": "parts of networks",
    "models/menus.py": "the menus themselves",
    "models/refusal.py": "words of refusals",
    "models/weights.py": "reads weights into any network",
    "models/weight_files.py": "reads weights of any network from files",
    "models/weight_layouts.py": "how others name the weights of any network",
}
SAYS = {  # what the docstring of a room's __init__ tells, and how it is found there
    "what goes in (`In: `)": r"\bIn:",
    "what comes out (`Out: `)": r"\bOut:",
    "what it may import (`May import `)": r"[Mm]ay\s+import|Imports:",
    "what a change re-runs": r"re-?(runs?|trains?|evaluates?|prepares?)|again|nothing",
}


def plugs_off_the_menu(root: Path, ground: Mapping[str, str] = GROUND) -> list[str]:
    """Files in a folder of plugs that stand on no menu and are no named ground file."""
    listed = {path for menu in MENUS for path in _on_menu(root / menu, root)}
    return [
        f"{place(path, root)}: on no menu"
        for folder in PLUGS
        for path in sorted((root / folder).glob("*.py"))
        if path.name != "__init__.py" and path not in listed and place(path, root) not in ground
    ]


def _on_menu(menu: Path, root: Path) -> Iterator[Path]:
    """Files whose names stand as values in the dicts of a menu."""
    if not menu.is_file():
        return
    known, origins = modules(root), dict[str, str]()
    for node in ast.walk(parsed(menu)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                name = alias.asname or alias.name
                origins[name] = full if full in known else str(node.module)
    for node in ast.walk(parsed(menu)):
        values = node.values if isinstance(node, ast.Dict) else []
        for name in (n for value in values for n in ast.walk(value) if isinstance(n, ast.Name)):
            if name.id in origins and origins[name.id] in known:
                yield known[origins[name.id]]


def ground_that_is_gone(root: Path, ground: Mapping[str, str] = GROUND) -> list[str]:
    """Exceptions for files that are not there any more."""
    return [f"{name}: no such file" for name in ground if not (root / name).is_file()]


def files_that_are_no_commands(root: Path) -> list[str]:
    """Files at the root of pipelines/, or a folder's `__main__`, that cannot be run."""
    files = sorted((root / "pipelines").glob("*.py")) + sorted(
        (root / "pipelines").glob("*/__main__.py")
    )
    broken = []
    for path in files:
        body = parsed(path).body
        main = any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in body)
        guard = any("__name__" in ast.unparse(n.test) for n in body if isinstance(n, ast.If))
        if path.name != "__init__.py" and not (main and guard):
            broken.append(f"{place(path, root)}: no `main` or no `if __name__` guard: no command")
    return broken


def silent_rooms(root: Path) -> list[str]:
    """Rooms, of the wings too, whose docstring leaves out one of the four things."""
    files = [root / "pipelines" / room / "__init__.py" for room in rooms(root)]
    files += sorted((root / "data").glob("*/__init__.py")) + sorted(
        (root / "models").glob("*/__init__.py")
    )
    return [
        f"{place(path, root)}: does not say {what}"
        for path in files
        for what, pattern in SAYS.items()
        if not re.search(pattern, _docstring(path))
    ]


def unsaid_imports(root: Path) -> list[str]:
    """Rooms of pipelines/ that a room imports and does not name among what it may."""
    broken, graph = [], arrows(root)
    for room in rooms(root):
        text = _docstring(root / "pipelines" / room / "__init__.py")
        said = set(
            re.findall(r"\w+", re.split(SAYS["what it may import (`May import `)"], text)[-1])
        )
        seen = {
            room_of(other, root)
            for module, others in graph.items()
            if room_of(module, root) == room
            for other in others
        } - {"", room}
        if not said & {"below", "every"}:
            broken += [f"pipelines/{room}: imports {each} unsaid" for each in sorted(seen - said)]
    return broken


def _docstring(path: Path) -> str:
    return (ast.get_docstring(parsed(path)) or "") if path.is_file() else ""


def data_set_names(root: Path) -> list[str]:
    """Strings in pipelines/ that are a data set's name; docstrings may tell of any."""
    names = set(_menu_keys(root / "data" / "datasets" / "menu.py", "DATASETS"))
    return [
        f"{place(path, root)}:{node.lineno}: the data set {word!r}"
        for path in sources(root, "pipelines")
        for node in _strings(path)
        for word in sorted(names & set(re.split(r"\W+", str(node.value))))
    ]


def _menu_keys(menu: Path, name: str) -> Iterator[str]:
    for node in parsed(menu).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == name:
                yield from (key.value for key in node.value.keys if isinstance(key, ast.Constant))


def _strings(path: Path) -> Iterator[ast.Constant]:
    """String constants, but for docstrings and other text that stands alone."""
    told = {id(n.value) for n in ast.walk(parsed(path)) if isinstance(n, ast.Expr)}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node
