"""A training's name in the store: one for what is the same, another for what is not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from pipelines.depot.key import run_key, run_prefix
from pipelines.recipe.reader import load_recipe
from pipelines.training.job import Job

ELSEWHERE = Path("/elsewhere")
JOB = Job("demo_hrnet", load_recipe("demo_hrnet"), "f" * 64, "d" * 64, *[ELSEWHERE] * 3, code="c")


def test_a_trainings_key_is_of_recipe_data_weights_and_code() -> None:
    key = run_key(JOB)
    assert key == f"demo_hrnet-{hashlib.sha256(b'f' * 64 + b'c').hexdigest()[:12]}"
    assert run_key(replace(JOB, run_folder=Path("/other"), loader_workers=9)) == key
    others = {run_key(replace(JOB, fingerprint="e" * 64)), run_key(replace(JOB, code="d"))}
    assert len({key, *others}) == 3
    assert run_prefix(key) == f"runs/{key}/"
