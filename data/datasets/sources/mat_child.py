"""Reads a Matlab file as plain data, in a process of its own: what SciPy's reader makes of a broken
one (a crash, all of the memory, hours) ends that process alone.

    python mat_child.py FILE        json of its variables; structs are objects, cells are lists
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

MIB = 1 << 20
MEMORY, MEMORY_A_BYTE = 1536 * MIB, 400  # beside what stands in the file, unpacked as objects
SECONDS, SECONDS_A_MIB = 10, 20


def read_apart(path: Path) -> dict[str, Any]:
    """Its variables as plain data, to be read alone. ValueError that says what the reader met."""
    found = path.stat()
    if found.st_size > MIB:  # not to be kept
        return _read(path)
    return _kept(path, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@lru_cache(maxsize=8)
def _kept(path: Path, _: tuple[int, ...]) -> dict[str, Any]:
    return _read(path)


def _read(path: Path) -> dict[str, Any]:
    command = [sys.executable, "-I", __file__, str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 0:
        return dict(json.loads(done.stdout))
    if done.returncode < 0:
        raise ValueError(f"its reader was ended by signal {-done.returncode}")
    said = done.stderr.decode(errors="replace").strip().splitlines()
    raise ValueError(said[-1][:300] if said else f"its reader ended with {done.returncode}")


def _plain(value: Any) -> Any:
    """Structs as dicts, arrays as lists, numbers and text as they are."""
    fields = getattr(value, "_fieldnames", None)
    if fields is not None:
        return {name: _plain(getattr(value, name, None)) for name in fields}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, int | float | str | None) else str(value)


def _limit(size: int) -> None:
    """Memory and seconds of this process, by the size of the file."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + MEMORY + MEMORY_A_BYTE * size
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    seconds = SECONDS + SECONDS_A_MIB * (size // MIB)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main(path: Path) -> None:
    from scipy.io import loadmat

    _limit(path.stat().st_size)
    variables = loadmat(path, struct_as_record=False, squeeze_me=True)
    told = {name: _plain(each) for name, each in variables.items() if not name.startswith("__")}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
