"""A process that others work for over a fork server: `-m tests.worlds.served FOLDER HOW`.

HOW: `loads` samples, `checks` images; either goes on for ever, and so do those who work for it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from torch.utils.data import Dataset

from data.feeds.loader import build_loader
from pipelines.intake.image_check import Told, check_images

WORKERS = 2


class Asleep(Dataset[int]):
    """Of which each sample says that it is being loaded, and never comes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __len__(self) -> int:
        return WORKERS

    def __getitem__(self, row: int) -> int:
        (self._folder / f"at_work_{row}").touch()
        time.sleep(1e6)
        return row


def main(folder: str, how: str) -> None:
    here = Path(folder)
    if how == "loads":
        next(iter(build_loader(Asleep(here), range(WORKERS), workers=WORKERS)))
        return
    pipe = here / "pipe"  # nobody writes into it
    os.mkfifo(pipe)
    told = [Told(str(pipe), 0, 0)] * 64 * WORKERS
    list(check_images(told, "check", workers=WORKERS))


if __name__ == "__main__":
    main(*sys.argv[1:])
