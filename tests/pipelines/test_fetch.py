"""fetch: raw data appear whole or not at all, linked or brought, with a manifest."""

import functools
import hashlib
import http.server
import io
import json
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.datasets.coco import Coco
from data.datasets.stick_figures import draw_split
from pipelines import fetch
from pipelines.host import places
from pipelines.intake.kept import Kept
from pipelines.intake.sources import DETECTIONS
from pipelines.recipe.schema import Pretrained
from tests.worlds.fault_proxy import FaultProxy

pytestmark = pytest.mark.usefixtures("home")
JSONS = [name for names in Coco.LAYOUT.needed for name in names]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of the official layout."""
    for split in Coco.SPLITS:
        draw_split(tmp_path / "source", split, 2, seed=1)
    boxes = tmp_path / "source" / DETECTIONS / "COCO_val2017_detections_AP_H_56_person.json"
    boxes.parent.mkdir()
    boxes.write_text("[]")
    return tmp_path / "source"


def put(server: Any, prefix: str, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        server.put_object(Bucket="bucket", Key=f"{prefix}/{name}", Body=content)


def bytes_below(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_folder_is_linked_not_copied(source: Path) -> None:
    fetch.fetch("coco", {"source": str(source)})
    raw = places.raw("coco")
    assert (raw / "train2017").is_symlink() and (raw / JSONS[0]).is_symlink()
    assert Coco().detections_file(raw, "val") and Coco().detections_file(raw, "train") is None
    manifest = json.loads((raw / "manifest.json").read_text())
    given = bytes_below(source)
    assert manifest["files"] == {name: len(content) for name, content in sorted(given.items())}
    assert manifest["sha256"] == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in given.items()
        if name.endswith(".json")
    }


def test_fetching_again_replaces_what_was_there_and_the_source_stays(source: Path) -> None:
    before = bytes_below(source)
    for _ in range(2):
        fetch.fetch("coco", {"source": str(source)})
    assert bytes_below(source) == before
    assert [p.name for p in places.raw("coco").parent.iterdir()] == ["coco"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"source": None}, "datasets.coco.source: given None, accepted: a folder"),
        ({"source": "nowhere"}, "datasets.coco.source: .*nowhere: no such folder"),
        ({"source": "ftp://host"}, "given ftp://host, accepted"),
    ],
)
def test_a_source_that_is_none_is_named(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        fetch.fetch("coco", settings)
    assert not list(places.raw("coco").parent.iterdir())


@pytest.mark.parametrize("lost", [*JSONS, *Coco.LAYOUT.folders])
def test_a_missing_split_is_named_and_the_former_data_stay(source: Path, lost: str) -> None:
    fetch.fetch("coco", {"source": str(source)})
    (source / lost).rename(source / "elsewhere")
    manifest = (places.raw("coco") / "manifest.json").read_bytes()
    with pytest.raises(ValueError, match=rf"no {lost}, accepted: COCO's official layout"):
        fetch.fetch("coco", {"source": str(source)})
    assert (places.raw("coco") / "manifest.json").read_bytes() == manifest


def test_a_truncated_json_is_refused_at_once(source: Path) -> None:
    path = source / JSONS[1]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"person_keypoints_val2017.json: truncated"):
        fetch.fetch("coco", {"source": str(source)})
    assert not places.raw("coco").exists()


def test_a_place_that_cannot_be_written_is_named(source: Path, home: Path) -> None:
    home.mkdir()
    (home / "data").write_text("a file where the folder should be")
    with pytest.raises(ValueError, match=r"cannot be written.*write access"):
        fetch.fetch("coco", {"source": str(source)})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_is_named(source: Path, home: Path) -> None:
    home.mkdir()
    home.chmod(0o500)
    with pytest.raises(ValueError, match=r"Permission denied.*write access"):
        fetch.fetch("coco", {"source": str(source)})


def official_zips(source: Path) -> dict[str, bytes]:
    zips = {}
    for name, tops in (
        ("annotations/annotations_trainval2017.zip", ["annotations"]),
        ("zips/val2017.zip", ["val2017"]),
        ("zips/train2017.zip", ["train2017"]),
    ):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for path in (p for top in tops for p in (source / top).iterdir()):
                file.write(path, path.relative_to(source))
        zips[name] = buffer.getvalue()
    return zips


@pytest.fixture
def mirror(tmp_path: Path, source: Path) -> Iterator[str]:
    """An http address with the official zips."""
    for name, content in official_zips(source).items():
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    handler = functools.partial(Quiet, directory=str(tmp_path / "mirror"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


def images_and_jsons(folder: Path) -> dict[str, bytes]:
    skipped = ("manifest.json", "detections.json", DETECTIONS)
    return {k: v for k, v in bytes_below(folder).items() if not k.startswith(skipped)}


@pytest.mark.contract
def test_official_zips_come_over_http(source: Path, mirror: str) -> None:
    boxes = str(source / DETECTIONS / "COCO_val2017_detections_AP_H_56_person.json")
    fetch.fetch("coco", {"source": mirror, "detections": boxes})
    assert images_and_jsons(places.raw("coco")) == images_and_jsons(source)
    assert Coco().detections_file(places.raw("coco"), "val") is not None
    assert not bytes_below(places.raw("coco").with_name(".downloads"))  # the zips are not kept


def test_detections_that_no_split_would_take_are_refused(source: Path, tmp_path: Path) -> None:
    boxes = source / DETECTIONS / "COCO_val2017_detections_AP_H_56_person.json"
    other = tmp_path / "my_detector.json"
    other.write_bytes(boxes.read_bytes())
    with pytest.raises(
        ValueError, match=r"coco\.detections: given '.*my_detector\.json', accepted"
    ):
        fetch.fetch("coco", {"source": str(source), "detections": str(other)})
    named = other.rename(tmp_path / boxes.name)
    fetch.fetch("coco", {"source": str(source), "detections": str(named)})
    assert Coco().detections_file(places.raw("coco"), "val") is not None


@pytest.mark.contract
def test_a_zip_that_the_site_lacks_is_named_and_nothing_is_left(
    mirror: str, tmp_path: Path
) -> None:
    (tmp_path / "mirror" / "zips" / "val2017.zip").unlink()
    with pytest.raises(ValueError, match=r"zips/val2017.zip: cannot be downloaded.*404"):
        fetch.fetch("coco", {"source": mirror})
    assert not places.raw("coco").exists()


@pytest.mark.contract
@pytest.mark.parametrize("zipped", [False, True])
def test_s3_brings_the_layout_or_the_zips(source: Path, zipped: bool, s3_server: Any) -> None:
    put(s3_server, "sets/coco", official_zips(source) if zipped else bytes_below(source))
    fetch.fetch("coco", {"source": "s3://bucket/sets/coco/"})
    assert images_and_jsons(places.raw("coco")) == images_and_jsons(source)
    with pytest.raises(ValueError, match="s3://bucket/none: neither"):
        fetch.fetch("coco", {"source": "s3://bucket/none"})


@pytest.mark.contract
@pytest.mark.parametrize("s3_server", ["rclone"], indirect=True)
def test_of_a_changed_source_on_s3_what_is_the_same_is_not_brought_again(
    source: Path, s3_faults: FaultProxy, s3_server: Any
) -> None:
    put(s3_server, "coco", bytes_below(source))
    fetch.fetch("coco", {"source": "s3://bucket/coco"})
    s3_faults.clear()
    image = next((source / "val2017").iterdir())
    content = image.read_bytes()[::-1]  # as many bytes
    s3_server.put_object(Bucket="bucket", Key=f"coco/val2017/{image.name}", Body=content)
    fetch.fetch("coco", {"source": "s3://bucket/coco"})
    assert s3_faults.count("GET", "/bucket/coco/") == 1
    raw = images_and_jsons(places.raw("coco"))
    assert raw == images_and_jsons(source) | {f"val2017/{image.name}": content}


@pytest.mark.contract
@pytest.mark.parametrize("s3_server", ["rclone"], indirect=True)
def test_what_an_interrupted_fetch_left_is_used_where_s3_has_it_still(
    source: Path, s3_faults: FaultProxy, s3_server: Any
) -> None:
    put(s3_server, "coco", bytes_below(source))
    same, other = (f"val2017/{path.name}" for path in sorted((source / "val2017").iterdir())[:2])
    kept = Kept(places.raw_of_home("coco").with_name(".downloads") / "coco", "s3://bucket/coco")
    for name, version in ((same, "this"), (other, "an older one")):
        (row,) = s3_server.list_objects_v2(Bucket="bucket", Prefix=f"coco/{name}")["Contents"]
        kept.path(name).parent.mkdir(parents=True, exist_ok=True)
        content = (source / name).read_bytes()
        kept.path(name).write_bytes(content if version == "this" else content[::-1])
        kept.add(name, str(row["ETag"]) if version == "this" else version)
    s3_faults.clear()
    fetch.fetch("coco", {"source": "s3://bucket/coco"})
    asked = [s3_faults.count("GET", f"/bucket/coco/{name}") for name in (same, other)]
    assert asked == [0, 1]
    assert images_and_jsons(places.raw("coco")) == images_and_jsons(source)


def test_stick_figures_are_drawn_and_checked() -> None:
    fetch.fetch("stick_figures", {"train_images": 2, "val_images": 1, "seed": 1})
    manifest = json.loads((places.raw("stick_figures") / "manifest.json").read_text())
    assert len(manifest["files"]) == 5 and len(manifest["sha256"]) == 2
    with pytest.raises(ValueError, match=r"stick_figures.val_images: given 0, accepted"):
        fetch.fetch("stick_figures", {"train_images": 2, "val_images": 0})


def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        [],
        ["nothing"],
        ["--weights"],
        ["--weights", "nothing"],
        ["coco", "--weights", "demo_hrnet"],
        ["coco", "--look", "coco"],
        ["--look", "nothing"],
    ):
        assert fetch.main(arguments) == 2
        assert capsys.readouterr().err.startswith("error: ")


def _weights(source: Path | str, content: bytes = b"weights") -> Pretrained:
    return Pretrained(str(source), hashlib.sha256(content).hexdigest())


def test_weights_are_brought_and_checked(tmp_path: Path) -> None:
    (tmp_path / "trunk.pth").write_bytes(b"weights")
    pretrained = _weights(tmp_path / "trunk.pth")
    for digest in (pretrained.sha256, pretrained.sha256[:8]):
        fetch.fetch_weights("some", Pretrained(pretrained.source, digest))
        assert (places.weights("some") / "trunk.pth").read_bytes() == b"weights"
    assert [p.name for p in places.weights("some").iterdir()] == ["trunk.pth"]


def test_no_weights_leave_a_note() -> None:
    fetch.fetch_weights("some", None)
    assert [p.name for p in places.weights("some").iterdir()] == ["none.json"]


def test_the_command_brings_what_a_recipe_says() -> None:
    assert fetch.main(["--weights", "demo_hrnet"]) == 0
    assert [p.name for p in places.weights("demo_hrnet").iterdir()] == ["none.json"]


@pytest.mark.parametrize("source", ["nowhere.pth", "http://127.0.0.1:9/trunk.pth"])
def test_missing_weights_say_how_to_go_without(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(ValueError, match=r"set `pretrained: null` in recipes/some.yaml"):
        fetch.fetch_weights("some", _weights(source))
    assert not places.weights("some").exists()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "trunk.pth").write_bytes(b"other weights")
    pretrained = _weights(tmp_path / "trunk.pth")
    with pytest.raises(ValueError, match=f"expected {pretrained.sha256}"):
        fetch.fetch_weights("some", pretrained)
    assert (tmp_path / "trunk.pth").exists() and not places.weights("some").exists()


class Champions:
    """A registry whose alias moves: brings the version's number as weights."""

    def __init__(self) -> None:
        self.version, self.asked = 1, 0

    def __call__(self, address: str, target: Path) -> str:
        self.asked += 1
        number = address.partition("@")[0].rpartition("/")[2] if "@" not in address else ""
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(f"weights {number or self.version}".encode())
        return f"models:/pose-coco/{number or self.version}/artifacts/model.safetensors"


@pytest.mark.parametrize(
    "text",
    [
        "seed: 1\npretrained: {source: 'models:/pose-coco@champion'}  # ours\nlast: x\n",
        "seed: 1\npretrained:\n  source: models:/pose-coco@champion  # ours\nlast: x\n",
        "seed: 1\npretrained:\n  source: models:/pose-coco@champion  # ours\n"
        "  sha256: 01234567\nlast: x\n",
    ],
    ids=["flow", "block", "again"],
)
def test_a_champion_is_pinned_fetched_and_refused_once_it_is_another(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, champions = tmp_path / "some.yaml", Champions()
    file.write_text(text)
    source = "models:/pose-coco@champion"
    with pytest.raises(ValueError, match="--weights some --pin` fills it in"):
        fetch.fetch_weights("some", Pretrained(source), champions)
    pinned = fetch.pin_weights("some", Pretrained(source), file, champions)
    digest = hashlib.sha256(b"weights 1").hexdigest()
    assert "models:/pose-coco/1/" in capsys.readouterr().out
    content = yaml.safe_load(file.read_text())
    assert content == {
        "seed": 1, "pretrained": {"source": source, "sha256": digest}, "last": "x"
    }  # fmt: skip
    assert "# ours" in file.read_text() and pinned.sha256 == digest
    fetch.fetch_weights("some", pinned, champions)
    assert champions.asked == 1, "what the pin brought is not brought again"
    assert (places.weights("some") / "model.safetensors").read_bytes() == b"weights 1"
    champions.version = 2
    with pytest.raises(ValueError, match=r"is models:/pose-coco/2/.* now, whose sha256 is .*--pin"):
        fetch.fetch_weights("some", pinned, champions)
    assert (places.weights("some") / "model.safetensors").read_bytes() == b"weights 1"
    fetch.pin_weights("some", pinned, file, champions)
    assert hashlib.sha256(b"weights 2").hexdigest() in file.read_text()
    assert digest not in file.read_text()


def test_a_file_is_pinned_too_and_a_recipe_without_weights_is_not(tmp_path: Path) -> None:
    (tmp_path / "trunk.pth").write_bytes(b"weights")
    file = tmp_path / "some.yaml"
    file.write_text("pretrained: {source: trunk.pth}\n")
    pinned = fetch.pin_weights("some", Pretrained(str(tmp_path / "trunk.pth")), file)
    assert pinned.sha256 == hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(ValueError, match=r"pretrained: none, accepted: pretrained: \{source"):
        fetch.pin_weights("some", None, file)
    assert fetch.main(["coco", "--pin"]) == 2
