"""Rows of a data set that cannot be used: listed, counted, refused where there are too many."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from data.ground.reasons import kinds, row_told
from data.ground.refusal import refusal
from data.ground.sample import Rejected
from pipelines.intake.splits import Split, bad_row_share


def write_quarantine(path: Path, rejected: Sequence[Rejected]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in dataclasses.fields(Rejected)])
        writer.writerows(dataclasses.astuple(row) for row in rejected)


def refuse_bad_rows(listed: Path, target: Path, splits: Sequence[Split], limit: float) -> None:
    share = bad_row_share(splits)
    if share <= limit:
        return
    kept = target.with_name(f"{target.name}.quarantine.csv")
    shutil.copyfile(listed, kept)
    shutil.rmtree(target, ignore_errors=True)
    unusable = [row for split in splits for row in split.unusable]
    told = kinds((row.reason, row_told(row.kind, row.id, row.image_id)) for row in unusable)
    raise refusal(
        target.name,
        fault=f"{share:.2%} of the rows cannot be used ({', '.join(told[:4])})",
        accepted=f"{limit:.2%} (datasets.{target.name}.bad_row_limit in params.yaml)",
        do=f"each row with its reason: {kept}; mend the source or raise the limit",
    )
