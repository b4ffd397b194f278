"""Each rule of the house, broken on purpose in a tiny house of its own: refused, by file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import arrows, pages, plugs, tests
from tests.house.rules import RULES

ROOM = '"""Of rooms.\n\nIn: a. Out: b. May import nothing. A change re-runs nothing.\n"""\n'
COMMAND = 'def main() -> None: ...\nif __name__ == "__main__":\n    main()\n'
IMPORT_MAIN = "from pipelines.train import main\n"
SOUND = {  # a house that breaks no rule
    "data/datasets/menu.py": "from data.datasets import photos\nDATASETS = {'photos': photos}\n",
    "data/ground/__init__.py": ROOM,
    "data/ground/sample.py": "N = 1\n",
    "data/datasets/__init__.py": ROOM,
    "data/datasets/photos.py": "from data.ground.sample import N\n",
    "data/store/raw/odd.py": "import ray, mlflow, yaml\n",
    "models/menus.py": "from models.net import Net\nARCHITECTURES = {'net': Net}\n",
    "models/net.py": "import torch\nclass Net: ...\n",
    "pipelines/__init__.py": "",
    "pipelines/host/__init__.py": ROOM,
    "pipelines/host/places.py": "N = 1\n",
    "pipelines/intake/__init__.py": ROOM.replace("nothing. A", "host. A"),
    "pipelines/intake/tables.py": "from pipelines.host.places import N\n",
    "pipelines/tracking/__init__.py": ROOM,
    "pipelines/tracking/__main__.py": COMMAND,
    "pipelines/tracking/runs.py": "def f() -> None:\n    import mlflow\n",
    "pipelines/digests/__init__.py": ROOM,
    "pipelines/cluster/__init__.py": ROOM,
    "pipelines/cluster/head.py": "import ray\n",
    "pipelines/prepare.py": "from pipelines.intake import tables\n" + COMMAND,
    "pipelines/train.py": COMMAND,
    "tests/worlds/drawn.py": "if N:\n    CIRCLE = 1\n",
    "benchmarks/speed.py": "from tests.worlds.drawn import CIRCLE\n" + IMPORT_MAIN,
    "tests/test_one.py": "from tests.worlds import drawn\n",
    "tests/models/test_net.py": "from models.net import Net\n",
    "tests/pipelines/intake/test_tables.py": "from data.ground.sample import N\n",
}
TYPED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "
INSIDE = "def f() -> None:\n    "
Rule = Callable[[Path], list[str]]
# rule, file and what it now holds, what the rule says of it
BROKEN: list[tuple[Rule, str, str, str]] = [
    (arrows.circles, "pipelines/host/places.py", TYPED + "from pipelines.intake import tables\n",
     "pipelines.host.places -> pipelines.intake.tables -> pipelines.host.places"),
    (arrows.circles, "data/ground/sample.py", INSIDE + "import data.datasets.photos\n",
     "data.datasets.photos -> data.ground.sample -> data.datasets.photos"),
    (arrows.arrows_up, "pipelines/host/places.py", INSIDE + "from ..intake.tables import N\n",
     "pipelines.host.places imports pipelines.intake.tables, which lies above"),
    (arrows.arrows_up, "pipelines/attic/old.py", "", "pipelines/attic: no floor"),
    (arrows.wide_views, "pipelines/digests/deciding.py", "from pipelines.tracking.runs import f\n",
     "pipelines.digests.deciding imports pipelines.tracking.runs"),
    (arrows.imports_of_commands, "pipelines/cluster/jobs.py", "from pipelines.train import main\n",
     "pipelines.cluster.jobs imports the command pipelines.train"),
    (arrows.imports_of_commands, "pipelines/submit.py", INSIDE + "from pipelines import train\n",
     "pipelines.submit imports the command pipelines.train"),
    (arrows.imports_of_commands, "pipelines/road.py", "import pipelines.tracking.__main__\n",
     "pipelines.road imports the command pipelines.tracking.__main__"),
    (arrows.wings_that_meet, "models/net.py", TYPED + "from data.ground.sample import N\n",
     "models/net.py imports data"),
    (arrows.wings_that_meet, "data/ground/sample.py", INSIDE + "import pipelines\n",
     "data/ground/sample.py imports pipelines"),
    (arrows.data_arrows, "data/codecs/heatmap.py", "from data.datasets.photos import N\n",
     "data.codecs.heatmap imports data.datasets.photos"),
    (arrows.data_arrows, "data/attic/old.py", "", "data/attic is not in WING"),
    (arrows.strange_tools, "pipelines/train.py", INSIDE + "from ray import train\n",
     "pipelines/train.py imports ray"),
    (arrows.strange_tools, "data/ground/sample.py", "import mlflow.pyfunc\n",
     "data/ground/sample.py imports mlflow"),
    (arrows.strange_tools, "pipelines/host/places.py", TYPED + "import yaml\n",
     "pipelines/host/places.py imports yaml"),
    (arrows.strange_tools, "models/net.py", "import cv2\n", "models/net.py imports cv2"),
    (arrows.data_sets_by_module, "pipelines/prepare.py", "from data.datasets import photos\n",
     "pipelines.prepare imports data.datasets.photos"),
    (tests.tests_that_import_tests, "tests/test_two.py", "from tests.test_one import drawn\n",
     "tests/test_two.py imports tests.test_one"),
    (tests.tests_out_of_place, "tests/pipelines/attic/test_old.py", "",
     "tests/pipelines/attic/test_old.py: there is no pipelines/attic"),
    (tests.tests_out_of_place, "tests/models/test_net.py", "import data.ground.sample\n",
     "tests/models/test_net.py imports data"),
    (plugs.plugs_off_the_menu, "data/datasets/films.py", "", "data/datasets/films.py: on no menu"),
    (plugs.plugs_off_the_menu, "models/menus.py", "from models.net import Net\n",
     "models/net.py: on no menu"),
    (plugs.files_that_are_no_commands, "pipelines/tables.py", "def main() -> None: ...\n",
     "pipelines/tables.py: no `main`"),
    (plugs.files_that_are_no_commands, "pipelines/tracking/__main__.py", "print(1)\n",
     "pipelines/tracking/__main__.py: no `main`"),
    (plugs.silent_rooms, "pipelines/host/__init__.py", '"""In: a. Out: b. May import c."""\n',
     "pipelines/host/__init__.py: does not say what a change re-runs"),
    (plugs.silent_rooms, "data/datasets/__init__.py", "", "what goes in"),
    (plugs.unsaid_imports, "pipelines/intake/__init__.py", ROOM, "intake: imports host unsaid"),
    (plugs.data_set_names, "pipelines/prepare.py", "ZIPS = 'photos' == 'films'\n",
     "pipelines/prepare.py:1: the data set 'photos'"),
    (pages.long_pages, "models/net.py", "\n" * 300, "models/net.py: 300 lines"),
    (pages.long_pages, "models/net.py", "def f() -> None:\n" + "    pass\n" * 39,
     "models/net.py:f: 40 lines"),
    (pages.vague_names, "pipelines/host/utils.py", "", "pipelines/host/utils.py"),
    (pages.vague_names, "data/common/boxes.py", "", "data/common/boxes.py"),
    (pages.unformatted_raises, "models/net.py", 'raise ValueError("a" "b")  # fmt: skip\n',
     "models/net.py:1: `# fmt: skip` in a raise"),
    (pages.contracts_that_are_any, "pipelines/train.py", "def f(codec: Any) -> None: ...\n",
     "pipelines/train.py:1: codec: Any"),
    (pages.contracts_that_are_any, "data/ground/sample.py", "class A:\n    evaluator: Any\n",
     "data/ground/sample.py:2: evaluator: Any"),
    (pages.silent_defaults, "pipelines/train.py", "a = getattr(main, 'pixels', 'rgb')\n",
     "pipelines/train.py:1: getattr of 'pixels'"),
    (pages.loaders_through_ray, "pipelines/train.py", "prepare_data_loader(1)\n",
     "pipelines/train.py"),
    (pages.unchecked_decoders, "pipelines/train.py", "a = cv2.imread('a.png')\n",
     "pipelines/train.py:1: cv2.imread"),
    (pages.unchecked_decoders, "data/ground/sample.py", INSIDE + "Image.open('a.png').load()\n",
     "data/ground/sample.py:2: Image.open"),
    (pages.files_that_may_run, "models/net.py", INSIDE + "torch.load('a', weights_only=False)\n",
     "models/net.py:2: torch.load"),
    (pages.files_that_may_run, "data/ground/sample.py", "np.load('a')\n",
     "data/ground/sample.py:1: np.load"),
    (pages.files_that_may_run, "pipelines/train.py", "a = pickle.Unpickler(b).load()\n",
     "pipelines/train.py:1: pickle.Unpickler(b).load"),
    (tests.clocks_in_tests, "tests/test_two.py", "assert time.monotonic() - began < 1\n",
     "tests/test_two.py:1: an assertion reads a clock"),
    (tests.paths_patched_in, "tests/test_two.py", "sys.path" + ".insert(0, '.')\n",
     "tests/test_two.py"),
    (tests.names_that_are_gone, "pipelines/train.py", "def many() -> None: ...\n",
     "benchmarks/speed.py:2: no main in pipelines.train"),
    (tests.names_that_are_gone, "tests/test_two.py", INSIDE + "from data.ground import samples\n",
     "tests/test_two.py:2: no samples in data.ground"),
]  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for name, text in SOUND.items():
        write(tmp_path / name, text)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_house_breaks_no_rule(house: Path, rule: Rule) -> None:
    assert rule(house) == []


@pytest.mark.parametrize(("rule", "file", "text", "says"), BROKEN)
def test_a_broken_rule_is_named(house: Path, rule: Rule, file: str, text: str, says: str) -> None:
    write(house / file, text)
    assert any(says in line for line in rule(house)), rule(house)


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, *_ in BROKEN} == set(RULES)


def test_an_exception_excuses_its_own_place_alone(house: Path) -> None:
    text = "a = getattr(x, 'groups', 1)\nb = getattr(x, 'others', ())\n"
    write(house / "pipelines/train.py", text)
    excused = pages.silent_defaults(house, {"pipelines/train.py": {"groups"}})
    assert excused == ["pipelines/train.py:2: getattr of 'others' with a default"]
    write(house / "models/net.py", "\n" * 300)
    assert pages.long_pages(house, {"models/net.py": "a table"}) == []
