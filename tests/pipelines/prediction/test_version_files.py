"""The card of a registered version, which anyone may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.host import places
from pipelines.prediction.version_files import read_card

CARD = {
    "recipe": {}, "epoch": 1, "fingerprint": "f", "data_hash": "d", "skeleton": {"name": "coco"},
    "code": {"package": "limber"},
}  # fmt: skip


def test_a_whole_card_is_read(tmp_path: Path) -> None:
    (tmp_path / places.CARD).write_text(json.dumps(CARD))
    assert read_card(tmp_path) == CARD


@pytest.mark.parametrize(
    ("changed", "lacks"),
    [
        ({"skeleton": 5}, "skeleton.name"),
        ({"skeleton": {"name": [1]}}, "skeleton.name"),
        ({"code": None}, "code.package"),
        ([CARD], "recipe"),
    ],
)
def test_a_card_that_is_none_says_what_it_lacks(tmp_path: Path, changed: Any, lacks: str) -> None:
    card = CARD | changed if isinstance(changed, dict) else changed
    (tmp_path / places.CARD).write_text(json.dumps(card))
    with pytest.raises(ValueError, match=rf"no card of a registered pose: lacks \['{lacks}'"):
        read_card(tmp_path)
