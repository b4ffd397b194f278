"""An MLflow server that is away, closed, of another version; what a training could not tell yet."""

from __future__ import annotations

import base64
import importlib.metadata
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.host.checkup import OK, WARNING, WRONG, Check, found
from pipelines.tracking import health
from pipelines.tracking.outbox import Outbox

OURS = importlib.metadata.version("mlflow")


@contextmanager
def played(code: int = 200, version: str = OURS, password: str = "") -> Iterator[str]:
    """A server that answers so; with a password it lets in whoever brings it."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pair = base64.b64encode(f"me:{password}".encode()).decode()
            closed = password and self.headers.get("Authorization") != f"Basic {pair}"
            self.send_response(401 if closed else code)
            self.end_headers()
            self.wfile.write(version.encode() if self.path == "/version" else b"{}")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.contract
@pytest.mark.parametrize(
    ("answer", "state", "said", "do"),
    [
        ({}, OK, f"MLflow {OURS}", ""),
        ({"version": "2.0.0"}, WARNING, "runs MLflow 2.0.0", f"mlflow=={OURS}"),
        ({"code": 403}, WRONG, "answers 403", "MLFLOW_SERVER_ALLOWED_HOSTS"),
        ({"code": 500}, WRONG, "answers 500", "tracking.uri"),
        ({"password": "right one"}, WRONG, "answers 401", health.PASSWORD),
    ],
)
def test_a_server_tells_what_is_wrong_with_it(
    answer: dict[str, object], state: str, said: str, do: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(health.USER, "me")
    monkeypatch.setenv(health.PASSWORD, "wrong one")
    monkeypatch.delenv(health.TOKEN, raising=False)
    with played(**answer) as uri:  # type: ignore[arg-type]
        finding = health.ask(uri)
        assert finding.state == state and said in finding.said and do in finding.do
        if "password" in answer:
            monkeypatch.setenv(health.PASSWORD, "right one")
            assert health.ask(uri).state == OK
    gone = health.ask(uri)
    assert gone.state == WRONG and "does not answer" in gone.said and "tracking.uri" in gone.do


def test_an_embedded_database_is_whole_or_made_later(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "tracking_uri", lambda: f"sqlite:///{home}/mlflow.db")
    (later,) = found(Check("tracking", health.server))
    assert later.state == OK and "made by the first training" in later.said
    home.mkdir()
    (home / "mlflow.db").write_bytes(b"no database")
    (broken,) = found(Check("tracking", health.server))
    assert broken.state == WRONG and "no whole database" in broken.said and "mv " in broken.do


def test_what_was_not_sent_is_told_with_what_sends_it(home: Path) -> None:
    assert health.unsent().state == OK
    outboxes = [home / "runs" / name / "outbox.jsonl" for name in ("all", "none", "some")]
    for path, taken in zip(outboxes, (3, 0, 2), strict=True):  # and then the server went away
        outbox = Outbox(path)
        for number in range(3):
            outbox.append("tags", tags={"number": str(number)})
        for _, behind in list(outbox.records())[:taken]:
            outbox.keep_position("server run", behind)
        outbox.release()
    finding = health.unsent()
    assert finding.state == WARNING and "none, some" in finding.said
    assert finding.do == f"python -m pipelines.tracking {outboxes[1]}"
