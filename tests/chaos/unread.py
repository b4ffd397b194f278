"""Images that cannot be read any more in the middle of a training, on two ranks."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.chaos.fault import Fault, Outcome, shared_folder
from tests.worlds import drawn, two_ranks


def fill(folder: Path) -> None:
    drawn.draw(folder)


def unread(draw: random.Random, folder: Path) -> Outcome:
    home = shared_folder("drawn-home", fill)
    store = home / "data" / "store"
    raw = Path(shutil.copytree(store / "raw" / drawn.NAME, folder / "raw"))
    for path in draw.sample(sorted(raw.rglob("*train*/*.jpg")), draw.choice((1, 3))):
        content = draw.choice((b"", b"no image", path.read_bytes()[:50], None))
        path.unlink() if content is None else path.write_bytes(content)
    allowed, workers = draw.choice((0, 99)), draw.choice((0, 0, 1))
    recipe = drawn.small_recipe(skip_non_finite=allowed)
    data = store / "prepared" / drawn.NAME, raw
    job = drawn.small_job(folder / "run", data, recipe, loader_workers=workers)
    said = two_ranks.finish(two_ranks.start(job, "unread", folder / "meeting"))
    last = [each.strip().splitlines()[-1] for each in said]
    assert last[0] == last[1], f"the ranks do not agree: {last}"
    if allowed:
        assert last[0].startswith("left out ") and last[0] != "left out 0", last
    else:
        assert last[0].startswith("stopped: ") and "could not be read, sample " in last[0], last
    assert (folder / "run" / "non_finite.jsonl").read_text().count("no readable image"), "no reason"
    return "recovered" if allowed else "refused"


FAULTS = [
    Fault("unread-image", "images that cannot be read any more in the middle of a training",
          "written down, left out up to the recipe's limit, agreed by all ranks, then a clear stop",
          unread, 12),
]  # fmt: skip
