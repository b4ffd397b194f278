"""Whether a cluster has room for a training now, told where it must wait for it."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.recipe.profile import Cluster


def why_waiting(cluster: Cluster, free: Mapping[str, float]) -> str:
    """`waits for room: asks for 2 CPUs, 1 is free`; "" where all that it asks for is free.

    free: as `ray.available_resources` tells it. A training that may begin with fewer workers asks
    for those.
    """
    machine = cluster.machine
    asked = {kind: machine.fewest_workers * n for kind, n in machine.each_worker.items()}
    short = [
        f"asks for {wanted:g} {kind}s, {free.get(kind, 0):g} free"
        for kind, wanted in asked.items()
        if wanted > free.get(kind, 0)
    ]
    return f"waits for room: {', '.join(short)}" if short else ""
