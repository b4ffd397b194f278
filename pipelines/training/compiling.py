"""`training.compile`: torch.compile block by block, not of the network as one graph.

A pose network repeats few blocks many times. One graph of HRNet-W32 holds some 300 convolutions,
and compiling it takes minutes; its eight exchange modules are one piece of code, compiled once for
each shape of their branches. What is lost is fusing over the borders of blocks, where a
convolution stands anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

MOST_FORMS = 64  # of one block's code: one for each shape of its branches


def compile_blocks(network: nn.Module, **options: object) -> int:
    """Compiles in place each block that `blocks` names; their number.

    options: of torch.compile. The names in a state_dict stay as they are.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_FORMS)
    found = list(blocks(network))
    for block in found:
        block.compile(dynamic=False, **options)  # type: ignore[no-untyped-call]
    return len(found)


@contextmanager
def as_written(network: nn.Module) -> Iterator[None]:
    """Nothing of it compiled meanwhile: a validation has other shapes, and whole images many."""
    calls = {each: call for each in network.modules() if (call := each._compiled_call_impl)}
    for each in calls:
        each._compiled_call_impl = None
    try:
        yield
    finally:
        for each, call in calls.items():
            each._compiled_call_impl = call


def blocks(network: nn.Module) -> Iterator[nn.Module]:
    """The outermost modules whose class, none of torch's own, is there more than once; the whole
    network where no class is."""
    times = Counter(type(module) for module in network.modules() if _is_ours(module))
    if max(times.values(), default=0) < 2:
        yield network
    else:
        yield from _outermost(network, times)


def _outermost(module: nn.Module, times: Counter[type[nn.Module]]) -> Iterator[nn.Module]:
    if times[type(module)] > 1:
        yield module
        return
    for child in module.children():
        yield from _outermost(child, times)


def _is_ours(module: nn.Module) -> bool:
    return not type(module).__module__.startswith("torch.")
