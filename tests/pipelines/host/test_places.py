"""Where things lie for a copy that DVC made for a trial: its outs there, all else in its origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.host import places

STORE = Path("data/store/raw/some")


@pytest.fixture(params=["standalone/tmp12ab", "tmp12ab"])  # --temp; --queue
def copy(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """(a trial's copy, its origin); the latter has raw data, of the former DVC knows a manifest."""
    trial = tmp_path / ".dvc" / "tmp" / "exps" / request.param
    for root in (tmp_path, trial):
        (root / STORE).mkdir(parents=True)
        (root / STORE / "manifest.json").write_text("{}")
    (tmp_path / STORE / "images").mkdir()
    monkeypatch.setenv("LIMBER_HOME", str(trial))
    return trial, tmp_path


def test_a_trial_reads_raw_data_where_its_origin_has_them(copy: tuple[Path, Path]) -> None:
    trial, origin = copy
    assert (places.home(), places.origin()) == (trial, origin)
    assert places.raw("some") == origin / STORE
    assert places.raw_of_home("some") == trial / STORE
    assert places.runs() == origin / "runs"
    assert places.tracking_database() == origin / "mlflow.db"
    assert places.prepared("some") == trial / "data/store/prepared/some"
    assert places.trained("some") == trial / "results/some/trained"


def test_a_trial_that_fetched_by_itself_reads_its_own(copy: tuple[Path, Path]) -> None:
    trial, _ = copy
    (trial / STORE / "images").mkdir()
    assert places.raw("some") == trial / STORE


def test_raw_data_of_another_fetch_are_refused(copy: tuple[Path, Path]) -> None:
    trial, _ = copy
    (trial / STORE / "manifest.json").write_text('{"other": 1}')
    with pytest.raises(
        ValueError, match="of another fetch than this trial's; run `dvc repro fetch"
    ):
        places.raw("some")


def test_a_checkout_is_its_own_origin(home: Path) -> None:
    assert places.origin() == places.home() == home
    assert places.raw("some") == places.raw_of_home("some") == home / STORE


def test_a_packaged_copy_says_where_its_home_is_or_has_one_per_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "_ray_pkg_1234"
    copy.mkdir()
    monkeypatch.setattr(places, "REPOSITORY", copy)
    for name in ("LIMBER_HOME", "LIMBER_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="packaged copy without data"):
        places.home()
    (copy / ".limber_home").write_text("/checkout\n")
    assert places.home() == Path("/checkout")
    monkeypatch.setenv("LIMBER_STORAGE", "s3://bucket/prefix")
    monkeypatch.setenv("LIMBER_CACHE", str(tmp_path / "disk"))
    assert places.home() == tmp_path / "disk" / "home"
    monkeypatch.setenv("LIMBER_HOME", str(tmp_path / "given"))
    assert places.home() == tmp_path / "given"
