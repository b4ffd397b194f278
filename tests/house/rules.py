"""All rules of the house: each takes a root folder and lists what breaks it, a line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.house import arrows, pages, plugs, tests

RULES: list[Callable[[Path], list[str]]] = [
    arrows.circles,
    arrows.arrows_up,
    arrows.wide_views,
    arrows.imports_of_commands,
    arrows.wings_that_meet,
    arrows.data_arrows,
    arrows.strange_tools,
    arrows.data_sets_by_module,
    plugs.plugs_off_the_menu,
    plugs.files_that_are_no_commands,
    plugs.silent_rooms,
    plugs.unsaid_imports,
    plugs.data_set_names,
    pages.long_pages,
    pages.vague_names,
    pages.unformatted_raises,
    pages.contracts_that_are_any,
    pages.silent_defaults,
    pages.loaders_through_ray,
    pages.unchecked_decoders,
    pages.files_that_may_run,
    tests.tests_that_import_tests,
    tests.tests_out_of_place,
    tests.clocks_in_tests,
    tests.paths_patched_in,
    tests.names_that_are_gone,
]
