"""Parts of `full_coco` that are no command of ours: each is called in a process of its own.

All read the fetched and prepared COCO of $LIMBER_HOME and print what they found as json.
"""

from __future__ import annotations

import gc
import json
import time
from typing import Any

import numpy as np
import psutil

from benchmarks.process_tree import MIB, family, proportional_set

BATCH, BATCHES, PREDICTIONS = 32, 60, 20


def loader(workers: int) -> None:
    """Seconds until the first batch, imports apart, and memory of each worker, soon and later."""
    began = time.perf_counter()
    from data.feeds.loader import EpochSampler, build_loader
    from data.feeds.person_crops import TopDownDataset
    from data.ground.skeleton import load_skeleton
    from data.views.settings import Augmentation
    from pipelines.host import places

    imported = time.perf_counter()
    changes = Augmentation(scale=0.35, rotation=45.0, half_body_probability=0.3)
    skeleton = load_skeleton("coco")
    dataset = TopDownDataset(
        places.prepared("coco"), places.raw("coco"), "train", (192, 256), skeleton,
        aligned=False, augmentation=changes, seed=1,
    )  # fmt: skip
    sampler = EpochSampler(len(dataset), seed=1, global_batch=BATCH)
    batches = iter(build_loader(dataset, sampler, BATCH, workers))
    next(batches)
    first = time.perf_counter()
    sizes = []
    for _ in range(3):
        for _ in range(min(BATCHES, sampler.steps_per_epoch // 4)):
            next(batches)
        sizes.append(_workers_memory())
    _tell(
        persons=len(dataset), imports_s=imported - began, first_batch_s=first - imported,
        worker_mib=[[round(size / MIB, 1) for size in each] for each in sizes],
    )  # fmt: skip


def _workers_memory() -> list[int]:
    """Of processes that this one started to load: the fork server's children."""
    mine = [p for p in family(psutil.Process())[1:] if p.parent() and not p.children()]
    return sorted(proportional_set(p.pid) for p in mine if "resource_tracker" not in _command(p))


def _command(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def evaluation(resamples: int) -> None:
    """The ten numbers of val with 20 predictions an image, then intervals by a bootstrap."""
    from benchmarks.oks_evaluation import guess
    from data.evaluators.oks import OksEvaluator
    from pipelines.evaluation.bootstrap import CONFIDENCE, SEED, intervals
    from pipelines.host import places
    from pipelines.recipe.datasets import data_set

    kind = data_set("coco")
    clock = _Clock()
    truth = kind.truth(places.raw("coco"), "val")
    truth_s = clock.since()
    rng = np.random.default_rng(1)
    predicted = {i: [guess(rng, people, n) for n in range(PREDICTIONS)]
                 for i, people in truth.items()}  # fmt: skip
    gc.collect()
    clock.since()
    evaluator = OksEvaluator(kind.SKELETON)
    for image_id, people in truth.items():
        evaluator.add(image_id, predicted[image_id], people)
    numbers = evaluator.result()
    scored_s = clock.since()
    matches = evaluator.matches()
    intervals(matches, resamples=resamples, confidence=CONFIDENCE, seed=SEED)
    _tell(images=len(truth), AP=numbers["AP"], truth_cpu_s=truth_s, evaluation_cpu_s=scored_s,
          bootstrap_cpu_s=clock.since())  # fmt: skip


class _Clock:
    """CPU seconds of this process since it was last asked."""

    def __init__(self) -> None:
        self._at = time.process_time()

    def since(self) -> float:
        before, self._at = self._at, time.process_time()
        return self._at - before


def _tell(**found: Any) -> None:
    print(json.dumps(found))
