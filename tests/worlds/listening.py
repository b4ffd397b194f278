"""Who listens where: sockets of the processes of a session, by /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

LISTENS = "0A"


def listening_addresses(session: int) -> set[tuple[str, int]]:
    """(address, port) of every TCP socket on which a process of the session listens."""
    inodes = {inode for pid in _members(session) for inode in _sockets(pid)}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENS and words[9] in inodes:
                address, port = words[1].split(":")
                found.add((str(_address(address)), int(port, 16)))
    return found


def is_loopback(address: str) -> bool:
    found = ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def _members(session: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    members = []
    for pid in pids:
        with suppress(OSError):
            if os.getsid(pid) == session:
                members.append(pid)
    return members


def _sockets(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def _address(told: str) -> IPv4Address | IPv6Address:
    """/proc writes each 32 bits with its bytes turned round."""
    content = bytes.fromhex(told)
    turned = b"".join(content[i : i + 4][::-1] for i in range(0, len(content), 4))
    return ip_address(turned)
