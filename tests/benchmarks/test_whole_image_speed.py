"""Both sides of the benchmark make the same samples of drawn people; nothing measures time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import whole_image_speed
from benchmarks.plain_targets import plain_limb_targets, plain_tag_targets
from benchmarks.whole_image_speed import LIMBS, TAGS, Case, check, rows_of, sides_of
from data.datasets.stick_figures import draw_split

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    for split, seed in (("train", 1), ("val", 2)):
        draw_split(folder, split, 3, seed)
    return folder


@pytest.mark.parametrize("case", [TAGS, LIMBS], ids=lambda case: case.name)
def test_both_sides_make_the_same_samples(case: Case, drawn: Path, tmp_path: Path) -> None:
    rows = rows_of(case, drawn, tmp_path)
    assert len(rows) >= 6
    pixels, masks, targets = check(case, rows)
    assert pixels < 0.05 and masks < 0.02 and targets < 1e-4
    for side in sides_of(case, rows[:2], 1).values():
        side(1)


def test_plain_targets_of_nobody_are_background() -> None:
    nobody = np.zeros((0, 17, 3))
    heatmaps, cells, *_ = plain_tag_targets(nobody, (64, 64))
    assert not heatmaps.any() and (cells == -1).all()
    maps, fields = plain_limb_targets(nobody, (64, 64))
    assert not maps[:18].any() and (maps[18] == 1).all() and not fields.any()


def test_it_runs_on_a_folder(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole_image_speed.main(["--rounds", "1", "--images", str(drawn), "--patience", "0"])
    told = capsys.readouterr().out
    assert told.count("ratio plain / ours") == 2 and "part affinity fields" in told
