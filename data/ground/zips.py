"""Zips that anyone may have packed: how much may be in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipInfo

from data.ground.refusal import refusal

TIGHTEST = 100  # of what is packed: its bytes to those of the zip
SPARE = 1 << 20  # bytes beside, of small ones


def check_whole(archive: Path, entries: Sequence[ZipInfo]) -> None:
    """ValueError where a zip's entries are larger than those of any zip of images and labels."""
    size, unpacked = archive.stat().st_size, sum(entry.file_size for entry in entries)
    if unpacked > TIGHTEST * size + SPARE:
        fault = f"{unpacked:,} bytes in a zip of {size:,}"
        accepted = f"at most {TIGHTEST} times as many, far more than images and labels come to"
        do = "nothing was unpacked: get the archive from a source that you trust"
        raise refusal(archive, fault=fault, accepted=accepted, do=do)
