"""What a manifest tells of raw data: sizes of files, digests of labels, links followed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipelines.intake.manifest import NAME, manifest_of, manifest_of_members


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_every_file_has_its_size_and_labels_a_digest(tmp_path: Path) -> None:
    write(tmp_path / "truth.mat", "mat")
    write(tmp_path / "images" / "train" / "b.jpg", "picture")
    write(tmp_path / "images" / "train" / "a.jpg", "pic")
    write(tmp_path / "annotations" / "val.json", "{}")
    (tmp_path / "images" / "empty").mkdir()
    told = manifest_of(tmp_path)
    assert list(told["files"].items()) == [
        ("annotations/val.json", 2),
        ("images/train/a.jpg", 3),
        ("images/train/b.jpg", 7),
        ("truth.mat", 3),
    ]
    assert told["sha256"] == {"annotations/val.json": sha256("{}"), "truth.mat": sha256("mat")}


def test_links_count_as_what_they_lead_to(tmp_path: Path) -> None:
    source, raw = tmp_path / "source", tmp_path / "raw"
    write(source / "images" / "train" / "a.jpg", "picture")
    write(source / "truth.json", "[1]")
    (raw / "annotations").mkdir(parents=True)
    (raw / "images").symlink_to(source / "images")
    (raw / "annotations" / "truth.json").symlink_to(source / "truth.json")
    told = manifest_of(raw)
    assert told["files"] == {"annotations/truth.json": 3, "images/train/a.jpg": 7}
    assert told["sha256"] == {"annotations/truth.json": sha256("[1]")}
    write(source / "truth.json", "[2]")
    assert manifest_of(raw)["sha256"] != told["sha256"], "the labels changed behind the link"


def test_links_below_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    source, disk, raw = tmp_path / "source", tmp_path / "disk", tmp_path / "raw"
    write(disk / "train" / "deep" / "a.jpg", "picture")
    (source / "images").mkdir(parents=True)
    (source / "images" / "train").symlink_to(disk / "train")
    (disk / "train" / "back").symlink_to(source / "images")
    (disk / "train" / "lost.jpg").symlink_to(disk / "nowhere.jpg")
    raw.mkdir()
    (raw / "images").symlink_to(source / "images")
    assert manifest_of(raw)["files"] == {"images/train/deep/a.jpg": 7}


def test_raw_data_made_of_others_tell_the_manifests_of_those(tmp_path: Path) -> None:
    members = {name: write(tmp_path / name / NAME, name).parent for name in ("mpii", "coco")}
    told = manifest_of_members(members)
    assert told == {"members": {"mpii": sha256("mpii"), "coco": sha256("coco")}}
    write(tmp_path / "coco" / NAME, "fetched again, and other files")
    again = manifest_of_members(members)["members"]
    assert again["mpii"] == sha256("mpii") and again["coco"] != sha256("coco")
