"""A job, or a refusal before anything starts: whose weights, what makes another training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.host import places
from pipelines.recipe.params import load_params
from pipelines.recipe.profile import read_cluster
from pipelines.recipe.schema import Pretrained
from pipelines.training.memory import SPARE_GIB
from pipelines.training.plan import find_weights, make_job
from tests.worlds import drawn

pytestmark = pytest.mark.usefixtures("home")


def test_a_job_is_another_training_with_other_weights() -> None:
    drawn.draw_at_home(train=2, val=2)
    cluster, recipe = read_cluster(load_params(), gpus=0), drawn.small_recipe()
    plain = make_job("demo_hrnet", cluster, recipe)
    assert plain.weights is None and plain.run_folder == places.run("demo_hrnet", plain.fingerprint)
    again = make_job("demo_hrnet", cluster, recipe)
    assert again == plain
    started = replace(recipe, pretrained=Pretrained("x.pth", "12345678"))
    places.weights("demo_hrnet").mkdir(parents=True)
    fingerprints = {plain.fingerprint}
    for content in (b"one", b"two"):
        (places.weights("demo_hrnet") / "x.pth").write_bytes(content)
        job = make_job("demo_hrnet", cluster, started)
        assert job.weights == places.weights("demo_hrnet") / "x.pth"
        fingerprints.add(job.fingerprint)
    assert len(fingerprints) == 3


def test_weights_that_were_not_brought_are_named() -> None:
    recipe = replace(drawn.small_recipe(), pretrained=Pretrained("x.pth", "12345678"))
    places.weights("some").mkdir(parents=True)
    (places.weights("some") / "none.json").write_text("{}")
    with pytest.raises(ValueError, match=r"no weights.*pipelines.fetch --weights some`.*x\.pth"):
        find_weights("some", recipe)
    assert find_weights("some", drawn.small_recipe()) is None


def test_a_batch_that_no_worker_can_take_is_refused() -> None:
    drawn.draw_at_home(train=2, val=2)
    cluster = read_cluster(load_params(), gpus=0, workers=3)
    with pytest.raises(ValueError, match="3 workers"):
        make_job("demo_hrnet", cluster, drawn.small_recipe())


def test_a_job_takes_no_more_samples_at_once_than_a_card_holds() -> None:
    drawn.draw_at_home(train=2, val=2)
    cluster, recipe = read_cluster(load_params(), gpus=0), drawn.small_recipe()

    def batch(memory_gib: float | None) -> int:
        machine = replace(cluster.machine, memory_gib=memory_gib)
        job = make_job("demo_hrnet", replace(cluster, machine=machine), recipe)
        return job.max_batch_per_worker

    assert batch(None) == batch(1000.0) == cluster.machine.max_batch_per_worker
    assert batch(SPARE_GIB) == 1
