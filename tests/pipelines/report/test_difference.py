"""Two evaluations compared: by recipe or run id, protocol by protocol, never on other data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import compare
from pipelines.evaluation.folder import EvaluationFolder
from pipelines.evaluation.record import EvaluationRecord
from pipelines.host import places
from pipelines.report import difference
from pipelines.report.difference import registered_evaluation
from pipelines.report.evaluated_recipe import evaluated_recipe
from tests.worlds.results import BROUGHT_BOXES, OWN_BOXES, recipe, write_results

RUN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def home(home: Path) -> Path:
    """A home with two evaluations."""
    write_results("good", quality=0.9, protocols=("gt", "det"))
    write_results("bad", quality=0.5, protocols=("gt",))
    return home


def cells(text: str, metric: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {metric} "))
    return [cell.strip() for cell in line.strip("| ").split(" | ")]


def test_the_gain_stands_with_its_interval_under_the_shared_protocol(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.main(["good", "bad"]) == 0
    text = (home / "reports" / "compare_good_bad.md").read_text()
    assert text in capsys.readouterr().out
    row = cells(text, "AP@gt")
    assert row[1:4] == ["90.00", "50.00", "+40.00"]
    low, high = (float(value) for value in row[4].split(" to "))
    assert 20 < low < high < 60, row
    assert "AP@det" not in text, "only one of them has it"


def test_det_from_other_boxes_is_not_compared(home: Path) -> None:
    both = ("gt", "det")
    write_results("good", quality=0.9, protocols=both, boxes_from=OWN_BOXES)
    write_results("bad", quality=0.5, protocols=both, boxes_from=OWN_BOXES)
    compare.main(["good", "bad"])
    page = home / "reports" / "compare_good_bad.md"
    assert cells(page.read_text(), "AP@det")[3] == "+40.00"
    assert "`det` starts from boxes of nanodet (boxes AP 0.323" in page.read_text()
    write_results("bad", quality=0.5, protocols=both, boxes_from=BROUGHT_BOXES)
    compare.main(["good", "bad"])
    assert cells(page.read_text(), "AP@gt")[3] == "+40.00" and "AP@det" not in page.read_text()
    assert "`det` starts from other boxes (nanodet (boxes AP 0.323" in page.read_text()
    write_results("bad", quality=0.5, protocols=("det",), boxes_from=BROUGHT_BOXES)
    assert compare.main(["good", "bad"]) == 2


def test_a_recipe_gains_nothing_on_itself(home: Path) -> None:
    compare.main(["good", "good"])
    row = cells((home / "reports" / "compare_good_good.md").read_text(), "AP@gt")
    assert row[3:] == ["+0.00", "+0.00 to +0.00 (may be chance)"]


def test_where_there_is_nobody_both_sides_say_so(home: Path) -> None:
    for name in ("good", "bad"):
        folder = places.evaluated(name)
        record = EvaluationRecord.read(folder)
        numbers = {**record.numbers, "APM@gt": -1.0}
        replace(record, numbers=numbers).write(folder)
    compare.main(["good", "bad"])
    row = cells((home / "reports" / "compare_good_bad.md").read_text(), "APM@gt")
    assert row[1:] == ["no medium people", "no medium people", "–", "–"]


def test_a_run_is_found_by_its_id(home: Path) -> None:
    folder = places.evaluated("good")
    replace(EvaluationRecord.read(folder), run_id=RUN).write(folder)
    assert compare.main([RUN, "bad"]) == 0
    assert cells((home / "reports" / "compare_01234567_bad.md").read_text(), "AP@gt")[1] == "90.00"
    page = difference.write_difference(RUN[::-1], "bad", lambda run_id, part: folder)
    assert cells(page.read_text(), "AP@gt")[1] == "90.00", "else by what was registered of it"


def test_a_run_that_nobody_knows_is_named(home: Path) -> None:
    class Empty:
        uri = "sqlite:///none"

        def of_run(self, run_id: str) -> None:
            return None

    with pytest.raises(ValueError, match=f"run {RUN}: no evaluation of it in results/"):
        registered_evaluation(RUN, home, Empty())  # type: ignore[arg-type]


def test_other_data_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_results("elsewhere", data_hash="e" * 64)
    assert compare.main(["good", "elsewhere"]) == 2
    said = capsys.readouterr().err
    assert "good was evaluated on data dddddddddddd, elsewhere on eeeeeeeeeeee" in said
    assert not places.reports().exists()


def test_wrong_names_are_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(["good", "godo"]) == 2
    assert "godo: neither an evaluated recipe nor a run id" in capsys.readouterr().err
    assert compare.main(["good"]) == 2
    assert "accepted: none, or two recipes" in capsys.readouterr().err


def test_the_page_says_what_differs_between_the_recipes(home: Path) -> None:
    write_results("other_codec", quality=0.5, sigma=1.0)
    compare.main(["good", "other_codec"])
    text = (home / "reports" / "compare_good_other_codec.md").read_text()
    assert cells(text, "`codec.options.sigma`")[1:] == ["2.0", "1.0"], "from their best.pt"
    places.best_weights("good").unlink()
    compare.main(["good", "bad"])
    text = (home / "reports" / "compare_good_bad.md").read_text()
    assert "cannot be told: that of good was changed since its evaluation" in text


def test_a_champion_on_other_data_is_of_its_own_recipe(home: Path) -> None:
    folder = places.evaluated("good")
    there = replace(recipe(), dataset="coco")
    record = replace(
        EvaluationRecord.read(folder), dataset="coco", recipe_digest=there.digest(), slot="pose"
    )
    found = evaluated_recipe(EvaluationFolder(folder, record))
    assert found is not None and found.dataset == "stick_figures"


def test_recipes_alone_need_no_results(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["hrnet_w32_coco_256x192", "hrnet_w32_coco_384x288"]
    assert compare.main([*both, "--recipes"]) == 0
    assert cells(capsys.readouterr().out, "`input_size`")[1:] == ["[192, 256]", "[288, 384]"]
    assert not places.reports().exists()
    assert compare.main(["--recipes", both[0]]) == 2
    assert "--recipes: given 'hrnet_w32_coco_256x192', accepted: two" in capsys.readouterr().err
