"""The one sentence of a refusal: where, what was given, what is accepted, what to do."""

from __future__ import annotations

import re
import reprlib

_NOTHING = object()
_LONGEST = 600  # characters of what was given that a sentence repeats
_MANY = 200  # values in a value that are shown as Python writes them
# scheme://user:password@host; a password may hold an @, a host none
_USERINFO = re.compile(r"://([^\s/:?#'\"]*)(:[^\s/'\"]*)?@")
_NO_PASSWORD = (None, ":", ":x-oauth-basic")  # beside a token that stands as the user's name
_LOGINS = ("ssh", "sftp")  # whose user alone is no secret
_NAMED = re.compile(  # behind any `?`, `&`, `;` or `#`
    r"([?&;#](?:[\w-]*(?:password|passwd|pwd|token|secret|signature|credential)|sig|sign|auth|key)"
    r"=)[^\s&'\"]+",
    re.IGNORECASE,
)
_TOLD = re.compile(  # wherever they stand
    r"(?<![\w-])((?:x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid"
    r"|googleaccessid|[\w-]*api[_-]?key|access_token|client_secret)=)[^\s&,;'\"]+",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"((?:authorization['\"]?\s*[:=]\s*b?['\"]?(?:bearer|basic|digest|token|aws[\w-]*)\s+)"
    r"|(?:(?<![\w-])x-[\w-]*(?:token|api-key|signature)['\"]?:\s*b?['\"]?))"
    r"[^\s'\",]+(?:,\s*\w+=[^\s'\",]+)*",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer\s+)(?=[^\s'\"]*\d)[\w.~+/=-]{16,}", re.IGNORECASE)


def refusal(
    where: object, *, given: object = _NOTHING, fault: str = "", accepted: str = "", do: str = ""
) -> ValueError:
    """`WHERE: given GIVEN, accepted: ACCEPTED; DO`, to be raised.

    where: file, key or option that a user can find; given: its value, shown as Python writes it, or
    `fault`: what is wrong in words, where no value is; accepted, do: left out where empty.
    What `masked` leaves out is left out wherever it stands.
    """
    said = [] if given is _NOTHING else [f"given {shown(given)}"]
    told = ", ".join([*([fault] if fault else []), *said])
    if accepted:
        told = f"{told}, accepted: {accepted}" if told else f"accepted: {accepted}"
    return ValueError(masked(f"{_short(str(where))}: {told}" + (f"; {do}" if do else "")))


def masked(text: str) -> str:
    """The text with `***` for what it holds of passwords, tokens, keys and signatures: in addresses
    (a user's name stays where a password is beside it) and in headers of requests."""
    text = _USERINFO.sub(_without_password, text)
    for secret in (_NAMED, _TOLD, _HEADER, _BEARER):
        text = secret.sub(r"\1***", text)
    return text


def _without_password(found: re.Match[str]) -> str:
    user, password = found.groups()
    if password is None and found.string.endswith(_LOGINS, 0, found.start()):
        return found[0]
    return "://***@" if password in _NO_PASSWORD else f"://{user}:***@"


def shown(given: object) -> str:
    """As Python writes it, within limits: what a file says may be without end, or lead back to
    itself, and yaml's aliases make a small file a large value."""
    try:
        text = repr(given) if _counted(given, _MANY) <= _MANY else reprlib.repr(given)
    except (ValueError, RecursionError):  # a whole number of thousands of digits
        return f"a value that cannot be shown ({type(given).__name__})"
    return _short(text)


def _short(text: str) -> str:
    text = masked(text)  # of a password that is cut nothing would tell
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
