"""Filling a network with weights, whole or its trunk alone, and saying what came.

Names are the network's own (those of its authors' code) or of a layout of `weight_layouts.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.contracts import Network
from models.refusal import refusal
from models.weight_layouts import LAYOUTS, OWN, State, relaid

COUNTER = "num_batches_tracked"  # old files lack it; nothing we compute reads it
UNKNOWN = "not in the network"
LEAST_SHARE = 0.9  # of the trunk's weights, below which a file is of another network
TRIED = f"names tried: {'; '.join(LAYOUTS)}"


@dataclass(frozen=True)
class LoadReport:
    """What a file gave a network: keys loaded, keys left out with the reason, keys not filled.

    `share`: of the trunk's weights that were loaded; `due`: the same without the parts that the
    architecture lets a file lack (`FRESH`); `fresh`: those of the missing keys that are of the
    trunk, under the name of the part; `layout`: whose names the file has. `str` tells it in three
    to five lines.
    """

    loaded: tuple[str, ...]
    left_out: dict[str, str]
    missing: tuple[str, ...]
    share: float
    due: float
    fresh: dict[str, str]
    layout: str = OWN

    @property
    def whole(self) -> bool:
        """Whether the file and the network have the same tensors; counters may be of one alone."""
        left_out = (key for key in self.left_out if not key.endswith(COUNTER))
        return not self.missing and not any(left_out)

    @property
    def match(self) -> tuple[int, int]:
        """How well the names fit: more tensors loaded, then fewer that the network lacks."""
        return len(self.loaded), -sum(why == UNKNOWN for why in self.left_out.values())

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.missing)
        due = f" ({self.due:.1%} of what a file must fill)" if self.due != self.share else ""
        missing = [self.fresh.get(key, _part(key)) for key in self.missing]
        left_out = _reasons(self.left_out, _prefixes((*self.loaded, *self.missing)))
        told = (
            f"loaded {len(self.loaded)} of {total} tensors, {self.share:.1%} of the trunk{due}\n"
            f"left out {len(self.left_out)}: {_tally(left_out)}\n"
            f"keep their initial values {len(self.missing)}: {_tally(missing)}"
        )
        if self.fresh:
            told += f"\nof the trunk start fresh {len(self.fresh)}: {_tally(self.fresh.values())}"
        return told if self.layout == OWN else f"names as of {self.layout}\n{told}"


def load_trunk(
    network: Network,
    state: State,
    where: str = "the pretrained file",
    least: float = LEAST_SHARE,
) -> LoadReport:
    """Copy what `state` shares with the network in name and shape; the rest is reported.

    The trunk is the network without its `HEADS`; what matches its `FRESH` (patterns of keys, the
    parts that no published file or only some of them fill) need not be in the file. Raises
    ValueError, with the network untouched, where less than the share `least` of the other weights
    of the trunk would be loaded. Print the report.
    """
    state, report = fit(network, state)
    if not report.loaded or report.due < least:
        fresh = ", ".join(network.FRESH)
        without = f" (without {fresh}, which it may lack)" if fresh else ""
        other = f"not a {type(network).__name__} of this variant"
        remedy = "give the file of this architecture and variant, or leave `pretrained` out"
        raise refusal(
            where,
            fault=f"{other}: fills {report.due:.1%} of its trunk",
            accepted=f"at least {least:.0%}{without}",
            do=f"{remedy} to start without\n{report}\n{TRIED}",
        )
    _copy(network, state, report.loaded)
    return report


def load_whole(network: Network, state: State, where: str = "the checkpoint") -> LoadReport:
    """Copy `state` into the network, which it must fit in every name and shape of some layout.

    Raises ValueError, with the network untouched, for a checkpoint of another architecture,
    variant or skeleton.
    """
    state, report = fit(network, state)
    if not report.whole:
        other = "saved by another architecture, variant or skeleton"
        raise refusal(
            where,
            fault=f"does not fit {type(network).__name__}: {other}",
            do=f"build the network from the recipe it was trained with\n{report}\n{TRIED}",
        )
    _copy(network, state, report.loaded)
    return report


def fit(network: Network, state: State) -> tuple[State, LoadReport]:
    """The state under the network's names, by the layout that fills most of it, and what it fills.

    Layouts are tried in the order of the table; the authors' own names come first.
    """
    best, found = state, compare(network, state)
    for layout in LAYOUTS:
        if found.whole:
            break
        other = relaid(state, layout)
        report = replace(compare(network, other), layout=layout)
        if report.match > found.match:
            best, found = other, report
    return best, found


def compare(network: Network, state: State) -> LoadReport:
    """What loading would do, without doing it."""
    own = network.state_dict()
    left_out = {}
    for key, value in state.items():
        if key not in own:
            left_out[key] = UNKNOWN
        elif value.shape != own[key].shape:
            left_out[key] = f"{_shape(value)} in the file, {_shape(own[key])} in the network"
    for key in _orphans(network, state.keys() - left_out.keys()):
        left_out[key] = "its convolution is not loaded"
    filled = {key: None for key in state if key not in left_out}
    missing = tuple(key for key in own if key not in filled and not key.endswith(COUNTER))
    whole, due = _shares(network, filled.keys())
    fresh = _fresh(network, missing)
    return LoadReport(tuple(filled), left_out, missing, whole, due, fresh)


def _orphans(network: Network, filled: Collection[str]) -> list[str]:
    """Keys of every BatchNorm whose convolution, right before it, would not be filled.

    Its statistics are of that convolution: where shapes happen to fit, they are of another one.
    """
    orphans = []
    for path, module in network.named_modules():
        prefix = f"{path}." if path else ""
        for (conv, before), (norm, after) in pairwise(module.named_children()):
            pair = isinstance(before, nn.modules.conv._ConvNd)
            pair = pair and isinstance(after, nn.modules.batchnorm._BatchNorm)
            if pair and f"{prefix}{conv}.weight" not in filled:
                orphans += [key for key in filled if key.startswith(f"{prefix}{norm}.")]
    return orphans


def _is_of(key: str, heads: Iterable[str]) -> bool:
    return key.startswith(tuple(f"{head}." for head in heads))


def _pattern(network: Network, key: str) -> str | None:
    """The pattern of `FRESH` that the key matches."""
    return next((pattern for pattern in network.FRESH if fnmatchcase(key, pattern)), None)


def _fresh(network: Network, missing: Iterable[str]) -> dict[str, str]:
    """Missing keys of the trunk -> the name of their part."""
    trunk = [key for key in missing if not _is_of(key, network.HEADS)]
    return {key: _pattern(network, key) or _part(key) for key in trunk}


def _shares(network: Network, filled: Collection[str]) -> tuple[float, float]:
    """Shares of weights that are filled: of the trunk, of what of it a file must fill."""
    weights = network.named_parameters()
    trunk = {key: value.numel() for key, value in weights if not _is_of(key, network.HEADS)}
    must = {key: size for key, size in trunk.items() if _pattern(network, key) is None}

    def share(sizes: dict[str, int]) -> float:
        return sum(n for key, n in sizes.items() if key in filled) / max(sum(sizes.values()), 1)

    return share(trunk), share(must)


def _copy(network: Network, state: State, keys: Iterable[str]) -> None:
    own = network.state_dict()
    with torch.no_grad():
        for key in keys:
            own[key].copy_(state[key])


def _shape(tensor: Tensor) -> str:
    return f"[{', '.join(map(str, tensor.shape))}]"


def _part(key: str) -> str:
    """`stage4.2.fuse_layers.1.0.weight` -> `stage4`: what a reader wants to hear of."""
    return key.split(".")[0]


def _prefixes(keys: Iterable[str]) -> set[str]:
    """`a.0.weight` -> `a`, `a.0`, `a.0.weight`: the modules and tensors of these names."""
    pieces = [key.split(".") for key in keys]
    return {".".join(names[:n]) for names in pieces for n in range(1, len(names) + 1)}


def _lacking(key: str, own: set[str]) -> str:
    """`blocks.7.0.conv_dw.weight` -> `blocks.7`: the largest part of the key that is not `own`."""
    pieces = key.split(".")
    beginnings = (".".join(pieces[:n]) for n in range(1, len(pieces) + 1))
    return next((part for part in beginnings if part not in own), key)


def _reasons(left_out: dict[str, str], own: set[str]) -> list[str]:
    """Part and reason of each key; of a part whose shapes differ, the first one's."""
    first: dict[tuple[str, str], str] = {}
    told = []
    for key, reason in left_out.items():
        part = _lacking(key, own) if reason == UNKNOWN else _part(key)
        kind = (part, "shapes" if reason.startswith("[") else reason)
        told.append(f"{kind[0]} ({first.setdefault(kind, reason)})")
    return told


def _tally(names: Iterable[str], most: int = 8) -> str:
    """`a x3, b`: how often each name occurs, in order, the first `most` of them."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    told = [f"{name} x{n}" if n > 1 else name for name, n in counts.items()]
    return ", ".join(told[:most]) + (" ..." if len(told) > most else "") if told else "none"
