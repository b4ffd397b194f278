"""Options of plugs, held against their signature: names, types, and what numbers may be.

A plug refuses itself what its options cannot be together; here is what no plug of ours has use for,
by which a slip of the pen would take the memory, or hours until it is found.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data.ground.refusal import refusal
from data.ground.spans import Span
from pipelines.recipe.strict import hint, read

NOT_OPTIONS = ("self", "channels", "base", "aligned")  # parameters of a plug that no recipe gives
REPEATED = Span(1, 32)  # parts of a network one after another
WIDTH = Span(1, 4096)  # channels, and what divides them
SPANS = {  # by an option's name
    **dict.fromkeys(
        ("blocks", "bottlenecks", "deconv_blocks", "dilated_blocks", "layer1_blocks"), REPEATED
    ),
    **dict.fromkeys(("stacks", "stages"), REPEATED),
    **dict.fromkeys(("width", "stem", "stem_width", "stem_mid", "layer1_mid"), WIDTH),
    **dict.fromkeys(("pyramid_width", "deconv_width", "group_width", "groups"), WIDTH),
    **dict.fromkeys(("mobilenet", "trunk", "hidden", "growth", "dilated_planes"), WIDTH),
    **dict.fromkeys(("reduction", "divisor"), WIDTH),
    **dict.fromkeys(("detection_threshold", "peak_threshold", "min_share"), Span(0, 1)),
    **dict.fromkeys(("sigma", "thickness"), Span(0, 64, open=True)),
    **dict.fromkeys(("pull_weight", "push_weight"), Span(0, 1_000_000)),
    "attentions": Span(1, 8),
    "blur_kernel": Span(3, 255),
    "depth": Span(1, 8),
    "layers": Span(1, 128),
    "limb_samples": Span(2, 1000),
    "limb_threshold": Span(-1, 1),
    "max_people": Span(1, 1000),
    "modules": Span(1, 16),
    "nms_kernel": Span(1, 63),
    "max_peaks": Span(1, 4096),
    "min_parts": Span(0, 1000),
    "peak_distance": Span(0, 1000, open=True),
    "refinements": Span(0, 32),
    "se_reduction": Span(0, 1024),
    "sizes": Span(1, 8),
    "tag_threshold": Span(0, 100, open=True),
    "top_k": Span(1, 4096),
}
ANY_NUMBER = Span(-4096, 4096)  # of an option that has none above
MOST_VALUES, DEEPEST = 1000, 8  # of options that are not ours (albumentations')


def check_options(where: str, path: str, kind: Any, options: Mapping[str, object]) -> None:
    """ValueError that names the option of `kind` (a class of a menu), what was given, accepted."""
    hints = typing.get_type_hints(kind.__init__)
    names = [p for p in inspect.signature(kind).parameters if p not in NOT_OPTIONS]
    for key, value in options.items():
        if key not in names:
            accepted = f"{', '.join(names) or 'none'}{hint(key, names)}"
            raise refusal(f"{where}: {path}.{key}", fault="unknown key", accepted=accepted)
        read(_readable(hints[key]), value, where, f"{path}.{key}")
        _check_numbers(f"{where}: {path}.{key}", value, SPANS.get(key, ANY_NUMBER))


def check_foreign_options(where: str, options: Mapping[str, object]) -> None:
    """Of options whose signature another library has: their numbers, how many, how deep."""
    _check_numbers(where, options, ANY_NUMBER)


def _readable(kind: Any) -> Any:
    """Yaml knows lists, which serve for any sequence."""
    if typing.get_origin(kind) in (Sequence, tuple):
        return list[typing.get_args(kind)[0]]  # type: ignore[misc]
    return kind


def _check_numbers(where: str, value: object, span: Span) -> None:
    for count, number in enumerate(_numbers(value, where)):
        if count == MOST_VALUES:
            raise refusal(where, fault="too many values", accepted=f"at most {MOST_VALUES:,}")
        if number not in span:
            raise refusal(where, given=number, accepted=str(span))


def _numbers(value: object, where: str, depth: int = 0) -> Iterator[float]:
    if depth > DEEPEST:
        raise refusal(where, fault="too deep", accepted=f"lists in lists {DEEPEST} deep at most")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _numbers(each, where, depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value
