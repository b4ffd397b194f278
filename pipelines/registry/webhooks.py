"""Who else is told that a champion came or went back: signed requests, kept until they are taken.

In: `webhooks:` of mlflow/promotion.yaml, the ledger's decisions. Out: requests of the make of
MLflow's own webhooks (`model_version_alias.created`, the same headers and signature), with the
decision beside. What is to be told lies in runs/webhooks/HOOK, a file each, before it is sent; a
promotion is through before anybody is told, and never waits for longer than PATIENCE_S.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from data.files.whole_file import write_text_whole
from data.ground.refusal import masked, refusal
from data.ground.yaml_text import read_yaml
from pipelines.host import places
from pipelines.host.processes import held
from pipelines.host.writable import writable
from pipelines.registry.ledger import CROWNED, Entry, Ledger, entry_digest
from pipelines.registry.rules import RULES, Webhook, read_book

PATIENCE_S, ANSWER_S = 10.0, 5.0  # for all that is to be told; for one answer
WAITS_S = (1.0, 2.0)  # before a second and a third try
MOST_KEPT, KEPT_DAYS = 100, 7  # of one hook that nobody answers for
AGAIN = (408, 425, 429)  # answers of the fours that a later try may change
STATE = "state.json"  # in the folder: which decisions were there when the last promotion began


@dataclass(frozen=True)
class Hook:
    """A webhook of the rule book with what its words stand for here."""

    name: str
    url: str
    secret: str
    slots: Sequence[str] | None  # None: all

    @property
    def folder(self) -> Path:
        return places.webhooks() / self.name

    @property
    def told(self) -> str:
        """For a person: an address may hold a secret behind its host."""
        return f"webhook {self.name} ({urlsplit(self.url).hostname})"


def read_hooks(path: Path = RULES) -> list[Hook]:
    """Of the rule book; one whose variables are not set here is said and left out.

    Raises ValueError for a wrong one.
    """
    named = read_book(read_yaml(path), path.name).webhooks
    hooks = [_hook(name, webhook, path.name) for name, webhook in named.items()]
    return [hook for hook in hooks if hook]


def _hook(name: str, webhook: Webhook, where: str) -> Hook | None:
    variables = [webhook.secret, *([webhook.url[1:]] if webhook.url.startswith("$") else [])]
    if unset := [each for each in variables if not os.environ.get(each)]:
        print(f"webhook {name}: not told, ${unset[0]} is not set here", file=sys.stderr, flush=True)
        return None
    url = os.environ[webhook.url[1:]] if webhook.url.startswith("$") else webhook.url
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        accepted = "http(s)://HOST/..., or $NAME of a variable that holds one"
        fault = "no such address" if webhook.url.startswith("$") else f"given {url!r}"
        raise refusal(f"{where}: webhooks.{name}.url", fault=fault, accepted=accepted)
    return Hook(name, url, os.environ[webhook.secret], webhook.slots)


@contextmanager
def noticing(hooks: Sequence[Hook], ledger: Ledger) -> Iterator[None]:
    """What the ledger is given meanwhile is kept for the hooks, whoever is killed in between: the
    next one finds what a promotion that died had decided. For whoever holds the promotion lock."""
    if not hooks:
        yield
        return
    state = places.webhooks() / STATE
    if not state.is_file():
        with writable(state):
            state.parent.mkdir(parents=True, exist_ok=True)
            write_text_whole(state, json.dumps([entry_digest(entry) for entry in ledger.decisions]))
    known = _known(state)
    if known is None:
        known = {entry_digest(entry) for entry in ledger.decisions}
    try:
        yield
    finally:
        with writable(state):
            for place, entry in enumerate(ledger.decisions):
                if entry_digest(entry) not in known and entry["action"] in CROWNED:
                    _keep(hooks, entry, place)
            state.unlink()


def _known(state: Path) -> set[str] | None:
    """None where the note is damaged: then what is decided from now on is told."""
    try:
        return set(map(str, json.loads(state.read_text())))
    except (ValueError, TypeError):
        return None


def _keep(hooks: Sequence[Hook], entry: Entry, place: int) -> None:
    """By names that come in the order of the decisions. place: among all of the ledger."""
    for hook in hooks:
        if hook.slots is None or entry["slot"] in hook.slots:
            hook.folder.mkdir(parents=True, exist_ok=True)
            name = f"{place:09}-{entry_digest(entry)}.json"
            if not list(hook.folder.glob(f"*-{entry_digest(entry)}.json")):
                write_text_whole(hook.folder / name, json.dumps(entry))


def tell(
    hooks: Sequence[Hook],
    patience_s: float = PATIENCE_S,
    waits_s: Sequence[float] = WAITS_S,
) -> None:
    """Sends what is kept, to all hooks at once, for so long at most; what is left waits there for
    the next promotion, in a line."""
    threads = [threading.Thread(target=_send_kept, args=(h, waits_s), daemon=True) for h in hooks]
    for thread in threads:
        thread.start()
    end = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0))
    for hook in hooks:
        if left := len(list(hook.folder.glob("*.json"))):
            later = "`python -m pipelines.promote --list` tries again"
            fault = f"{left} decisions are not told yet; {later}"
            print(f"{hook.told}: {fault}", file=sys.stderr, flush=True)


def _send_kept(hook: Hook, waits_s: Sequence[float]) -> None:
    """A line where its folder cannot be written; nothing where another process tells it."""
    if not hook.folder.is_dir():
        return
    lock = hook.folder / "lock"
    try:
        with writable(lock), held(lock, "tells it", 0.0):
            _send_in_order(hook, waits_s)
    except ValueError as error:
        if not isinstance(error.__cause__, BlockingIOError):
            print(masked(f"{hook.told}: {error}"), file=sys.stderr, flush=True)


def _send_in_order(hook: Hook, waits_s: Sequence[float]) -> None:
    kept = sorted(hook.folder.glob("*.json"))
    for number, path in enumerate(kept):
        old = time.time() - path.stat().st_mtime > KEPT_DAYS * 86400
        if old or number < len(kept) - MOST_KEPT:
            print(f"{hook.told}: given up: {path.name}", file=sys.stderr, flush=True)
            path.unlink()
        elif not _sent(hook, path, waits_s):
            return


def _sent(hook: Hook, path: Path, waits_s: Sequence[float]) -> bool:
    """Whether nothing is left to do for it: taken, or refused for good."""
    try:
        entry = dict(json.loads(path.read_text()))
        body = payload(entry)
    except (ValueError, TypeError, KeyError):
        print(f"{hook.told}: {path} is damaged, and left out", file=sys.stderr, flush=True)
        path.unlink()
        return True
    for wait_s in (*waits_s, None):
        fault, again = post(hook, path.stem.rpartition("-")[2], body)
        if not fault or not again:
            path.unlink()
            told = f"refused for good ({fault})" if fault else "told"
            said = f"{entry['slot']} {entry['action']}, version {entry.get('version')}"
            print(f"{hook.told}: {said}: {told}", flush=True)
            return True
        if wait_s is not None:
            time.sleep(wait_s)
    print(f"{hook.told}: {fault}", file=sys.stderr, flush=True)
    return False


def post(hook: Hook, delivery: str, told: Mapping[str, Any]) -> tuple[str, bool]:
    """(what went wrong, "" where nothing; whether a later try may go well)."""
    body = json.dumps(told)
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": delivery,  # of a decision the same each time it is tried
        "X-MLflow-Timestamp": stamp,
        "X-MLflow-Signature": signature(hook.secret, delivery, stamp, body),
    }
    request = urllib.request.Request(hook.url, body.encode(), headers, method="POST")
    try:
        with urllib.request.build_opener(Straight).open(request, timeout=ANSWER_S):
            return "", False
    except HTTPError as error:
        return f"answers {error.code}", error.code >= 500 or error.code in AGAIN
    except (URLError, HTTPException, OSError, ValueError) as error:
        why = error.reason if isinstance(error, URLError) else type(error).__name__
        return f"does not answer ({why})", True


class Straight(urllib.request.HTTPRedirectHandler):
    """No redirect is followed: what is signed goes where the rule book says."""

    def redirect_request(self, *_: Any) -> None:
        return None


def signature(secret: str, delivery: str, stamp: str, body: str) -> str:
    """As MLflow signs its own: `v1,` and HMAC-SHA256 of `DELIVERY.STAMP.BODY` in base64."""
    signed = hmac.new(secret.encode(), f"{delivery}.{stamp}.{body}".encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def payload(entry: Mapping[str, Any]) -> dict[str, Any]:
    """MLflow's of an alias that was set, and the decision as the ledger has it."""
    data = {"name": entry["slot"], "alias": "champion", "version": str(entry.get("version"))}
    return {
        "entity": "model_version_alias",
        "action": "created",
        "timestamp": entry["time"],
        "data": data,
        "decision": dict(entry),
    }
