"""Whether a Ray cluster answers where it is looked for, before Ray's own clients wait for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from pipelines.cluster.addresses import dashboard

pytestmark = pytest.mark.contract


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize("scheme", ["", "http://", "ray://"])
def test_who_listens_and_says_nothing_is_told(scheme: str, listener: socket.socket) -> None:
    address = f"{scheme}127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ValueError, match=f"{address}: no answer within 0.2 s"):
        dashboard(address, 0.2)


def test_a_dashboard_is_told_apart_from_another_port(listener: socket.socket) -> None:
    def answer() -> None:
        for words in (b"", b"HTTP/1.1 401 token?\r\nContent-Length: 0\r\n\r\n"):
            with listener.accept()[0] as asked:
                if words:
                    asked.recv(1000)
                    asked.sendall(words)

    thread = threading.Thread(target=answer)
    thread.start()
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    assert dashboard(address) == f"http://{address}"
    thread.join()
