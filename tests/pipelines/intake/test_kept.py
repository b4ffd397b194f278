"""What is kept of an interrupted fetch: of one source, each file of a version that it has."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from data.datasets.coco import Coco
from pipelines.intake import sources
from pipelines.intake.kept import Kept
from pipelines.intake.sources import belongs

SOURCE = "s3://bucket/coco"


def put(kept: Kept, name: str, version: str) -> None:
    kept.path(name).parent.mkdir(parents=True, exist_ok=True)
    kept.path(name).write_text(name)
    kept.add(name, version)


def test_a_file_is_used_again_where_source_and_version_are_the_same(tmp_path: Path) -> None:
    put(Kept(tmp_path, SOURCE), "val/a.jpg", "1")
    kept = Kept(tmp_path, SOURCE)
    assert kept.has("val/a.jpg", "1")
    assert not kept.has("val/a.jpg", "2"), "another content of the same name and size"
    assert not kept.has("val/a.jpg", "") and not kept.has("val/b.jpg", "1")
    assert not Kept(tmp_path, "s3://bucket/other").has("val/a.jpg", "1")
    kept.path("val/a.jpg").unlink()
    assert not kept.has("val/a.jpg", "1")


def test_the_newest_line_counts_and_a_torn_or_strange_one_does_not(tmp_path: Path) -> None:
    kept = Kept(tmp_path, SOURCE)
    put(kept, "a", "1")
    put(kept, "a", "2")
    with (kept.folder / ".versions").open("a") as file:
        file.write('3\n["b", 5]\n{"a": 1}\n["a", "3"')
    assert Kept(tmp_path, SOURCE).has("a", "2")


def test_what_came_of_any_source_goes_in_the_end(tmp_path: Path) -> None:
    put(Kept(tmp_path / "coco", "https://mirror"), "a", "1")
    kept = Kept(tmp_path / "coco", SOURCE)
    put(kept, "a", "1")
    kept.forget()
    assert not (tmp_path / "coco").exists()


@pytest.mark.parametrize(
    "key",
    [
        "/etc/person_detection_results/boxes.json", "deep/person_detection_results/boxes.json",
        "../val2017/a.jpg", "val2017/../../a.jpg", "/val2017/a.jpg", "val2017", "other/a.jpg",
    ],
)  # fmt: skip
def test_a_key_that_leads_elsewhere_belongs_to_no_layout(key: str) -> None:
    assert not belongs(key, Coco.LAYOUT)
    for told in ("person_detection_results/boxes.json", "val2017/a.jpg", "val2017/deep/a.jpg"):
        assert belongs(told, Coco.LAYOUT)


def test_official_zips_that_lie_there_are_held_against_their_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever brought them: `bring` takes a file that is there where it agrees."""
    asked = {}

    def bring(address: str, target: Path, digest: str, size: int) -> None:
        asked[address] = (target, digest, size)
        raise ValueError("stop here")

    monkeypatch.setattr(sources, "bring", bring)
    first, layout = Coco.LAYOUT.archives[0], Coco.LAYOUT
    name = PurePosixPath(first.name).name
    kept = Kept(tmp_path / "kept", f"https://{layout.official}")
    put(kept, name, "1")
    with pytest.raises(ValueError, match="stop here"):
        sources.bring_source(
            layout, f"https://{layout.official}", "x", tmp_path / "raw", tmp_path / "kept"
        )
    told = f"https://{layout.official}/{first.name}"
    assert asked == {told: (kept.path(name), first.digest, first.size)}
    assert first.digest
