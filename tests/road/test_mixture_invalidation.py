"""dvc.yaml with a mixture in what runs: it is made again when one of its members changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.worlds.checkouts import copy_with_fakes, edit, repro, write_params

pytestmark = pytest.mark.full
NAME = "hrnet_w32_coco_mpii_256x192"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout whose stages are fakes and that runs one recipe, of a mixture."""
    folder = tmp_path_factory.mktemp("mixture") / "limber"
    mixtures = {"coco_mpii": {"members": ["coco", "mpii", "mpii"]}}
    recipes = {NAME: {"dataset": "coco_mpii"}}
    run = {"datasets": ["coco", "mpii"], "mixtures": mixtures, "recipes": recipes}
    copy_with_fakes(folder, run)
    first = {"fetch@coco_mpii", "prepare@coco_mpii", "detect@coco_mpii"}
    first |= {f"train@{NAME}", f"evaluate@{NAME}"}
    assert first <= repro(folder)
    return folder


def test_a_changed_member_makes_the_mixture_anew(checkout: Path) -> None:
    edit(checkout / "data/datasets/mpii.py", "\nclass Mpii(", "\nCHANGED = 1\nclass Mpii(")
    ran = repro(checkout)  # the fakes' manifests are the same, so nothing but tables is made
    assert {"prepare@mpii", "fetch@coco_mpii", "prepare@coco_mpii"} <= ran
    assert not {"fetch@coco", "fetch@mpii", "prepare@coco"} & ran
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["datasets"]["mpii"]["bad_row_limit"] = 0.5
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))
    ran = repro(checkout)
    assert {"fetch@mpii", "fetch@coco_mpii"} <= ran and "fetch@coco" not in ran


def test_weights_prepare_and_train_anew_and_fetch_nothing(checkout: Path) -> None:
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["datasets"]["coco_mpii"]["weights"]["mpii"] = 2.0
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))
    ran = {stage for stage in repro(checkout) if "@" in stage}
    again = {"prepare@coco_mpii", "detect@coco_mpii"}
    assert ran == again | {f"train@{NAME}", f"evaluate@{NAME}"}


def test_its_people_are_found_by_the_first_members_detector(checkout: Path) -> None:
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["detectors"] = {"some": {"file": "a.onnx", "sha256": "a" * 64}}
    params["detect"] = {"coco": "some"}
    write_params(checkout, params)
    ran = {stage for stage in repro(checkout) if "@" in stage}
    assert ran == {"detect@coco", "detect@coco_mpii", f"evaluate@{NAME}"}
