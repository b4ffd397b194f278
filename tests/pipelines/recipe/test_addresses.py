"""Recipes and params.yaml with a password in an address are refused where they are read, so that no
file repeats it; what harmless addresses hold is let be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import detect, fetch, storage
from pipelines.host import places
from pipelines.recipe import reader
from pipelines.recipe.addresses import check_addresses, check_params
from pipelines.recipe.params import PARAMS, dataset_settings, load_params
from pipelines.recipe.storage import STORAGE, read_storage
from pipelines.recipe.typed import typed_recipe

SECRET = "hunter2"
ADDRESSES = (
    f"https://ann:{SECRET}@host/w.pt",
    f"https://{SECRET}@host/w.pt",
    f"s3://key:{SECRET}@bucket/w.pt",
    f"https://host/w.pt?token={SECRET}",
    f"https://host/w.pt?x=1&api_key={SECRET}",
    f"https://host/w.pt?X-Amz-Credential=AKIA{SECRET}&X-Amz-Signature={SECRET}",
    f"https://host/w.pt?AWSAccessKeyId={SECRET}&Signature={SECRET}",
)


def written(path: Path, key: str, value: object, like: Path) -> Path:
    """A copy of a yaml file with another value at a key, as `datasets.coco.source`."""
    content = inner = yaml.safe_load(like.read_text())
    *above, last = key.split(".")
    for each in above:
        inner[each] = inner.get(each) or {}
        inner = inner[each]
    inner[last] = value
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_recipe_is_refused_by_each_reader(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe, key = reader.recipe_path("demo_hrnet"), "pretrained.source"
    written(tmp_path / "recipes/some.yaml", key, address, recipe)
    monkeypatch.setattr(places, "REPOSITORY", tmp_path)
    monkeypatch.setattr(reader, "REPOSITORY", tmp_path)
    reads: tuple[Callable[[str], Any], ...] = (reader.load_recipe, typed_recipe)
    for read in reads:
        with pytest.raises(ValueError, match=r"recipes/some.yaml: pretrained.source: ") as caught:
            read("some")
        assert SECRET not in str(caught.value) and "~/.netrc" in str(caught.value)
    assert fetch.main(["--weights", "some", "--pin"]) == 2
    said = capsys.readouterr()
    assert "recipes/some.yaml: pretrained.source" in said.err and SECRET not in said.out + said.err


@pytest.mark.parametrize("address", ADDRESSES)
def test_params_are_refused(
    address: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(home / "params.yaml", "datasets.coco.source", address, PARAMS)
    for read in (load_params, lambda path: dataset_settings("coco", path)):
        with pytest.raises(ValueError, match=r"params.yaml: datasets.coco.source: ") as caught:
            read(path)
        assert SECRET not in str(caught.value) and "~/.netrc" in str(caught.value)
    monkeypatch.setattr(fetch, "dataset_settings", lambda name: dataset_settings(name, path))
    assert fetch.main(["--look", "coco"]) == 2
    said = capsys.readouterr()
    assert "datasets.coco.source" in said.err and SECRET not in said.out + said.err
    for file in home.rglob("*.json"):
        assert SECRET not in file.read_text(), file


def test_wherever_it_stands(tmp_path: Path) -> None:
    content = {"a": {"b": [1, {"c": ADDRESSES[0]}]}, "d": None}
    with pytest.raises(ValueError, match=r"^file: a.b\[1\].c: "):
        check_addresses(content, "file")
    with pytest.raises(ValueError, match=r"^file: https://ann:\*\*\*@host/w.pt: "):
        check_addresses({ADDRESSES[0]: 1}, "file")
    for key in ("s3.endpoint", "storage", "detectors.x.file", "tracking.experiment"):
        path = written(tmp_path / "params.yaml", key, ADDRESSES[0], PARAMS)
        with pytest.raises(ValueError, match=f"params.yaml: {key}: "):
            load_params(path)


def test_a_trackers_password_and_harmless_addresses_are_let_be(tmp_path: Path) -> None:
    uri = f"http://ann:{SECRET}@tracker:5000"
    path = written(tmp_path / "params.yaml", "tracking.uri", uri, PARAMS)
    assert load_params(path)["tracking"]["uri"] == uri
    harmless = (
        "https://host:8443/a@b/w.pt?download=1&versionId=3", "s3://bucket/prefix/w@2.pt",
        "hf://owner/name/w.pt", "models:/pose-coco@champion", "runs:/0123", "~/w.pt", "/a/b@c.pt",
    )  # fmt: skip
    for each in harmless:
        check_addresses({"pretrained": {"source": each}}, "recipes/some.yaml")
        check_params({"datasets": {"coco": {"source": each}}, "tracking": None})


def test_command_lines_that_are_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("detectors: {}\n")
    with pytest.raises(ValueError, match="--add: an address with a user") as caught:
        detect.add("mine", f"https://{SECRET}@127.0.0.1:9/x.onnx", [], params)
    assert SECRET not in str(caught.value) and params.read_text() == "detectors: {}\n"
    monkeypatch.setattr(storage, "run_dvc", lambda *_: pytest.fail("nothing is written"))
    assert storage.main(["dvc", f"s3://key:{SECRET}@bucket/x"]) == 2
    said = capsys.readouterr()
    assert "storage dvc" in said.err and SECRET not in said.out + said.err
    monkeypatch.setenv(STORAGE, f"s3://key:{SECRET}@bucket/x")
    with pytest.raises(ValueError, match=r"params.yaml: storage \(or"):
        read_storage({})
