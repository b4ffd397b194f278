"""Ports of this machine that a server about to start can have."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"
LOWEST = 20_000  # Ray gives its workers those below
GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")  # to whoever connects to somewhere


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different.

    Where the machine leaves enough, none of those that it gives to whoever connects to somewhere:
    such a one is soon taken, and its server may need seconds until it binds it.
    """
    spare = range(LOWEST, _first_given())
    wanted = random.SystemRandom().sample(spare, len(spare)) if len(spare) > 2 * count else []
    ports: list[int] = []
    with ExitStack() as held:  # at once, so that they differ
        while len(ports) < count:
            one = held.enter_context(socket.socket())
            with suppress(OSError):
                one.bind((LOOPBACK, wanted.pop() if wanted else 0))
                ports.append(int(one.getsockname()[1]))
    return ports


def listens(port: int) -> bool:
    """Whether somebody does there, on loopback."""
    with socket.socket() as one:
        one.settimeout(1.0)
        return one.connect_ex((LOOPBACK, port)) == 0


def _first_given() -> int:
    try:
        return int(GIVEN.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
