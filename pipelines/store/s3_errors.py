"""What S3 answers when it does not do as asked, in words: what, where, and the mend."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from data.ground.refusal import refusal
from pipelines.store.settings import endpoint_told

SKEW_S = 900  # S3 takes no request that is signed this much earlier or later
CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile (AWS_PROFILE)"
KEPT = "then the same command again: what came so far is kept"


class Said(NamedTuple):
    """fault: in words, `{does}` read or written, `{bucket}`; do: the mend; whole: it is true of all
    in the bucket, not of one object."""

    fault: str
    do: str
    whole: bool = False


EXPIRED = Said(
    "the credentials have expired",
    f"renew them (`aws sso login`, or a new AWS_SESSION_TOKEN), {KEPT}",
    whole=True,
)
SILENT = Said(  # an answer to HEAD has no words
    "the server refuses without a word, as it does where the credentials have expired", EXPIRED.do
)
WRONG_KEY = Said("the credentials are refused", f"correct {CREDENTIALS}", whole=True)
NO_BUCKET = Said(
    "there is no bucket {bucket!r}",
    "correct the address, or make the bucket there first",
    whole=True,
)
GONE = Said("no such object", "check bucket and key")
FORBIDDEN = Said(
    "may not be {does} with these credentials",
    f"check bucket and key, {CREDENTIALS}, and what they are allowed there ({{rights}})",
)
SLOWER = Said(
    "the server asks to slow down, also after several attempts",
    f"try again later or with fewer at once, {KEPT}",
)
BROKEN = Said(
    "the server fails, also after several attempts", f"look at its log{{read_only}}, {KEPT}"
)
FULL = Said("the server has no room left", f"make room there, {KEPT}")
ELSEWHERE = Said("the bucket is in another region", "set s3.region in params.yaml", whole=True)
UNREACHED = Said(
    "nothing answers there",
    "check s3.endpoint in params.yaml (AWS_ENDPOINT_URL wins over it), the server and the network",
    whole=True,
)
CUT = Said("the connection broke, also after several attempts", f"check the network, {KEPT}")
NO_CREDENTIALS = Said("no credentials are there", f"set {CREDENTIALS}", whole=True)
UNKNOWN = Said("cannot be {does}", f"check bucket and key, {CREDENTIALS}, AWS_ENDPOINT_URL")

CODES = {
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), EXPIRED),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"), WRONG_KEY),
    "400": SILENT,
    "NoSuchBucket": NO_BUCKET,
    **dict.fromkeys(("NoSuchKey", "404", "NotFound"), GONE),
    **dict.fromkeys(("AccessDenied", "403", "AllAccessDisabled", "AccountProblem"), FORBIDDEN),
    **dict.fromkeys(("MethodNotAllowed", "405"), FORBIDDEN),
    **dict.fromkeys(("SlowDown", "503", "429", "TooManyRequests", "Throttling"), SLOWER),
    **dict.fromkeys(("RequestLimitExceeded", "ThrottlingException"), SLOWER),
    **dict.fromkeys(("ServiceUnavailable", "InternalError", "500", "502", "504"), BROKEN),
    **dict.fromkeys(("QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"), FULL),
    **dict.fromkeys(("PermanentRedirect", "301", "AuthorizationHeaderMalformed"), ELSEWHERE),
    "IllegalLocationConstraintException": ELSEWHERE,
}
KINDS = {  # names of botocore's exceptions
    **dict.fromkeys(("EndpointConnectionError", "ConnectTimeoutError", "SSLError"), UNREACHED),
    **dict.fromkeys(("ProxyConnectionError", "InvalidProxiesConfigError"), UNREACHED),
    **dict.fromkeys(("ReadTimeoutError", "ConnectionClosedError", "HTTPClientError"), CUT),
    **dict.fromkeys(("IncompleteReadError", "ResponseStreamingError", "ConnectionError"), CUT),
    **dict.fromkeys(("NoCredentialsError", "PartialCredentialsError"), NO_CREDENTIALS),
    **dict.fromkeys(("ProfileNotFound", "CredentialRetrievalError"), NO_CREDENTIALS),
    **dict.fromkeys(("SSOTokenLoadError", "UnauthorizedSSOTokenError"), EXPIRED),
    "TokenRetrievalError": EXPIRED,
}


@contextmanager
def s3_errors(source: str, *, writing: bool = False) -> Iterator[None]:
    """Turns what boto3 raises into a ValueError in words. source: `s3://bucket/key`."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise in_words(error, source, writing=writing) from error


def in_words(error: Exception, source: str, *, writing: bool = False) -> ValueError:
    answer = _answer(error) or _answer(error.__context__)  # boto3's transfers raise their own
    said = _clock(answer) or _known(error, answer)
    rights = "s3:PutObject, s3:AbortMultipartUpload" if writing else "s3:GetObject, s3:ListBucket"
    bucket = source.removeprefix("s3://").partition("/")[0]
    words = {"does": "written" if writing else "read", "bucket": bucket, "rights": rights}
    words["read_only"] = " (one that is read-only may say so)" if writing else ""
    heard = " ".join(str(error).split())[:300]
    fault = f"{said.fault.format(**words)} at {endpoint_told()} ({heard})"
    where = f"s3://{bucket}" if said.whole and bucket != source else source
    return refusal(where, fault=fault, do=said.do.format(**words))


def error_code(error: BaseException | None) -> str:
    """What the server called it: `NoSuchKey`; "" where it was not the server."""
    return _code(_answer(error))


def has_expired(error: BaseException | None) -> bool:
    return CODES.get(error_code(error)) in (EXPIRED, SILENT)


def _answer(error: BaseException | None) -> Mapping[str, Any]:
    """What the server said; {} where it said nothing."""
    from botocore.exceptions import ClientError

    return error.response if isinstance(error, ClientError) else {}


def _code(answer: Mapping[str, Any]) -> str:
    return str(answer.get("Error", {}).get("Code", ""))


def _known(error: Exception, answer: Mapping[str, Any]) -> Said:
    if answer:
        status = str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        said = CODES.get(_code(answer)) or CODES.get(status) or UNKNOWN
        return UNKNOWN if said is SILENT and _code(answer) != "400" else said  # it had words
    kinds = [each.__name__ for each in type(error).__mro__]
    return next((KINDS[name] for name in kinds if name in KINDS), UNKNOWN)


def _clock(answer: Mapping[str, Any]) -> Said | None:
    """Where the server refuses and its clock is another than ours: by how much."""
    about = answer.get("ResponseMetadata", {})
    skewed = _code(answer) == "RequestTimeTooSkewed"
    if not skewed and about.get("HTTPStatusCode") != 403:
        return None
    difference = clock_difference(about.get("HTTPHeaders", {}).get("date"))
    if not skewed and (difference is None or abs(difference) < SKEW_S):
        return None
    off = "over 15 minutes from the server's"
    if difference is not None:
        side = "ahead of" if difference > 0 else "behind"
        off = f"{abs(difference):.0f} s {side} the server's"
    return Said(
        f"this machine's clock is off, {off},",
        "set the clock (`timedatectl set-ntp true`), then the same command again",
        whole=True,
    )


def clock_difference(date: str | None) -> float | None:
    """Seconds that this machine's clock is ahead of a `Date` header; None where that says none."""
    try:
        return time.time() - parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return None
