"""The one sentence of a refusal: where, what was given, what is accepted, what to do."""

from __future__ import annotations

import re
import reprlib

_NOTHING = object()
_LONGEST = 600  # characters of what was given that a sentence repeats
_MANY = 200  # values in a value that are shown as Python writes them
_PASSWORD = re.compile(r"(://[^\s/:@'\"]*:)[^\s/'\"]*@")  # of user:password@host
_SIGNED = re.compile(
    r"([?&](?:[\w-]*(?:password|passwd|token|secret|signature|credential)|sig)=)[^\s&'\"]+",
    re.IGNORECASE,
)


def refusal(
    where: object, *, given: object = _NOTHING, fault: str = "", accepted: str = "", do: str = ""
) -> ValueError:
    """`WHERE: given GIVEN, accepted: ACCEPTED; DO`, to be raised.

    where: file, key or option that a user can find; given: its value, shown as Python writes it, or
    `fault`: what is wrong in words, where no value is; accepted, do: left out where empty.
    Passwords of addresses are left out wherever they stand.
    """
    said = [] if given is _NOTHING else [f"given {shown(given)}"]
    told = ", ".join([*([fault] if fault else []), *said])
    if accepted:
        told = f"{told}, accepted: {accepted}" if told else f"accepted: {accepted}"
    return ValueError(masked(f"{_short(str(where))}: {told}" + (f"; {do}" if do else "")))


def masked(text: str) -> str:
    """The text with `***` for what addresses in it hold of passwords, tokens and signatures."""
    return _SIGNED.sub(r"\1***", _PASSWORD.sub(r"\1***@", text))


def shown(given: object) -> str:
    """As Python writes it, within limits: what a file says may be without end, or lead back to
    itself, and yaml's aliases make a small file a large value."""
    try:
        text = repr(given) if _counted(given, _MANY) <= _MANY else reprlib.repr(given)
    except (ValueError, RecursionError):  # a whole number of thousands of digits
        return f"a value that cannot be shown ({type(given).__name__})"
    return _short(text)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _counted(given: object, most: int) -> int:
    """How many values are in it, counted up to one more than `most`."""
    count, rest = 0, [given]
    while rest and count <= most:
        each = rest.pop()
        count += 1
        if isinstance(each, dict):
            rest.extend([*each.keys(), *each.values()][: most + 1])
        elif isinstance(each, list | tuple | set):
            rest.extend(list(each)[: most + 1])
    return count
