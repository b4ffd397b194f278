"""What the road says at its end, and that a wrong name runs nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.files.table import write_table
from pipelines import road
from pipelines.host import places
from pipelines.registry.ledger import Ledger
from tests.worlds.results import write_mpii_results, write_results


def test_main_numbers_champions_and_where_to_look_on(home: Path) -> None:
    write_results("some", quality=0.6, protocols=("gt", "det"))
    write_mpii_results("heads", quality=0.7)
    champion = {"champion": "3", "recipe": "some", "reason": "first version"}
    Ledger(places.promotion()).set_slots({"pose-coco": champion, "none": {"champion": None}})
    assert road.summary_lines(["some", "heads", "late"]) == [
        "",
        "  some   AP@gt 0.600  AP@det 0.600",
        "  heads  PCKh@0.5@gt 0.700",
        "  late   not evaluated",
        "",
        "  champion of pose-coco: version 3, some",
        "    first version",
        "",
        f"  report       {home / 'reports' / 'comparison.md'}",
    ]


def test_three_commands_lead_on(home: Path) -> None:
    write_results("some", quality=0.6)
    write_results("other", quality=0.5, seed=2)
    write_mpii_results("heads", quality=0.7)
    images = {"image_id": np.array([7, 3, 5, 9]), "path": ["a", "b", "c", "d"]}
    folder = places.prepared("stick_figures") / "val"
    folder.mkdir(parents=True)
    write_table(folder / "images.arrow", images)
    title, *lines = [
        line for line in road.next_lines(["some", "heads", "other"], keep=False) if line
    ]
    commands = [line.partition("#")[0].split() for line in lines]
    assert title == "  next:"
    assert commands[0] == ["make", "ui"]
    assert commands[1][-5:] == ["show", "some", "other", "--images", "3,5,7"]
    assert commands[2][-3:] == ["evaluate", "some", "--ceiling"]
    assert road.next_lines(["late"], keep=True) == []


def test_a_wrong_recipe_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert road.main(["demo_hrnett"]) == 2
    assert "did you mean 'demo_hrnet'" in capsys.readouterr().err
