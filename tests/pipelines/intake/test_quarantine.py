"""The list of rows that cannot be used: read back as written, kept beside what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from data.ground.sample import Rejected, Sample
from pipelines.intake.quarantine import refuse_bad_rows, write_quarantine
from pipelines.intake.splits import Split

HEAD = ["split", "kind", "id", "image_id", "reason"]


def rejected(reason: str, number: int = 1) -> Rejected:
    return Rejected("val", "person", str(number), "7", reason)


def split_of(*reasons: str) -> Split:
    """One good image, and a row in quarantine for each reason."""
    rows = [rejected(reason, number) for number, reason in enumerate(reasons)]
    return Split("val", Path(), [Sample(1, Path("a.jpg"), 4, 3)], rejected=rows)


@pytest.mark.parametrize("reason", ["size, differs", 'no "file"', "two\nlines", "kürzer als nötig"])
def test_a_reason_comes_back_whatever_it_holds(tmp_path: Path, reason: str) -> None:
    write_quarantine(tmp_path / "list.csv", [rejected(reason, 5), rejected("plain", 6)])
    with (tmp_path / "list.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        HEAD,
        ["val", "person", "5", "7", reason],
        ["val", "person", "6", "7", "plain"],
    ]


def test_where_nothing_is_bad_the_list_is_its_head(tmp_path: Path) -> None:
    write_quarantine(tmp_path / "list.csv", [])
    assert (tmp_path / "list.csv").read_text() == f"{','.join(HEAD)}\n"
    refuse_bad_rows(tmp_path / "list.csv", tmp_path / "coco", [split_of()], 0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"], "and is not kept elsewhere"


def test_a_refusal_keeps_the_newest_list_where_nothing_was_prepared_before(tmp_path: Path) -> None:
    target, kept = tmp_path / "coco", tmp_path / "coco.quarantine.csv"
    for reason in ("first", "second"):
        splits = [split_of(reason)]
        write_quarantine(tmp_path / "list.csv", splits[0].rejected)
        with pytest.raises(ValueError, match=rf"50\.00% of the rows .*{kept}"):
            refuse_bad_rows(tmp_path / "list.csv", target, splits, 0.25)
        assert reason in kept.read_text()
    assert "first" not in kept.read_text() and not target.exists()


def test_the_four_most_common_reasons_of_all_splits_are_told(tmp_path: Path) -> None:
    (tmp_path / "list.csv").touch()
    splits = [split_of("a", "b", "b", "c", "c"), split_of("d", "d", "e", "e", "e")]
    with pytest.raises(
        ValueError,
        match=r"\(3 x e \(first: person 2, 7\), 2 x b .*, 2 x c .*, 2 x d [^x]*\), accepted",
    ):
        refuse_bad_rows(tmp_path / "list.csv", tmp_path / "coco", splits, 0.0)
