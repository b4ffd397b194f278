"""What MLflow's page says in words: of the experiment, a run, a registered model and a version.

Markdown, with pictures that its server hands out of a run's artifacts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipelines.host.progress import told_number

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOTE = "mlflow.note.content"  # the tag that its page shows as a description
DECISION = "decision"
OLD_NOTE = "see mlflow/README.md"  # what models were described by before
PROTOCOLS = ("gt", "det", "image")  # how the names of a version's numbers end
LONGEST = 4800  # letters that a tag of an experiment takes
PICTURES = {"predictions": "truth beside prediction", "samples": "samples as they are fed"}

EXPERIMENT = """**Trainings of human-pose networks.** One run per recipe and data; an interrupted
training goes on in its run.

- Charts come in groups: `gt` from true boxes, `det` from a detector's, `image` of whole images;
  `evaluation/...` is what the weights of a version came to. No group is compared with another.
- A run's artifacts: `samples`, `predictions` (left the truth, right what was said), `evaluation`,
  `reports`, `analysis`.
- Models: kept checkpoints, with their numbers and the place of their weights.

| wish | command |
| --- | --- |
| train, evaluate, compare, promote | `make repro RECIPE=NAME` |
| what goes wrong | `python -m pipelines.analyse NAME` |
| two runs, with an interval | `python -m pipelines.compare RUN_ID RUN_ID` |
| who is champion of what | `python -m pipelines.promote --list` |
"""


def describe_experiment(client: MlflowClient, experiment: str, run_id: str | None = None) -> None:
    """In words, and with pictures of a run; what a person wrote there instead stays."""
    note = client.get_experiment(experiment).tags.get(NOTE, EXPERIMENT)
    shown = f"{EXPERIMENT}\n{picture_links(client, run_id)}" if run_id else EXPERIMENT
    if note.startswith(EXPERIMENT) and (run_id or note == EXPERIMENT):
        client.set_experiment_tag(experiment, NOTE, shown[:LONGEST])


def describe_model(client: MlflowClient, slot: str, run_id: str | None = None) -> None:
    """A registered model likewise, with pictures of its champion's run."""
    note, text = client.get_registered_model(slot).description or "", model_text(slot)
    if note in ("", OLD_NOTE) or note.startswith(text):
        pictures = picture_links(client, run_id) if run_id else ""
        client.update_registered_model(slot, f"{text}\n{pictures}")


def picture_links(client: MlflowClient, run_id: str) -> str:
    """The newest picture of each kind that a run has, as markdown."""
    links = []
    for folder, title in PICTURES.items():
        names = sorted(file.path for file in client.list_artifacts(run_id, folder))
        if names:
            place = f"get-artifact?path={quote(names[-1], safe='')}&run_uuid={run_id}"
            links.append(f"{title}:\n\n![{title}]({place})")
    return "\n\n".join(links)


def model_text(slot: str) -> str:
    """Of a registered model: how it is asked, taken back, tuned further."""
    return f"""Poses of people in images: the champion of the slot `{slot}`, by the rules of
`mlflow/promotion.yaml`. `champion` serves, `previous` is the one before, `candidate` the newest.

```python
model = mlflow.pyfunc.load_model("models:/{slot}@champion")
model.predict([{{"image": open("photo.jpg", "rb").read(), "boxes": [[x, y, width, height]]}}])
```

| wish | command |
| --- | --- |
| serve it | `MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false mlflow models serve -m models:/{slot}@champion --env-manager local` |
| take the champion back | `python -m pipelines.promote --rollback {slot}` |
| tune it further | a recipe's `pretrained: {{source: "models:/{slot}@champion"}}`, then `python -m pipelines.fetch --weights RECIPE --pin` |
"""  # noqa: E501 - a row of a table is one line


def version_text(tags: Mapping[str, str], pictures: str) -> str:
    """Of a version: what it was trained from and on, what it came to, how it is made again."""
    recipe = tags.get("limber.recipe", "")
    told = ", ".join(f"{name} {value}" for name, value in numbers_of(tags).items())
    boxes = tags.get("limber.detector")
    told += f"; det from boxes of {boxes}" if boxes and told else ""
    commit = tags.get("limber.git_commit", "")[:12]
    return f"""Recipe `{recipe}` on {tags.get("limber.dataset", "")}: {told or "not measured"}.

Made again by `make repro RECIPE={recipe}`{f", at commit `{commit}`" if commit else ""}.

{pictures}
"""


def first_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a version that a person reads first: the page sorts them by name.

    Its number, its data set and what was decided, before all that begin with `limber.`.
    """
    number = dict(list(numbers_of(tags).items())[:1])
    return {**number, "dataset": tags.get("limber.dataset", ""), DECISION: "candidate"}


def numbers_of(tags: Mapping[str, str]) -> dict[str, str]:
    """`{"limber.AP.gt": "0.693142"}` -> `{"AP gt": "0.693"}`."""
    numbers = {}
    for key, value in tags.items():
        name, _, protocol = key.removeprefix("limber.").rpartition(".")
        if name and protocol in PROTOCOLS:
            numbers[f"{name} {protocol}"] = told_number(name, float(value))
    return numbers
