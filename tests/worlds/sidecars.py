"""Sidecars of networks of others, as the page on them shows them."""

from __future__ import annotations

import textwrap

from pipelines.prediction import sidecar


def example(name: str) -> str:
    """The indented lines below the one that begins with the network's name."""
    _, _, below = str(sidecar.__doc__).partition(f"\n{name}")
    return textwrap.dedent(below.split("\n\n")[1]) + "\n"


RTMPOSE, HRNET, MOVENET_THUNDER = map(example, ("RTMPose", "HRNet", "MoveNet Thunder"))
