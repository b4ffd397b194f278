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


def test_what_ray_calls_an_error_of_its_watcher_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = "core_worker.cc:2465: Actor with class name: 'PreemptionWatcher' and ID: '92' has"
    other = "(TrainController pid=7) [E 7 8] core_worker.cc:9: out of memory"
    with plain_worker_lines():
        for line in (f"(TrainController pid=7) [E 7 8] {said}", other):
            print(line, file=sys.stderr)
    assert capsys.readouterr().err == f"{other}\n"


def test_the_stream_is_put_back() -> None:
    before = sys.stdout
    with pytest.raises(KeyError), plain_worker_lines():
        assert sys.stdout.isatty() == before.isatty()
        raise KeyError
    assert sys.stdout is before
