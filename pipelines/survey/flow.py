"""Plain data as one line of yaml, for files that are written with comments beside them."""

from __future__ import annotations

import json
import re

WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")  # that yaml reads otherwise


def flow(value: object) -> str:
    """Plain data as yaml in one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{flow(key)}: {flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", value):
        return value if value.casefold() not in WORDS else json.dumps(value)
    if isinstance(value, float) and "." not in repr(value):
        return repr(value).replace("e", ".0e")  # yaml takes 1e-05 for text
    return json.dumps(value, ensure_ascii=False)
