"""Json as plain data, whoever wrote it, and its numbers as tables can hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data.ground.refusal import refusal

LARGEST = 3.0e38  # what a column of 32 bits holds; far beyond any image
LONGEST = 1e6  # pixels that a box may be long, or away
SUREST = 1e6  # what a score may be, or below 0: a share, percents, a logit, a sum over a person
A_SCORE = f"a number, up to {SUREST:,.0f}"


CUT = "was it copied whole? fetch it again"


def read_json(path: Path, missing: str = "", cut: str = CUT) -> Any:
    """What a json file holds, with or without a byte order mark.

    Raises ValueError that names a file that is missing, cut or none; `missing`, `cut`: what to do
    then.
    """
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise refusal(path, fault="no such file", do=missing) from error
    except (ValueError, RecursionError) as error:  # cut, other bytes, digits or depth without end
        fault = f"truncated or no json ({error})"
        raise refusal(path, fault=fault, do=cut) from error
    except OSError as error:
        raise refusal(path, fault=f"cannot be read ({error.strerror})", do="check it") from error


def read_object(path: Path, missing: str = "", cut: str = CUT) -> dict[str, Any]:
    """As `read_json`, of a file that holds an object: whatever else it holds is refused too."""
    content = read_json(path, missing, cut)
    if not isinstance(content, dict):
        fault = f"holds {type(content).__name__}"
        raise refusal(path, fault=fault, accepted="a json object", do=cut)
    return content


def whole(value: object) -> int | None:
    """A whole number of 64 bits, 785.0 too; None for text, 785.5, true and 2^63.

    Ids of images and people are such: what is none is read by nobody.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and (not value.is_integer() or abs(value) > 2**53):
        return None
    return int(value) if -(2**63) <= value < 2**63 else None


def finite(value: object) -> float | None:
    """A number that is finite in 32 bits too; None for text, true, NaN and 1e300."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= LARGEST else None


def score_of(value: object) -> float | None:
    """A number that somebody's score can be, up to `SUREST` either way; None for any other."""
    number = finite(value)
    return number if number is not None and abs(number) <= SUREST else None
