"""The other end of a webhook: runs a command, or starts a server again, when a champion changes.

    export LIMBER_WEBHOOK_SECRET=...      # the one that the rule book's webhook signs with
    python deploy/on_promotion.py -- COMMAND {slot} {version}
    python deploy/on_promotion.py --keep -- mlflow models serve -m models:/pose-coco@champion ...

With --keep the command is a server: it is started at once, and again when a champion changes, so
that it loads what the alias points to by then; also where it ended by itself. It ends with the
listener, whatever ends that (on Linux). What cannot be started is said in a line, and the next
champion is tried; a server is tried again. Whatever is started has
MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false: MLflow loads no pickle there. Listens on 127.0.0.1:8700
(--host, --port). A request counts once, where its signature is right and not older than five
minutes; it is answered 503 where nothing is deployed any more. Needs Python alone; MLflow's own
webhooks (`model_version_alias.created`) are of the same make.
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import hashlib
import hmac
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "LIMBER_WEBHOOK_SECRET"
OLDEST_S, LARGEST = 300.0, 1 << 20
REMEMBERED = 10_000  # deliveries that count once
END_S = 30.0  # for a server to end by SIGTERM
LOOK_S = 1.0  # between two looks whether the server still runs, which is started again after that
NAME = re.compile(r"[\w.-]+")
NUMBER = re.compile(r"[0-9]{1,15}")  # what `isdigit` takes besides, `int` may not
# a model that it starts to serve is no pickle, and one that is has no business there
SAFE = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
LIBC = ctypes.CDLL(None)
SET_PARENT_DEATH_SIGNAL = 1  # of Linux' prctl


def why_not(headers: Mapping[str, str], body: bytes, secret: str) -> str:
    """What is wrong with a request; "" where it is signed by the secret, and new."""
    delivery, stamp = headers.get("X-MLflow-Delivery-Id", ""), headers.get("X-MLflow-Timestamp", "")
    signed = hmac.new(secret.encode(), f"{delivery}.{stamp}.".encode() + body, hashlib.sha256)
    expected = f"v1,{base64.b64encode(signed.digest()).decode()}"
    if not hmac.compare_digest(expected.encode(), headers.get("X-MLflow-Signature", "").encode()):
        return "its signature is wrong"
    if not NUMBER.fullmatch(stamp) or abs(time.time() - int(stamp)) > OLDEST_S:
        return "it is too old, or a clock is off"
    return ""


def champion_of(body: bytes) -> tuple[str, str] | None:
    """(slot, version) of a champion; None for what is of another alias, or of another make."""
    try:
        data = json.loads(body)["data"]
        slot, version = str(data["name"]), str(data["version"])
        if data["alias"] == "champion" and NAME.fullmatch(slot) and NAME.fullmatch(version):
            return slot, version
    except (ValueError, KeyError, TypeError):
        pass
    return None


def filled(word: str, slot: str, version: str) -> str:
    return word.replace("{slot}", slot).replace("{version}", version)


def say(line: str) -> None:
    """Also where nobody reads it any more."""
    with suppress(OSError):
        print(line, flush=True)


def end_with_starter(starter: int) -> None:
    """In a child: the kernel sends it SIGTERM when the thread that started it ends; where that
    process has ended, now."""
    LIBC.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != starter:
        os.kill(os.getpid(), signal.SIGTERM)


class Deployer(threading.Thread):
    """Does what is to be done of one champion after another; `ask` returns at once."""

    def __init__(self, command: Sequence[str], keep: bool) -> None:
        super().__init__(name="deployer", daemon=True)
        self._command, self._keep = command, keep
        self._asked: queue.Queue[tuple[str, str]] = queue.Queue()
        self._server: subprocess.Popen[bytes] | None = None
        self._fault = ""  # why the server was not started; "" where it was
        self._over = threading.Event()

    def ask(self, slot: str, version: str) -> None:
        self._asked.put((slot, version))

    def run(self) -> None:
        while not self._over.is_set():
            if self._keep and (self._server is None or self._server.poll() is not None):
                self._start_server()
            try:
                slot, version = self._asked.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            say(f"{slot}: version {version} is champion")
            if self._keep:
                self._end_server()
            else:
                say(f"{slot}: version {version}: {self._run(slot, version)}")

    def _run(self, slot: str, version: str) -> str:
        """What became of it."""
        words = [filled(word, slot, version) for word in self._command]
        told = {**os.environ, **SAFE}
        try:
            done = subprocess.run(words, env=told, stdin=subprocess.DEVNULL, check=False)
        except OSError as error:
            return f"not started ({error.strerror or error})"
        return f"exit {done.returncode}" if done.returncode else "done"

    def _start_server(self) -> None:
        """A fault is said once, until it is another or over."""
        fault, told = "", {**os.environ, **SAFE}
        ends = partial(end_with_starter, os.getpid()) if hasattr(LIBC, "prctl") else None
        try:
            self._server = subprocess.Popen(
                self._command, env=told, start_new_session=True, preexec_fn=ends
            )
        except OSError as error:
            fault = f"{error.strerror or error}"
        if fault and fault != self._fault:
            say(f"{self._command[0]}: not started ({fault}); tried again")
        self._fault = fault

    def _end_server(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        for how in (signal.SIGTERM, signal.SIGKILL):
            with suppress(OSError):
                os.killpg(server.pid, how)
            with suppress(subprocess.TimeoutExpired):
                server.wait(END_S)
                return

    def end(self) -> None:
        self._over.set()
        self.join(END_S)
        self._end_server()


def listener(deployer: Deployer, secret: str, host: str, port: int) -> ThreadingHTTPServer:
    """Not started yet."""
    seen: deque[str] = deque(maxlen=REMEMBERED)
    lock = threading.Lock()

    class Site(BaseHTTPRequestHandler):
        timeout = 30  # a sender that says no more

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not NUMBER.fullmatch(length) or int(length) > LARGEST:
                return self.send_error(413)
            body = self.rfile.read(int(length))
            if fault := why_not(_cased(self.headers), body, secret):
                return self.send_error(401, fault)
            if not deployer.is_alive():
                return self.send_error(503, "nothing is deployed any more")
            with lock:
                delivery = self.headers["X-MLflow-Delivery-Id"]
                new = delivery not in seen
                seen.append(delivery)
            champion = champion_of(body)
            if new and champion:
                deployer.ask(*champion)
            self.send_response(200)
            self.end_headers()
            return None

    server = ThreadingHTTPServer((host, port), Site)
    server.daemon_threads = True
    return server


def _cased(headers: Message) -> dict[str, str]:
    """As `why_not` spells them: names of headers have no case."""
    named = ("X-MLflow-Delivery-Id", "X-MLflow-Timestamp", "X-MLflow-Signature")
    return {name: str(headers.get(name, "")) for name in named}


def why_no_start(command: Sequence[str], keep: bool) -> str:
    """What is missing here; "" where nothing, or where a champion fills the command's name."""
    if not os.environ.get(SECRET):
        return f"${SECRET} is not set"
    name = command[0]
    if (keep or filled(name, "", "") == name) and not shutil.which(name):
        return f"{name}: no such command, or this user may not run it"
    return ""


def refused(fault: str) -> int:
    print(f"error: {fault}", file=sys.stderr)
    return 2


def main(argv: Sequence[str]) -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=8700)
    arguments.add_argument("--keep", action="store_true", help="the command is a server")
    arguments.add_argument("command", nargs="+", help="behind --")
    asked = arguments.parse_args(argv)
    if fault := why_no_start(asked.command, asked.keep):
        return refused(fault)
    deployer = Deployer(asked.command, asked.keep)
    try:
        server = listener(deployer, os.environ[SECRET], asked.host, asked.port)
    except (OSError, OverflowError) as error:
        return refused(f"{asked.host}:{asked.port} cannot be listened on ({error})")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if not (number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN):  # nohup
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    say(f"listens on http://{asked.host}:{server.server_port}")
    deployer.start()
    try:
        server.serve_forever()
    finally:
        server.server_close()
        deployer.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
