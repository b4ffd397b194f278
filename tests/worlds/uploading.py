"""A process that mirrors a run folder to a shared folder and is never done with its second file."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import torch

from pipelines.depot.mirror import Mirror, Pace
from pipelines.store.folder_store import FolderStore
from pipelines.training.checkpoint import write_checkpoint

PACE = Pace(look_s=0.02, quiet_s=0.0)


class HalfStore(FolderStore):
    """Of a checkpoint's second step only the first half arrives."""

    def put(self, path: Path, name: str) -> None:
        if "step_00000002" not in name:
            super().put(path, name)
            return
        content = path.read_bytes()
        target = Path(self.address) / name
        target.write_bytes(content[: len(content) // 2])
        print("half", flush=True)
        threading.Event().wait()


def save(folder: Path, step: int) -> None:
    told = {"fingerprint": "f", "epoch": step, "step": step, "metric": None, "code": "c"}
    write_checkpoint(folder, {"weights": torch.full((999,), step)}, keep_best=1, **told)  # type: ignore[arg-type]


def main(store: str, run: str, key: str) -> None:
    folder = Path(run)
    folder.mkdir()
    mirror = Mirror(HalfStore(Path(store)), key, folder, PACE)
    mirror.begin()
    mirror.start()
    save(folder, 1)
    mirror.flush(100.0)
    save(folder, 2)
    mirror.flush(1000.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
