"""Somebody who is told by webhook: answers as it is told to, and remembers what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RESET = 0  # instead of a code: it hangs up


@dataclass
class HookServer:
    """answers: codes of the next requests, 200 after them."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[Message, bytes]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)  # cleared: it answers nobody

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@contextmanager
def hook_server() -> Iterator[HookServer]:
    played = HookServer()
    played.hold.set()

    class Site(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            played.hold.wait(60)
            code = played.answers.pop(0) if played.answers else 200
            if code == 200:
                played.got.append((self.headers, body))
            if code == RESET:
                self.close_connection = True
                return
            self.send_response(code)
            if code == 302:
                self.send_header("Location", f"{played.url}/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    played.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield played
    finally:
        played.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
