"""A prepared data set on disk (`prepare`'s folder)."""

from __future__ import annotations

import json

from pipelines import places


def data_hash(dataset: str, why: str = "") -> str:
    """What the tables hold, as a digest. Raises ValueError, with `why`, where there are none."""
    note = places.prepared(dataset) / "summary.json"
    if not note.is_file():
        raise ValueError(f"{note}: no such file; run `dvc repro prepare@{dataset}` first{why}")
    return str(json.loads(note.read_text())["data_hash"])
