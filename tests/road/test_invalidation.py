"""dvc.yaml as it is, with stages that only write their outs: what a change re-runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.worlds.additions import ADDITIONS, add, recipe_name, use
from tests.worlds.checkouts import copy_with_fakes, dvc, edit, repro, write_params

ALONE = "overfit_hrnet_coco"  # the recipe of coco
COCO = {"fetch@coco", "prepare@coco", "detect@coco", f"train@{ALONE}", f"evaluate@{ALONE}"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout whose stages are fakes, with COCO beside the drawn people."""
    folder = tmp_path_factory.mktemp("road") / "limber"
    drawn = ("demo_hrnet", "demo_simple_baseline")
    recipes = {name: {"dataset": "stick_figures"} for name in drawn}
    run = {
        "datasets": ["stick_figures", "coco"],
        "mixtures": {},
        "recipes": recipes | {"overfit_hrnet_coco": {"dataset": "coco"}},
    }
    copy_with_fakes(folder, run)
    assert "promote" in repro(folder)
    return folder


def change(path: Path) -> None:
    """So that a file does something else: one line more, or one number of a skeleton."""
    text = path.read_text()
    more = f"{text}\nCHANGED = 1\n" if path.suffix == ".py" else text.replace("0.089", "0.09", 1)
    assert more != text
    path.write_text(more)


def started(stages: set[str]) -> set[str]:
    """Without those that follow on results, which are the fakes'."""
    return {stage for stage in stages if "@" in stage}


def trained(stages: set[str]) -> set[str]:
    return {stage.partition("@")[2] for stage in stages if stage.startswith("train@")}


def test_nothing_changed_runs_nothing(checkout: Path) -> None:
    assert repro(checkout) == set()


def test_one_line_of_one_recipe_re_runs_that_recipe_alone(checkout: Path) -> None:
    edit(checkout / "recipes/demo_hrnet.yaml", "seed: 1", "seed: 2")
    assert repro(checkout) == {"train@demo_hrnet", "evaluate@demo_hrnet", "compare", "promote"}


def test_one_data_set_touches_no_other(checkout: Path) -> None:
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["datasets"]["coco"]["bad_row_limit"] = 0.5
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))
    ran = repro(checkout)  # the fakes' results are the same, so report and promotion stay
    assert ran == COCO


@pytest.mark.full
def test_a_changed_source_is_fetched_again_and_all_that_follows(checkout: Path) -> None:
    for content in ("one", "two"):
        (checkout / "source_coco.txt").write_text(content)
        assert repro(checkout) == COCO
        assert repro(checkout) == set()


def test_one_architecture_re_trains_only_its_recipes(checkout: Path) -> None:
    edit(checkout / "models/simple_baseline.py", "\n", "\n# a comment\n")
    assert repro(checkout) == set()
    change(checkout / "models/simple_baseline.py")
    assert trained(repro(checkout)) == {"demo_simple_baseline"}


def test_what_nothing_uses_re_runs_nothing(checkout: Path) -> None:
    """Nor does what only tells."""
    for place in (
        "data/datasets/mpii.py",
        "data/skeletons/mpii.yaml",
        "data/codecs/associative_embedding.py",
        "data/evaluators/pckh.py",
        "models/losses/pull_push.py",
        "models/hourglass.py",
        "pipelines/prediction/image_feed.py",
        "pipelines/pictures/people.py",
        "pipelines/train.py",
    ):
        change(checkout / place)
    assert repro(checkout) == set()


@pytest.mark.full
def test_what_is_added_re_runs_nothing_and_then_its_own_users(checkout: Path) -> None:
    """A skeleton, data set, mixture, codec, network, variant, loss, evaluator, recipe, comment."""
    for name in ADDITIONS:
        add(checkout, name)
    assert repro(checkout) == set()
    use(checkout, ["codec"])
    assert trained(repro(checkout)) == {recipe_name("codec")}


@pytest.mark.full
def test_what_an_architecture_extends_re_trains_it_too(checkout: Path) -> None:
    text = (checkout / "recipes/demo_hrnet.yaml").read_text()
    (checkout / "recipes/demo_ca_hrnet.yaml").write_text(
        text.replace("name: hrnet", "name: ca_hrnet")
    )
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["run"]["recipes"]["demo_ca_hrnet"] = {"dataset": "stick_figures"}
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))
    assert trained(repro(checkout)) == {"demo_ca_hrnet"}
    change(checkout / "models/hrnet.py")
    ours = {"demo_hrnet", "demo_ca_hrnet", "overfit_hrnet_coco"}
    assert trained(repro(checkout)) == ours


@pytest.mark.full
def test_drawn_people_are_read_by_cocos_code(checkout: Path) -> None:
    change(checkout / "data/datasets/coco.py")
    ran = repro(checkout)
    assert {"prepare@coco", "prepare@stick_figures", "fetch@stick_figures"} <= ran
    assert "fetch@coco" not in ran, "what is fetched goes by its layout"


@pytest.mark.full
def test_a_changed_gate_decides_anew_who_is_champion(checkout: Path) -> None:
    change(checkout / "pipelines/registry/gate.py")
    assert repro(checkout) == {"promote"}


@pytest.mark.full
def test_how_is_measured_and_downloaded_trains_nothing(checkout: Path) -> None:
    """The fakes' results stay the same, so what follows on them does not run."""
    change(checkout / "pipelines/evaluation/measure.py")
    change(checkout / "pipelines/intake/download.py")
    recipes = yaml.safe_load((checkout / "params.yaml").read_text())["run"]["recipes"]
    expected = {f"evaluate@{name}" for name in recipes} | {"fetch@coco", "fetch@stick_figures"}
    assert repro(checkout) - {"compare", "promote"} == expected


@pytest.mark.full
def test_a_detector_re_runs_what_starts_from_its_boxes_alone(checkout: Path) -> None:
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    recipes = params["run"]["recipes"]
    drawn = {name for name, entry in recipes.items() if entry["dataset"] == "stick_figures"}
    again = {"detect@stick_figures", *(f"evaluate@{name}" for name in drawn)}
    recipes["demo_higher_hrnet"] = {"dataset": "stick_figures"}  # reads whole images
    entry = {"file": "/models/a.onnx", "sha256": "a" * 64}
    params |= {"detectors": {"some": entry, "other": {"file": "b.onnx"}}, "detect": {}}
    write_params(checkout, params)
    new = {f"{stage}@demo_higher_hrnet" for stage in ("weights", "train", "evaluate")}
    assert started(repro(checkout)) == new, "nobody's detectors run nothing"
    params["detect"]["stick_figures"] = "some"
    write_params(checkout, params)
    assert started(repro(checkout)) == again
    entry["file"] = "/elsewhere/a.onnx"
    params["detectors"]["other"]["score"] = 0.5
    write_params(checkout, params)
    assert repro(checkout) == set(), "the same file in another folder, and nobody's detector"
    entry["score"] = 0.3
    write_params(checkout, params)
    assert started(repro(checkout)) == again


def test_the_cluster_of_params_re_runs_nothing(checkout: Path) -> None:
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["cluster"]["max_failures"] = 5
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))
    assert repro(checkout) == set()


@pytest.mark.full
def test_an_experiment_sets_one_value_of_a_recipe_and_its_numbers_show(checkout: Path) -> None:
    for command in (["add", "-A"], ["commit", "-q", "-m", "all"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *command], cwd=checkout, check=True)
    (checkout / "ran.txt").unlink(missing_ok=True)
    dvc(checkout, "exp", "run", "-q", "-S", "recipes/demo_hrnet.yaml:training.epochs=3")
    assert "epochs: 3" in (checkout / "recipes/demo_hrnet.yaml").read_text()
    ran = set((checkout / "ran.txt").read_text().split())
    assert {s for s in ran if "@" in s} == {"train@demo_hrnet", "evaluate@demo_hrnet"}
    assert "results/demo_hrnet/metrics.json" in dvc(checkout, "metrics", "diff", "--json")
    assert "training.epochs" in dvc(checkout, "exp", "show", "--csv")
    dvc(checkout, "plots", "show", "-o", str(checkout / "plots"))
    page = (checkout / "plots/index.html").read_text()
    assert "Validation while training" in page
    assert '"field": "curve"' in page, "a line per recipe"
