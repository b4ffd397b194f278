"""A trained network read by other options of its codec than its recipe's: what decoding alone does.

The weights stay, and so must the fields that they paint: options that would have been learnt
otherwise (sigma, thickness, unbiased) are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import torch

from data.ground.codec import Codec
from data.ground.refusal import refusal
from data.ground.sample import Targets
from pipelines.evaluation.ceiling import truth_feed
from pipelines.prediction.split import split_place
from pipelines.prediction.trained import Trained
from pipelines.recipe.reader import read_as
from pipelines.recipe.strict import nearest

WHERE = "--decode"


def read_options(given: Sequence[str], codec: Codec) -> dict[str, Any]:
    """`KEY=VALUE` each -> options of the codec by name, in their order, each other than it has it.

    Values are read as JSON (0.5, true, null), else as text. Raises ValueError.
    """
    kinds = {field.name: field.type for field in fields(codec)}
    options: dict[str, Any] = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not sign:
            raise refusal(WHERE, given=text, accepted="KEY=VALUE, a codec's option and its value")
        if key not in kinds:
            raise ValueError(f"{WHERE}: {key}: unknown option{nearest(key, list(kinds))}")
        options[key] = _value(value)
    other = read_as(type(codec), _all_options(codec) | options, WHERE)
    same = [key for key in options if getattr(other, key) == getattr(codec, key)]
    if same or not options:
        fault = f"{', '.join(same) or 'nothing'} differs not from what the recipe decodes by"
        raise refusal(WHERE, fault=fault, accepted="other values")
    return {key: getattr(other, key) for key in kinds if key in options}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def spelled(options: Mapping[str, Any]) -> str:
    """`refine=false,scale=fine`: as `read_options` takes them, by name."""
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in options.items()}
    return ",".join(f"{key}={texts[key]}" for key in sorted(texts))


def _all_options(codec: Codec) -> dict[str, Any]:
    return {field.name: getattr(codec, field.name) for field in fields(codec)}


def read_otherwise(trained: Trained, options: Mapping[str, Any]) -> Trained:
    """The same network with a codec of these options; ValueError where that paints otherwise."""
    codec: Codec = replace(trained.codec, **options)
    if not paints_alike(trained, codec):
        fault = f"{spelled(options)}: other fields would be written, which it has not learnt"
        do = "set it in the recipe's codec.options and train again"
        raise refusal(WHERE, fault=fault, accepted="what only reads fields", do=do)
    return replace(trained, codec=codec)


def paints_alike(trained: Trained, codec: Codec) -> bool:
    """Whether `codec` cuts crops and writes fields as the one that the network was trained with.

    Seen on the first people of the split that it is evaluated on.
    """
    own, skeleton, outputs = trained.codec, trained.skeleton, trained.network.outputs
    if codec.aligned != own.aligned or codec.channels(skeleton) != own.channels(skeleton):
        return False
    for batch in truth_feed(trained.recipe, own).labelled(split_place(trained.recipe)):
        if (batch.visibility > 0).any():
            size = batch.images.shape[2], batch.images.shape[1]
            both = (each.encode(batch, outputs, size) for each in (own, codec))
            return all(_same(*pair) for pair in zip(*both, strict=True))
    return True  # nobody to be found: nothing is scored


def _same(one: Targets, other: Targets) -> bool:
    parts = ((one[name], other[name]) for name in one)
    return all(
        torch.equal(mine, theirs) for pair in parts for mine, theirs in zip(*pair, strict=True)
    )
