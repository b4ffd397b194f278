"""A proxy before an S3 server that does to chosen requests what networks and servers do: refuses,
resets, cuts bodies short, damages them, trickles, tells another time."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

EVER = 1 << 30
HOP = ("connection", "transfer-encoding", "content-length", "keep-alive")
GARBAGE = {"garbage": 200, "garbage of a client's fault": 400, "garbage of a proxy": 502}
REASONS = {
    "AccessDenied": 403,
    "ExpiredToken": 400,
    "RequestTimeTooSkewed": 403,
    "InternalError": 500,
    "SlowDown": 503,
    "NoSuchBucket": 404,
    "QuotaExceeded": 507,
}


@dataclass
class Fault:
    """What happens to the next `times` requests of `method` that hold `holds`: in path and query,
    or in the header Range (`bytes=0-99`).

    does: a code of S3's errors (`SlowDown`), told with a Date that is `seconds` later; or `reset`:
    the connection, before an answer; `cut`: half of the body; `damage`: a byte of the body;
    `trickle`: a body that comes bit by bit; `drip`: a byte a second; `hang`: no answer, either
    until the faults are cleared; one of GARBAGE: an answer that is none. after: so many such
    requests pass before. share: of the requests that it takes, the rest passes.
    """

    does: str
    method: str = ""
    holds: str = ""
    times: int = EVER
    after: int = 0
    seconds: float = 0.0
    share: float = 1.0
    draw: random.Random = field(default_factory=random.Random)

    def takes(self, method: str, asked: str) -> bool:
        if self.method not in ("", method) or self.holds not in asked or not self.times:
            return False
        if self.after:
            self.after -= 1
            return False
        if self.share < 1 and self.draw.random() >= self.share:
            return False
        self.times -= 1
        return True


@dataclass
class FaultProxy:
    """address: where it listens; seen: (method, path with query and Range) of all requests, in
    order."""

    behind: str
    address: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    cleared: threading.Event = field(default_factory=threading.Event)

    def add(self, does: str, **more: Any) -> Fault:
        fault = Fault(does, **more)
        with self.lock:
            self.faults.append(fault)
        return fault

    def clear(self) -> None:
        with self.lock:
            self.faults.clear()
            self.seen.clear()
            self.cleared.set()
            self.cleared = threading.Event()

    def count(self, method: str, holds: str = "") -> int:
        """How many such requests came."""
        return sum(each == method and holds in asked for each, asked in list(self.seen))

    def met(self, method: str, asked: str) -> Fault | None:
        with self.lock:
            self.seen.append((method, asked))
            return next((each for each in self.faults if each.takes(method, asked)), None)


@contextmanager
def fault_proxy(behind: str, port: int = 0) -> Iterator[FaultProxy]:
    """A proxy before the server at `behind`; it does nothing until a fault is added. port: its own,
    0: any that is free."""
    proxy = FaultProxy(behind)
    handler = type("Handler", (Passing,), {"proxy": proxy})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    proxy.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.clear()
        server.shutdown()
        server.server_close()
        thread.join()


class Passing(BaseHTTPRequestHandler):
    """Hands a request on as it came: `Host` too, which is signed."""

    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.met(self.command, f"{self.path} {self.headers.get('Range', '')}")
        does = fault.does if fault else ""
        if does == "hang":
            self.proxy.cleared.wait()
        if does in ("reset", "hang"):
            return self._reset()
        if fault is not None and does in GARBAGE:
            return self._send(GARBAGE[does], {"Content-Type": "text/html"}, b"<html>\xff\x00{", "")
        if fault is not None and does in REASONS:
            return self._refuse(does, fault.seconds)
        status, headers, body = self._asked(content)
        if does == "damage" and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self._send(status, headers, body, does)
        return None

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

    def _asked(self, content: bytes) -> tuple[int, dict[str, str], bytes]:
        where = urlsplit(self.proxy.behind)
        connection = HTTPConnection(where.hostname or "", where.port, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                connection.putheader(name, value)
        connection.endheaders(content)
        answer = connection.getresponse()
        headers = {n: v for n, v in answer.getheaders() if n.lower() not in HOP}
        body = answer.read()
        if self.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length") or "0"
        connection.close()
        return answer.status, headers, body

    def _refuse(self, code: str, seconds: float) -> None:
        text = f"<Error><Code>{code}</Code><Message>as the test asks</Message></Error>"
        body = b"" if self.command == "HEAD" else text.encode()
        date = formatdate(time.time() + seconds, usegmt=True)
        self._send(REASONS[code], {"Content-Type": "application/xml", "Date": date}, body, "")

    def _send(self, status: int, headers: dict[str, str], body: bytes, does: str) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Date" not in headers:
            self.send_header("Date", self.date_time_string())
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if does == "cut":
            self.wfile.write(body[: len(body) // 2])
            return self._reset()
        healed = self.proxy.cleared
        while does == "drip" and body and not healed.wait(1.0):
            self.wfile.write(body[:1])
            self.wfile.flush()
            body = body[1:]
        step = max(len(body) // 20, 1) if does == "trickle" else len(body)
        for begin in range(0, len(body), step or 1):
            self.wfile.write(body[begin : begin + step])
            if does == "trickle":
                self.wfile.flush()
                time.sleep(0.01)
        return None

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """The tests' own output is enough."""
