"""The one sentence of a refusal: where, what was given, what is accepted, what to do."""

from __future__ import annotations

_NOTHING = object()


def refusal(
    where: object, *, given: object = _NOTHING, fault: str = "", accepted: str = "", do: str = ""
) -> ValueError:
    """`WHERE: given GIVEN, accepted: ACCEPTED; DO`, to be raised.

    where: file, key or option that a user can find; given: its value, shown as Python writes it, or
    `fault`: what is wrong in words, where no value is; accepted, do: left out where empty.
    """
    said = [] if given is _NOTHING else [f"given {given!r}"]
    told = ", ".join([*([fault] if fault else []), *said])
    if accepted:
        told = f"{told}, accepted: {accepted}" if told else f"accepted: {accepted}"
    return ValueError(f"{where}: {told}" + (f"; {do}" if do else ""))
