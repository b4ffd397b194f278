"""Tables come back as written, without a copy, and workers share their memory."""

import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from data.files.table import Table, write_table
from tests.worlds.here import ROOT


def _columns(rows: int = 5) -> dict:
    return {
        "id": np.arange(rows),
        "box": np.arange(rows * 4, dtype=np.float32).reshape(rows, 4),
        "seen": np.ones((rows, 3), np.int8),
        "path": [f"bild-ü-{i}.jpg" for i in range(rows)],
    }


def test_columns_come_back_with_type_and_shape(tmp_path: Path) -> None:
    write_table(tmp_path / "t.arrow", _columns())
    table = Table(tmp_path / "t.arrow")
    assert len(table) == 5 and table.names == ["id", "box", "seen", "path"]
    for name in ("id", "box", "seen"):
        assert table[name].dtype == _columns()[name].dtype
        np.testing.assert_array_equal(table[name], _columns()[name])
    assert list(table["path"]) == _columns()["path"] and table["path"][-1] == "bild-ü-4.jpg"
    assert table["path"][1:3] == _columns()["path"][1:3]


def test_numbers_are_views_of_the_mapped_file(tmp_path: Path) -> None:
    write_table(tmp_path / "t.arrow", _columns())
    first, again = (Table(tmp_path / "t.arrow")["box"] for _ in range(2))
    assert not first.flags.owndata and not first.flags.writeable
    mapped = [m for m in psutil.Process().memory_maps(grouped=False) if "t.arrow" in m.path]
    assert len(mapped) == 2 and first.ctypes.data != again.ctypes.data


def test_empty_and_pickled_tables(tmp_path: Path) -> None:
    write_table(tmp_path / "t.arrow", _columns(0))
    table = pickle.loads(pickle.dumps(Table(tmp_path / "t.arrow")))
    assert len(table) == 0 and table["box"].shape == (0, 4) and list(table["path"]) == []


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_the_file_is_what_arrow_writes_of_itself(tmp_path: Path, kind: str) -> None:
    """Its bytes, of every kind of number; and read from the middle of a column, too."""
    numbers, texts = np.arange(-3, 9).astype(kind).reshape(6, 2), [*"abü", "", "x" * 99, "\n"]
    write_table(tmp_path / "t.arrow", {"n": numbers, "first": numbers[:, 0], "t": texts})
    flat = pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), 2)
    first, strings = pa.array(numbers[:, 0].copy()), pa.array(texts, type=pa.large_string())
    batch = pa.RecordBatch.from_arrays([flat, first, strings], names=["n", "first", "t"])
    with pa.ipc.new_file(tmp_path / "theirs.arrow", batch.schema) as writer:
        writer.write_batch(batch)
    assert (tmp_path / "t.arrow").read_bytes() == (tmp_path / "theirs.arrow").read_bytes()
    table = Table(tmp_path / "t.arrow")
    assert table["n"].dtype == numbers.dtype and (table["n"] == numbers).all()
    part = Table(tmp_path / "t.arrow")
    part._opened = batch.slice(2, 3)
    assert (part["n"] == numbers[2:5]).all() and (part["first"] == numbers[2:5, 0]).all()


@pytest.mark.parametrize("column", [pa.array([1, None]), pa.array([True, False])])
def test_columns_of_others_are_refused(tmp_path: Path, column: pa.Array) -> None:
    batch = pa.RecordBatch.from_arrays([column], names=["n"])
    with pa.ipc.new_file(tmp_path / "t.arrow", batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(ValueError, match=r"a column n of (int64|bool), accepted: numbers without"):
        Table(tmp_path / "t.arrow")["n"]


@pytest.mark.contract
def test_no_table_imports_pandas(tmp_path: Path) -> None:
    """Half a second in each loader worker."""
    work = (
        "import numpy as np, sys; from pathlib import Path; "
        "from data.files.table import Table, write_table; path = Path('t.arrow'); "
        "write_table(path, {'n': np.zeros((2, 2)), 't': ['a', 'b']}); table = Table(path); "
        "table['n'], table['t'][0]; print('pandas' in sys.modules)"
    )
    shell = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", work], cwd=tmp_path, env=shell, capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr


def test_slicing_a_big_table_keeps_the_pickle_small(tmp_path: Path) -> None:
    write_table(tmp_path / "t.arrow", {"x": np.zeros((100_000, 8))})
    table = Table(tmp_path / "t.arrow")
    assert table["x"].sum() == 0 and len(pickle.dumps(table)) < 1000


@pytest.mark.parametrize("bad", [np.zeros((2, 2, 2)), np.array(["a", "b"])])
def test_other_kinds_are_refused_and_nothing_is_written(tmp_path: Path, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="accepted"):
        write_table(tmp_path / "t.arrow", {"x": bad})
    with pytest.raises(ValueError, match="one length"):
        write_table(tmp_path / "t.arrow", {"x": np.zeros(2), "y": np.zeros(3)})
    assert not list(tmp_path.iterdir())


def test_missing_broken_and_unknown_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such table"):
        len(Table(tmp_path / "none.arrow"))
    (tmp_path / "t.arrow").write_bytes(b"not arrow")
    with pytest.raises(ValueError, match="Arrow"):
        len(Table(tmp_path / "t.arrow"))
    write_table(tmp_path / "t.arrow", _columns())
    with pytest.raises(ValueError, match="no column 'boxes'; it has id, box"):
        Table(tmp_path / "t.arrow")["boxes"]


def _work(table: Table, keep_copy: bool, ready, go) -> None:
    """A worker: touches every page, then waits while the parent measures."""
    kept = np.array(table["x"]) if keep_copy else table["x"]
    ready.put(float(kept.sum()))
    go.wait(60)


def _unique_bytes_per_worker(table: Table, workers: int, keep_copy: bool = False) -> float:
    """Mean unique set size of `workers` processes that have all read the whole table."""
    context = multiprocessing.get_context("forkserver")
    ready, go = context.Queue(), context.Event()
    arguments = (table, keep_copy, ready, go)
    started = [context.Process(target=_work, args=arguments) for _ in range(workers)]
    for process in started:
        process.start()
    try:
        for _ in started:
            ready.get(timeout=60)
        return sum(psutil.Process(p.pid).memory_full_info().uss for p in started) / workers
    finally:
        go.set()
        for process in started:
            process.join(60)


@pytest.mark.contract
def test_workers_share_the_table(tmp_path: Path) -> None:
    size = 64 * 2**20
    write_table(tmp_path / "t.arrow", {"x": np.ones((size // 64, 8))})
    table = Table(tmp_path / "t.arrow")
    assert table["x"].sum() == size / 8  # the process that starts the workers reads it too
    one, four = _unique_bytes_per_worker(table, 1), _unique_bytes_per_worker(table, 4)
    assert abs(four - one) < size / 8
    write_table(tmp_path / "small.arrow", {"x": np.ones((1, 8))})
    without = _unique_bytes_per_worker(Table(tmp_path / "small.arrow"), 1)
    assert one - without < size / 8
    assert _unique_bytes_per_worker(table, 1, keep_copy=True) - without > size * 7 / 8
