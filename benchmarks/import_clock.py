"""What imports take in every Python process that a command starts, by library: a `sitecustomize`.

A copy of this file under that name in a folder that leads PYTHONPATH is loaded by each of them;
into the folder of $IMPORT_CLOCK goes a file a process, PID.json: {"imports": seconds of CPU time in
import statements, "by": {library that our code, or else anybody, asked for first: of them, with all
that it imports itself}, "cpu": of the whole process, once it has ended of its own accord}. Without
that variable nothing happens.
"""

from __future__ import annotations

import atexit
import importlib._bootstrap as bootstrap
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

OURS = ("pipelines", "data", "models", "benchmarks", "tests", "__main__")
WORTH_S = 0.005  # so much more is written down at once: a process may be killed


class ImportClock:
    """Between the import statement and what finds and loads a module that is not there yet."""

    def __init__(self, folder: str, load: Callable[..., Any]) -> None:
        self._folder, self._load, self._own = folder, load, threading.local()
        self._begin()

    def _begin(self) -> None:
        self.by: dict[str, float] = {}
        self.imports, self._written = 0.0, 0.0

    def forked(self) -> None:
        """In a child that was born by a fork: what its parent imported took it nothing."""
        self._own = threading.local()
        self._begin()

    def __call__(self, name: str, *arguments: Any) -> Any:
        loading: list[list[Any]] = self._own.__dict__.setdefault("loading", [])
        library = library_of(name)
        if loading and loading[-1][0] != "ours":  # whatever a library imports is for its sake
            library = loading[-1][0]
        began = time.thread_time()
        loading.append([library, 0.0])
        try:
            return self._load(name, *arguments)
        finally:
            took = time.thread_time() - began
            self.by[library] = self.by.get(library, 0.0) + took - loading.pop()[1]
            if loading:
                loading[-1][1] += took
            else:
                self._outermost(took)

    def _outermost(self, took: float) -> None:
        self.imports += took
        if self.imports - self._written > WORTH_S:
            self._written = self.imports
            self.write()

    def write(self, **more: float) -> None:
        found = {"imports": self.imports, "by": dict(self.by), **more}
        part = f"{self._folder}/{os.getpid()}.{threading.get_ident()}.part"
        with open(part, "w") as file:  # noqa: PTH123 - pathlib would be an import of everybody's
            json.dump(found, file)
        os.replace(part, f"{self._folder}/{os.getpid()}.json")  # noqa: PTH105 - as above


def library_of(module: str) -> str:
    """`torch` of torch.nn, `Python` of what comes with it, `ours` of this project's."""
    name = module.partition(".")[0]
    return "ours" if name in OURS else "Python" if name in sys.stdlib_module_names else name


def start(folder: str) -> ImportClock:
    clock = ImportClock(folder, bootstrap._find_and_load)
    bootstrap._find_and_load = clock
    os.register_at_fork(after_in_child=clock.forked)
    atexit.register(lambda: clock.write(cpu=time.process_time()))
    return clock


if "IMPORT_CLOCK" in os.environ:
    start(os.environ["IMPORT_CLOCK"])
