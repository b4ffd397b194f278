"""`training.compile`: torch.compile block by block, not of the network as one graph.

A pose network repeats few blocks many times. One graph of HRNet-W32 holds some 300 convolutions,
and compiling it takes minutes; its eight exchange modules are four blocks of code, each compiled
once for each shape. What is lost is fusing over the borders of blocks, where a convolution stands
anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import torch
from torch import nn

# Of one block's code: shapes of its branches, training and validation, last and whole batches
MOST_FORMS = 64


def compile_blocks(network: nn.Module, **options: object) -> int:
    """Compiles in place each block that `blocks` names; their number.

    options: of torch.compile. The names in a state_dict stay as they are.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_FORMS)
    found = list(blocks(network))
    for block in found:
        block.compile(dynamic=False, **options)  # type: ignore[no-untyped-call]
    return len(found)


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
