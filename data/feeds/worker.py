"""A process that serves another one, over a fork server, ends with it, however that ends.

Nobody else sees to that: its parent by the kernel is the fork server, which waits for it, since it
holds the very pipe whose end would tell the server that nobody is left.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from multiprocessing.util import get_temp_dir


def end_with_parent() -> None:
    """For the beginning of a worker: a thread of it waits for the end of whoever asked for it."""
    threading.Thread(target=_wait_and_end, name="parent", daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # by a pipe that the parent alone holds: the kernel closes it
        shutil.rmtree(get_temp_dir(), ignore_errors=True)  # the parent's
        os._exit(1)
