"""What can be wrong with a machine whatever runs on it: Python, packages, cards, ports, disk, git.

Python's own library alone, so that it can tell where packages are missing.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from pipelines.host import places
from pipelines.host.checkup import MEND, OK, WARNING, WRONG, Check, Finding
from pipelines.host.processes import usable_cores
from pipelines.host.progress import told_names

PYTHON = (3, 11)
LOCK = places.REPOSITORY / "requirements.lock"
LISTED = 4  # names in a line
GIB = 2**30
LITTLE_GIB, TOO_LITTLE_GIB = 20.0, 2.0  # free on a disk
PAGE = 5000  # MLflow's, of `make ui`
OWN = (  # files with secrets, that nobody else of the machine is to read
    "~/.ray/auth_token", "~/.aws/credentials", "~/.netrc",
)  # fmt: skip
CARDS = "name,driver_version,memory.used,memory.total"


def python() -> Finding:
    said = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] == PYTHON:
        return Finding("Python", OK, said)
    wanted = ".".join(map(str, PYTHON))
    fault = f"{said}; Limber needs {wanted}"
    return Finding("Python", WRONG, fault, f"make clean setup PYTHON=/path/of/python{wanted}")


def packages(lock: Path = LOCK) -> Finding:
    """Against requirements.lock; what a wheel's name has behind a `+` (torch 2.13.0+cpu) aside."""
    if not lock.is_file():
        return Finding("packages", WRONG, f"{lock} is not there", f"git checkout -- {lock.name}")
    wanted = dict(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)", lock.read_text(), re.M))
    missing, others = [], []
    for name, version in wanted.items():
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if here.partition("+")[0] != version.partition("+")[0]:
            others.append(f"{name} {here} (not {version})")
    if missing:
        return Finding("packages", WRONG, f"missing: {told_names(missing, LISTED)}", MEND)
    if others:
        return Finding("packages", WARNING, f"other versions: {told_names(others, LISTED)}", MEND)
    return Finding("packages", OK, f"{len(wanted)} as in {lock.name}")


def machine() -> Finding:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    said = f"{socket.gethostname()}: {usable_cores()} cores, {memory:.0f} GiB"
    try:
        socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        fault = f"{said}; its own name leads nowhere, by which ranks find each other"
        do = f"echo 127.0.1.1 {socket.gethostname()} | sudo tee -a /etc/hosts"
        return Finding("machine", WRONG, fault, do)
    return Finding("machine", OK, said)


def cards() -> Finding:
    """The driver's own word; whether torch can use them is the training's to tell."""
    there = sorted(Path("/dev").glob("nvidia[0-9]*"))
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={CARDS}", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except FileNotFoundError:
        if there:
            do = "install the driver's tools (Debian, Ubuntu: nvidia-utils-VERSION of the driver)"
            return Finding("GPU", WARNING, f"{len(there)} cards and no nvidia-smi", do)
        return Finding("GPU", OK, "none; trainings run on the CPU")
    except subprocess.TimeoutExpired:
        return Finding("GPU", WRONG, "the driver does not answer within 10 s", "sudo reboot")
    if done.returncode:
        fault = f"nvidia-smi: {done.stdout.strip() or done.stderr.strip()}"
        return Finding("GPU", WRONG, fault, "install the driver anew, or reboot after its update")
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
    told = "; ".join(f"{name}, {used} of {total} MiB used" for name, _, used, total in rows)
    return Finding("GPU", OK, f"driver {rows[0][1]}: {told}" if rows else "none")


def disks() -> list[Finding]:
    """Of the home, of Ray's and others' temporary files, each disk once."""
    folders = {"home": places.home(), "temporary": Path(tempfile.gettempdir())}
    seen: dict[int, str] = {}
    for what, folder in folders.items():
        there = next(each for each in (folder, *folder.parents) if each.exists())
        seen.setdefault(there.stat().st_dev, f"{what} {there}")
    return [disk(told) for told in seen.values()]


def disk(told: str) -> Finding:
    folder = Path(told.partition(" ")[2])
    free = shutil.disk_usage(folder).free / GIB
    said, do = f"{told}: {free:.0f} GiB free", "make room, or set LIMBER_HOME to a larger disk"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except OSError as error:
        fault = f"{told} cannot be written ({error.strerror})"
        return Finding("disk", WRONG, fault, "give this user write access, or set LIMBER_HOME")
    if free < TOO_LITTLE_GIB:
        return Finding("disk", WRONG, f"{told}: {free:.1f} GiB free", do)
    return Finding("disk", WARNING, said, do) if free < LITTLE_GIB else Finding("disk", OK, said)


def ports(page: int = PAGE) -> Finding:
    """Whether ports can be had at all, and the one that `make ui` takes if nothing is said."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", page))
        except OSError:
            said = f"{page}, of MLflow's page, is taken by somebody"
            return Finding("ports", WARNING, said, f"make ui PORT={page + 1}")
    return Finding("ports", OK, f"to be had; {page} (MLflow's page) is free")


def secret_files(files: tuple[str, ...] = OWN) -> Finding:
    """That nobody else reads them; not what stands in them."""
    there = [path for name in files if (path := Path(name).expanduser()).is_file()]
    there += [path for path in (places.REPOSITORY / ".dvc" / "config.local",) if path.is_file()]
    open_ones = [str(path) for path in there if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if open_ones:
        fault = f"others of this machine may read {told_names(open_ones, LISTED)}"
        return Finding("tokens", WARNING, fault, f"chmod 600 {' '.join(open_ones)}")
    names = ", ".join(path.name for path in there)
    return Finding("tokens", OK, f"read by this user alone: {names}" if names else "no files here")


def checkout() -> Finding:
    """git is there, and which commit runs."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=places.REPOSITORY,
            capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except FileNotFoundError:
        return Finding("checkout", WRONG, "git is not installed", "sudo apt-get install git")
    except subprocess.TimeoutExpired:
        return Finding("checkout", WARNING, "git does not answer within 10 s", "git status")
    if done.returncode:
        said = f"{places.REPOSITORY} is in no git repository: runs tell no commit"
        return Finding("checkout", WARNING, said, "git clone the repository, and work there")
    said = f"{places.REPOSITORY} at {done.stdout.strip()}"
    with suppress(ValueError):
        said += f"; home {places.home()}" if places.home() != places.REPOSITORY else ""
    return Finding("checkout", OK, said)


CHECKS = (
    Check("machine", machine),
    Check("Python", python),
    Check("packages", packages),
    Check("checkout", checkout),
    Check("GPU", cards),
    Check("disk", disks),
    Check("ports", ports),
    Check("tokens", secret_files),
)
