"""A run folder in S3 while the server refuses, breaks off and damages: nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.depot.checkpoints import checkpoint_name, stored_manifests
from pipelines.depot.mirror import Mirror, Pace
from pipelines.store.opening import open_store
from pipelines.training import checkpoint
from pipelines.training.checkpoint import Manifest, read_manifests
from tests.worlds.fault_proxy import FaultProxy
from tests.worlds.s3_servers import BUCKET
from tests.worlds.uploading import save

pytestmark = pytest.mark.contract

KEY = "small-0123456789ab"
ADDRESS = f"s3://{BUCKET}/prefix"
PACE = Pace(look_s=0.05, quiet_s=0.0, back_off_s=0.05, longest_s=0.1, patience_s=100.0)
LIMIT_S = 100.0


def begun(folder: Path, pace: Pace = PACE) -> Mirror:
    folder.mkdir(exist_ok=True)
    mirror = Mirror(open_store(ADDRESS), KEY, folder, pace)
    mirror.begin()
    mirror.start()
    return mirror


def newest_name(folder: Path) -> str:
    return checkpoint_name(KEY, read_manifests(folder)[-1])


def stored() -> list[Manifest]:
    return stored_manifests(open_store(ADDRESS), KEY)


@pytest.mark.parametrize("s3_server", ["rclone"], indirect=True)
@pytest.mark.parametrize("does", ["ExpiredToken", "SlowDown", "reset"])
def test_what_goes_wrong_for_a_while_loses_nothing(
    tmp_path: Path, s3_faults: FaultProxy, does: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = begun(tmp_path / "run")
    s3_faults.add(does)
    save(tmp_path / "run", 1)
    while not mirror.trouble:
        assert not mirror.flush(0.05)
    save(tmp_path / "run", 2)
    mirror.check()
    s3_faults.clear()
    mirror.close()
    assert [each.step for each in stored()] == [1, 2]
    begun(tmp_path / "elsewhere").close()
    assert read_manifests(tmp_path / "elsewhere") == read_manifests(tmp_path / "run")
    said = capsys.readouterr().err
    assert said.count("nothing goes up since") == said.count("answers again") == 1


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_a_server_that_stays_away_is_told_and_what_was_left_goes_up_later(
    tmp_path: Path, s3_faults: FaultProxy
) -> None:
    mirror = begun(tmp_path / "run", Pace(0.05, 0.0, 0.05, 0.1, patience_s=0.5))
    s3_faults.add("AccessDenied", method="PUT")
    save(tmp_path / "run", 1)
    with pytest.raises(ValueError, match=r"step_00000001\.pt is not up") as refused:
        mirror.close()
    assert "s3:PutObject" in str(refused.value) and str(tmp_path / "run") in str(refused.value)
    assert not stored()
    s3_faults.clear()
    begun(tmp_path / "run").close()
    assert stored() == read_manifests(tmp_path / "run")


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_one_that_is_damaged_on_its_way_is_passed_over(
    tmp_path: Path, s3_faults: FaultProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = begun(tmp_path / "run")
    save(tmp_path / "run", 1)
    save(tmp_path / "run", 2)
    mirror.close()
    s3_faults.add("damage", method="GET", holds=newest_name(tmp_path / "run"))
    begun(tmp_path / "second").close()
    assert "trying the one before" in capsys.readouterr().out
    latest = checkpoint.latest_checkpoint(tmp_path / "second", "f", "c")
    assert latest is not None and latest.name == "step_00000001.pt"
    assert [each.step for each in stored()] == [1, 2], "damaged on the way is not damaged there"
