"""The formats of labels by name: how each is read, and how some are written."""

from __future__ import annotations

from data.datasets.formats.labels import Reader, Writer

READERS: dict[str, Reader] = {}
WRITERS: dict[str, Writer] = {}
