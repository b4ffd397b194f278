"""A Ray cluster of two nodes on this machine that see no folder of each other's, nor the checkout.

Each node's processes live in mount namespaces of their own, in which the others' folders are empty.
Started on free ports, with a token, ended by process id.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pipelines.cluster.guard import QUIET
from pipelines.host.ports import free_ports
from tests.worlds.checkouts import a_shell

START_S = 120.0
TOKEN = "ab" * 32


class Cluster:
    """A head `a` and a node `b`, below one short folder; a context manager.

    `checkout` is a folder that no node sees.
    """

    def __init__(self, variables: Mapping[str, str], cpus: int = 1) -> None:
        """variables: of the nodes' environment, as credentials; cpus: of each node."""
        self.root = Path(
            tempfile.mkdtemp(prefix="nodes-", dir="/tmp")
        )  # Ray's sockets want it short
        self.checkout = self.root / "checkout"
        self._variables, self._cpus = dict(variables), cpus
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._port, self._dashboard = free_ports(2)
        for name in ("checkout", "a", "b"):
            (self.root / name).mkdir()

    @property
    def address(self) -> str:
        """Of the dashboard."""
        return f"http://127.0.0.1:{self._dashboard}"

    @property
    def shell(self) -> dict[str, str]:
        """Variables of a shell that may use the cluster."""
        return a_shell() | self._variables | {
            "RAY_ADDRESS": self.address, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN,
        }  # fmt: skip

    def start(self, name: str) -> None:
        """Node `a` (the head) or `b`; returns when it runs."""
        log = self.root / f"{name}.log"
        with log.open("w") as file:
            self._processes[name] = subprocess.Popen(
                self._alone(name, self._command(name)), env=self._environment(name),
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START_S
        while "Ray runtime started" not in log.read_text():
            if self._processes[name].poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text()[-3000:])
            time.sleep(0.1)

    def kill(self, name: str) -> None:
        """As a node that loses its power: all of its processes at once."""
        first = self._processes.pop(name)
        world = _namespace(first.pid)
        for _ in range(3):  # one that was being started meanwhile, too
            for entry in Path("/proc").glob("[0-9]*"):
                if world and _namespace(int(entry.name)) == world:
                    with suppress(ProcessLookupError):
                        os.kill(int(entry.name), signal.SIGKILL)
        first.wait()

    def sees(self, name: str, path: Path) -> bool:
        """Whether the node's processes find something below that folder."""
        there = Path(f"/proc/{self._processes[name].pid}/root{path}")
        return there.is_dir() and any(there.iterdir())

    def __enter__(self) -> Cluster:
        for name in ("a", "b"):
            self.start(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in reversed(list(self._processes)):
            self.kill(name)
        shutil.rmtree(self.root, ignore_errors=True)

    def _command(self, name: str) -> list[str]:
        agent, metrics, client = free_ports(3)
        head = [
            "--head",
            f"--port={self._port}",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self._dashboard}",
            f"--ray-client-server-port={client}",
        ]
        return [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
            *(head if name == "a" else [f"--address=127.0.0.1:{self._port}"]),
            "--node-ip-address=127.0.0.1", f"--dashboard-agent-listen-port={agent}",
            f"--metrics-export-port={metrics}", f"--num-cpus={self._cpus}",
            "--object-store-memory=100000000", "--disable-usage-stats",
            f"--temp-dir={self.root / name / 'ray'}",
            f'--resources={{"{name}": 1}}',
        ]  # fmt: skip

    def _environment(self, name: str) -> dict[str, str]:
        own = {"HOME": str(self.root / name), "LIMBER_CACHE": str(self.root / name / "cache")}
        tokens = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
        tokens["RAY_ADDRESS"] = f"127.0.0.1:{self._port}"  # other clusters may run on this machine
        return a_shell() | QUIET | self._variables | tokens | own

    def _alone(self, name: str, command: list[str]) -> list[str]:
        """The command where folders that are not the node's are empty."""
        others = [self.root / other for other in ("checkout", "a", "b") if other != name]
        mounts = "; ".join(f"mount -t tmpfs none {folder}" for folder in others)
        return ["unshare", "--mount", "sh", "-c", f'{mounts}; exec "$@"', "sh", *command]


def can_hide() -> bool:
    """Whether this user may have mount namespaces."""
    command = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(command, capture_output=True).returncode == 0


def _namespace(pid: int) -> str:
    """The process's mount namespace; "" of one that is gone."""
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    return ""
