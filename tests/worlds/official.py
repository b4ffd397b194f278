"""COCO's numbers by a plain run of pycocotools on files."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pycocotools.coco
from pycocotools.cocoeval import COCOeval

from data.evaluators.oks import NAMES


def reference(
    truth: dict[str, Any], results: list[dict[str, Any]], folder: Path
) -> dict[str, float]:
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        files = pycocotools.coco.COCO(str(folder / "truth.json"))
        run = COCOeval(files, files.loadRes(str(folder / "results.json")), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return dict(zip(NAMES, run.stats.tolist(), strict=True))
