"""Rules on who imports whom. Each takes a root folder and lists what breaks it, a line each."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.house.tree import (
    arrows,
    heads,
    imported,
    is_command,
    module_name,
    place,
    room_of,
    rooms,
    sources,
)

FLOORS = (  # the rooms of pipelines/ from the bottom up: a room imports rooms below it alone
    "host", "recipe", "store", "pictures", "intake", "survey", "tracking", "motion", "media",
    "detection", "prediction", "digests", "evaluation", "serving", "registry", "training", "depot",
    "cluster", "report",
)  # fmt: skip
NARROW = {  # rooms that see less than all below them: modules, or rooms whole
    "digests": ("pipelines.host", "pipelines.recipe", "pipelines.prediction.feeds"),
}
WING = {  # folders of data/ -> what of data/ each may import beside itself
    "ground": (),
    "files": ("data.ground",),
    "views": ("data.ground",),
    "feeds": ("data.ground", "data.files", "data.views"),
    "codecs": ("data.ground",),  # travels with registered models
    "datasets": ("data.ground",),
    "evaluators": ("data.ground",),
    "menus": ("data.ground", "data.codecs", "data.datasets", "data.evaluators"),
}
TOOLS = {  # package -> where alone in pipelines/ it is imported
    "ray": ("pipelines/cluster/",),
    "mlflow": ("pipelines/tracking/", "pipelines/serving/pose_model.py"),  # the second travels
    "yaml": ("data/ground/yaml_text.py", "pipelines/recipe/"),
    "ruamel": ("pipelines/recipe/",),
    "av": ("pipelines/media/",),
    "boto3": ("pipelines/store/",),
    "botocore": ("pipelines/store/",),
}
FINDERS = (  # own data sets and formats of labels are on no menu of data/menus.py
    "pipelines/recipe/datasets.py", "pipelines/survey/", "pipelines/datasets.py",
    "pipelines/media/drawn_clip.py",  # a clip of the demo's drawn people is no data set
)  # fmt: skip
NETWORKS_ONLY = {"torch", "numpy", "safetensors", "models"} | sys.stdlib_module_names


def circles(root: Path) -> list[str]:
    """Files that import one another, through however many others."""
    graph, done, broken = arrows(root), set[str](), list[str]()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            broken.append(" -> ".join((*trail[trail.index(name) :], name)))
        elif name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())
    return broken


def arrows_up(root: Path, floors: Sequence[str] = FLOORS) -> list[str]:
    """Rooms that no floor is known of, and imports of a room that lies above."""
    broken = [f"pipelines/{name}: no floor in FLOORS" for name in rooms(root) if name not in floors]
    for module, others in sorted(arrows(root).items()):
        for other in sorted(others):
            upper, lower = room_of(other, root), room_of(module, root)
            if {upper, lower} <= set(floors) and floors.index(upper) > floors.index(lower):
                broken.append(f"{module} imports {other}, which lies above")
    return broken


def wide_views(root: Path, narrow: Mapping[str, Sequence[str]] = NARROW) -> list[str]:
    """Imports of rooms that are to see less than all below them."""
    return [
        f"{module} imports {other}; its room sees only {', '.join(narrow[room])}"
        for module, others in sorted(arrows(root).items())
        if (room := room_of(module, root)) in narrow
        for other in sorted(others)
        if room_of(other, root) not in ("", room) and not _within(other, narrow[room])
    ]


def _within(module: str, places: Sequence[str]) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in places)


def imports_of_commands(root: Path) -> list[str]:
    """Commands are run, not imported: neither by rooms nor by one another, nor by a wing."""
    return [
        f"{module} imports the command {other}"
        for module, others in sorted(arrows(root).items())
        for other in sorted(others)
        if is_command(other, root)
    ]


def wings_that_meet(root: Path) -> list[str]:
    """data/ and models/ know neither each other nor the roof."""
    foreign = {"data": {"models", "pipelines"}, "models": {"data", "pipelines"}}
    return [
        f"{place(path, root)} imports {name}"
        for wing, names in foreign.items()
        for path in sources(root, wing)
        for name in sorted(heads(path, root) & names)
    ]


def data_arrows(root: Path, wing: Mapping[str, Sequence[str]] = WING) -> list[str]:
    """Folders of data/ that see more of it than they may."""
    broken = []
    for module, others in sorted(arrows(root).items()):
        folder = [*module.split("."), ""][1] if module.startswith("data.") else ""
        if folder and folder not in wing:
            broken.append(f"{module}: data/{folder} is not in WING")
            continue
        seen = [f"data.{folder}", *wing.get(folder, ())]
        broken += [
            f"{module} imports {other}; data/{folder} sees only {', '.join(seen)}"
            for other in sorted(others)
            if folder and not _within(other, seen)
        ]
    return broken


def strange_tools(root: Path, tools: Mapping[str, Sequence[str]] = TOOLS) -> list[str]:
    """ray, mlflow and yaml outside their rooms; in models/ whatever is not torch."""
    broken = []
    for path in sources(root):
        name = place(path, root)
        broken += [
            f"{name} imports {tool}; only {' and '.join(homes)} may"
            for tool, homes in tools.items()
            if tool in heads(path, root) and not name.startswith(tuple(homes))
        ]
        if name.startswith("models/"):
            strangers = sorted(heads(path, root) - NETWORKS_ONLY - {"data", "pipelines"})
            broken += [f"{name} imports {stranger}" for stranger in strangers]
    return broken


def data_sets_by_module(root: Path) -> list[str]:
    """Files of pipelines/ that import a data set: the menu has them."""
    return [
        f"{module_name(path, root)} imports {name}"
        for path in sources(root, "pipelines")
        for name in sorted(imported(path, root))
        if name.startswith("data.datasets") and not place(path, root).startswith(FINDERS)
    ]
