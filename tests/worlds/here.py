"""Where the checkout and the tests' own files lie."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "tests" / "manifests"
# small real data sets, where a person has some: coco_mini, mpii_mini
REAL_DATA = Path(name) if (name := os.environ.get("LIMBER_REAL_DATA")) else None
