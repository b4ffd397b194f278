"""What all tests share: a home of their own, the tiers, and a unit tier that starts no process."""

from __future__ import annotations

import multiprocessing.process
import os
import platform
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from pipelines.host import places, signals
from pipelines.host.signals import SIGNALS, forget_signals
from tests.worlds.fault_proxy import FaultProxy, fault_proxy
from tests.worlds.here import REAL_DATA, ROOT
from tests.worlds.s3_servers import KINDS, emptied, served, use
from tests.worlds.started import command_of, still_there

TIERS = ("unit", "contract", "road")
LONGEST = ("road", "chaos/test_draw.py", "pipelines/test_export.py")
STARTED_BY_TESTS = "LIMBER_TESTS"  # in the environment of all that tests start: whose


def pytest_configure(config: pytest.Config) -> None:
    """Workers of pytest-xdist share the machine: one thread of torch each. A hang-up is heard in
    tests also where they run under `nohup`, whose children would not hear it."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    platform.processor()  # by a process, once: whoever imports mlflow asks
    if hasattr(config, "workerinput"):
        torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test is of one tier: the one that it names, else road below tests/road, else unit.

    The longest first: a file is one worker's.
    """
    roads, *_ = longest = [ROOT / "tests" / place for place in LONGEST]
    items.sort(key=lambda item: not any(item.path.is_relative_to(place) for place in longest))
    for item in items:
        own = [tier for tier in TIERS if item.get_closest_marker(tier)]
        if len(own) > 1:
            raise pytest.UsageError(f"{item.nodeid}: given {own}, accepted: one tier of a test")
        if not own:
            item.add_marker("road" if roads in item.path.parents else "unit")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A unit test, or a fixture of its, that starts a process or listens on a port fails."""
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("unit"):
            patch.setattr(subprocess.Popen, "__init__", refuse_process)
            patch.setattr(multiprocessing.process.BaseProcess, "start", refuse_process)
            patch.setattr(socket.socket, "listen", refuse_process)
        return (yield)


def refuse_process(*_: Any, **__: Any) -> NoReturn:
    pytest.fail("a unit test starts a process or listens: mark it `contract`")


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    """What tests start is gone when all are through; what is not is told, and ended."""
    os.environ[STARTED_BY_TESTS] = me = str(os.getpid())
    yield
    left = still_there(STARTED_BY_TESTS, me)
    told = [command_of(process) for process in left]
    for process in left:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    assert not told, f"processes that tests left behind: {told}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, not made yet, whose tracker is a file in it."""
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "home"


@pytest.fixture(scope="module")
def module_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """As `home`, for all tests of a module; it is there already."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMBER_HOME", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield folder


@pytest.fixture
def signals_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What catches the signals that end a command is put back when the test is over; one that a
    test caught does not come again."""
    monkeypatch.setattr(signals, "AGAIN_S", 1e6)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    forget_signals()


@pytest.fixture
def s3_variables_as_before() -> Iterator[None]:
    """What a command or a client sets in the environment to reach S3 goes when the test is over."""
    named = ("AWS_", "MLFLOW_S3_")
    before = {name: value for name, value in os.environ.items() if name.startswith(named)}
    yield
    for name in [name for name in os.environ if name.startswith(named)]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread of torch, as in a rank: tests run beside each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small real data sets, so that no test reaches the real ones by a link; without
    $LIMBER_REAL_DATA the test is skipped."""
    if REAL_DATA is None:
        pytest.skip("LIMBER_REAL_DATA names no folder")
    folder = tmp_path_factory.mktemp("real") / "data"
    shutil.copytree(REAL_DATA, folder, copy_function=shutil.copyfile)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture
def real_coco(home: Path, real_data: Path) -> Path:
    """The small real COCO as the home's raw `coco`."""
    raw = places.raw("coco")
    raw.parent.mkdir(parents=True)
    raw.symlink_to(real_data / "coco_mini")
    return raw


@pytest.fixture(scope="session")
def s3_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Address of the S3 server of a kind, started once for all tests that ask."""
    with ExitStack() as stack:

        @cache
        def address(kind: str) -> str:
            return stack.enter_context(served(kind, tmp_path_factory.mktemp("s3") / "buckets"))

        yield address


@pytest.fixture
def s3(s3_servers: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of moto's S3 server with nothing but an empty bucket `bucket`; $AWS_... name it."""
    return emptied(s3_servers("moto"), monkeypatch)


@pytest.fixture(params=KINDS)
def s3_server(
    request: pytest.FixtureRequest,
    s3_servers: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """As `s3`, of each kind of server in turn."""
    return emptied(s3_servers(request.param), monkeypatch)


@pytest.fixture(scope="session")
def s3_proxies() -> Iterator[Callable[[str], FaultProxy]]:
    """The proxy before the server of an address, started once for all tests that ask."""
    with ExitStack() as stack:

        @cache
        def proxy(behind: str) -> FaultProxy:
            return stack.enter_context(fault_proxy(behind))

        yield proxy


@pytest.fixture
def s3_faults(
    s3_server: Any,
    s3_proxies: Callable[[str], FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FaultProxy]:
    """A proxy before `s3_server`, which ours go through; two attempts of a request."""
    proxy = s3_proxies(s3_server.meta.endpoint_url)
    use(proxy.address, monkeypatch, {"AWS_MAX_ATTEMPTS": "2"})
    yield proxy
    proxy.clear()
