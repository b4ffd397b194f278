"""A temporary directory that whoever comes next empties, of what a killed process left as well."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_in(folder: Path) -> Iterator[None]:
    """All temporary files of this process and of those that it starts lie in `folder`, which is
    empty at the start and gone at the end. For one process at a time: who calls holds a lock."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        os.environ.pop("TMPDIR")
        if variable is not None:
            os.environ["TMPDIR"] = variable
        shutil.rmtree(folder, ignore_errors=True)
