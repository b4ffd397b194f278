"""Columns on disk, read without copying: one uncompressed Arrow IPC file, memory-mapped.

A `Table` travels to another process by its path; all processes share the pages of one mapping.
Numbers go to Arrow and back by their bytes: its own `pa.array` and `to_numpy` import pandas, half a
second in each loader worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa

from data.files.whole_file import whole_file
from data.ground.refusal import refusal

Column = np.ndarray | Sequence[str]
NUMPY_NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}  # by Arrow's
NUMBERS = {*NUMPY_NAMES, *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}


def write_table(path: Path, columns: Mapping[str, Column]) -> None:
    """Writes columns of equal length (1-D, 2-D [N, M] or strings) to `path`, whole or not at all.

    Raises ValueError where lengths differ or a column has another kind.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise refusal(path, given=lengths, accepted="columns of one length")
    arrays = {name: _to_arrow(f"{path}: {name}", column) for name, column in columns.items()}
    batch = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
    with whole_file(path) as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _to_arrow(where: str, column: Column) -> pa.Array:
    if not isinstance(column, np.ndarray):
        return _strings(column)
    if column.ndim not in (1, 2) or column.dtype.kind not in "iuf":
        fault = f"given {column.dtype} {list(column.shape)}"
        accepted = "1-D or 2-D arrays of numbers, or a list of strings"
        raise refusal(where, fault=fault, accepted=accepted)
    flat = np.ascontiguousarray(column).reshape(-1)
    kind = pa.from_numpy_dtype(flat.dtype)
    values = pa.Array.from_buffers(kind, len(flat), [None, pa.py_buffer(flat)])
    if column.ndim == 1:
        return values
    return pa.FixedSizeListArray.from_arrays(values, column.shape[1])


def _strings(column: Sequence[str]) -> pa.Array:
    texts = [text.encode() for text in column]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


class Strings(Sequence[str]):
    """A string column; each row is read from the file when asked for."""

    def __init__(self, array: pa.Array) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        text: str = self._array[int(row)].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))


class Table:
    """A file of `write_table`: `table["name"]` is a read-only view [N] or [N, M], or `Strings`.

    Opened when first used. Raises ValueError where the file is missing or no table.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._opened: pa.RecordBatch | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_opened": None}

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    @property
    def names(self) -> list[str]:
        return list(self._batch.schema.names)

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            remedy = f"it has {', '.join(self.names)}"
            raise refusal(self.path, fault=f"no column {name!r}", do=remedy)
        column = self._batch.column(name)
        if pa.types.is_large_string(column.type):
            return Strings(column)
        width = column.type.list_size if pa.types.is_fixed_size_list(column.type) else None
        numbers = column if width is None else column.flatten()
        if numbers.null_count or str(numbers.type) not in NUMBERS:
            given = f"a column {name} of {column.type}"
            raise refusal(self.path, fault=given, accepted="numbers without gaps")
        return _view(numbers) if width is None else _view(numbers).reshape(len(self), width)

    @property
    def _batch(self) -> pa.RecordBatch:
        if self._opened is None:
            self._opened = _open(self.path)
        return self._opened


def _view(numbers: pa.Array) -> np.ndarray:
    """[N] read-only: the file's own bytes."""
    kind = np.dtype(NUMPY_NAMES.get(str(numbers.type), str(numbers.type)))
    if not len(numbers):
        return np.empty(0, kind)
    values = np.frombuffer(numbers.buffers()[1], kind)
    return values[numbers.offset : numbers.offset + len(numbers)]


def _open(path: Path) -> pa.RecordBatch:
    if not path.is_file():
        remedy = "`python -m pipelines.prepare DATASET` or `make demo` writes it"
        raise refusal(path, fault="no such table", do=remedy)
    try:
        return pa.ipc.open_file(pa.memory_map(str(path), "r")).get_batch(0)
    except (pa.ArrowInvalid, OSError) as error:
        fault = f"not a table in Arrow's IPC file format ({error})"
        remedy = "remove the folder and run `python -m pipelines.prepare` again"
        raise refusal(path, fault=fault, do=remedy) from error
