"""Where a process is: the place of its training thread in words, the stacks of all in a file."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from pipelines.host.places import REPOSITORY

DEBUGGERS = ("pdb.py", "bdb.py", "pydevd.py", "debugpy")
# where a thread that waits for other ranks is, by the end of its innermost frame's file
MEETINGS = (
    "torch/distributed/",
    "torch/nn/parallel/distributed.py",
    "torch/autograd/graph.py",  # DDP brings gradients together while they go backward
    "torch/cuda/streams.py",
    "pipelines/training/rank.py",
)
CHILDREN_S = 1.0  # for loader processes to write down their stacks


def thread_place(ident: int) -> tuple[str, bool]:
    """(file, line and function of ours that the thread is in; whether it waits for other ranks)."""
    frames = _frames(ident)
    if not frames:
        return "nowhere", False
    ours = [frame for frame in frames if _is_ours(frame)]
    words = _words((ours or frames)[0])
    if ours[:1] != frames[:1]:
        words += f", in {_words(frames[0])}"
    file = Path(frames[0].f_code.co_filename).as_posix()
    return words, any(part in file for part in MEETINGS)


def is_debugged(ident: int) -> bool:
    """Whether somebody holds the thread at a breakpoint."""
    files = [frame.f_code.co_filename for frame in _frames(ident)]
    return any(name in file for file in files for name in DEBUGGERS)


def _frames(ident: int) -> list[FrameType]:
    """Innermost first."""
    frames, frame = [], sys._current_frames().get(ident)
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _is_ours(frame: FrameType) -> bool:
    path = Path(frame.f_code.co_filename)
    inside = path.is_relative_to(REPOSITORY) and ".venv" not in path.parts
    return inside and "site-packages" not in path.parts


def _words(frame: FrameType) -> str:
    path = Path(frame.f_code.co_filename)
    if path.is_relative_to(REPOSITORY):
        path = path.relative_to(REPOSITORY)
    elif "site-packages" in path.parts:
        path = Path(*path.parts[path.parts.index("site-packages") + 1 :])
    return f"{path.as_posix()}:{frame.f_lineno} {frame.f_code.co_name}"


def dump_stacks(file: IO[str], heading: str) -> None:
    """Appends the heading and the stacks of all threads of this process."""
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    file.write(f"{when} {heading}\n")
    file.flush()
    faulthandler.dump_traceback(file, all_threads=True)
    file.flush()
    os.fsync(file.fileno())


def dump_children(heading: str) -> None:
    """Loader processes write their stacks to stderr, and end by it: for a process that ends too.

    They do where they began with `PYTHONFAULTHANDLER` in the environment.
    """
    children = multiprocessing.active_children()
    for child in children:
        print(f"{heading}: stack of {child.name}, process {child.pid}:", file=sys.stderr)
        sys.stderr.flush()
        if child.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGABRT)
    end = time.monotonic() + CHILDREN_S
    while any(child.is_alive() for child in children) and time.monotonic() < end:
        time.sleep(0.02)
    for child in children:
        child.kill()  # nobody else would
