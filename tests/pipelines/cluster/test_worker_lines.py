"""Workers' lines lose Ray's prefix and nothing else."""

from __future__ import annotations

import sys

import pytest

from pipelines.cluster.worker_lines import plain_worker_lines


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\x1b[36m(RayTrainWorker pid=403)\x1b[0m demo  epoch 1/2", "demo  epoch 1/2"),
        ("(RayTrainWorker pid=403) demo", "demo"),
        ("(RayTrainWorker pid=403, ip=10.0.0.2)   indented", "  indented"),
        ("(TrainController pid=7) a worker died", "(TrainController pid=7) a worker died"),
        ("see (RayTrainWorker pid=403) there", "see (RayTrainWorker pid=403) there"),
    ],
)
def test_the_prefix_alone_is_left_out(
    printed: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with plain_worker_lines():
        print(printed, flush=True)
    assert capsys.readouterr().out == f"{shown}\n"


def test_the_stream_is_put_back() -> None:
    before = sys.stdout
    with pytest.raises(KeyError), plain_worker_lines():
        assert sys.stdout.isatty() == before.isatty()
        raise KeyError
    assert sys.stdout is before
