"""Where things lie: the repository that runs, and the home that keeps data, runs and results.

Both are the checkout, except inside a submitted Ray job: there the code runs from a packaged copy,
and `.limber_home`, which travels with it, names the checkout that it was submitted from; with a
store (`storage` in params.yaml) each node has a home of its own. A trial of
`dvc exp run --temp` or `--queue` runs in a copy below `.dvc/tmp/exps` that DVC fills with what it
knows: raw links, runs and MLflow's database stay in the `origin`, the checkout around it.
"""

from __future__ import annotations

import os
from pathlib import Path

from data.ground.refusal import refusal

REPOSITORY = Path(__file__).resolve().parents[2]
RUNS = "runs"
BEST_WEIGHTS, TRAINING_SUMMARY, HISTORY = "best.pt", "summary.json", "history.csv"  # of a training
RAW_MANIFEST = "manifest.json"  # of raw data: what DVC knows of them
RAW_NOTES = (RAW_MANIFEST, "detections.json")  # what DVC brings into a copy of a checkout
CARD, MODEL_WEIGHTS, MODEL_CODE = "card.json", "model.safetensors", "code"  # of a registered model
METRICS, EVALUATION = "metrics.json", "evaluation.json"  # of an evaluation


def home() -> Path:
    """Absolute folder that holds data/store, runs, results and mlflow.db.

    `$LIMBER_HOME` if set; else the checkout; else (packaged copy) the node's own where data go by a
    store (`$LIMBER_STORAGE`), or what `.limber_home` names. Raises ValueError where none says.
    """
    if given := os.environ.get("LIMBER_HOME"):
        return Path(given).resolve()
    note = REPOSITORY / ".limber_home"
    packaged = "_ray_pkg_" in REPOSITORY.name
    if not packaged:
        return REPOSITORY
    if os.environ.get("LIMBER_STORAGE"):
        return cache() / "home"
    if not note.is_file():
        raise refusal(
            REPOSITORY,
            fault="this is a packaged copy without data",
            do="set LIMBER_HOME in the job's runtime environment to a checkout that every node "
            "sees, or submit with `python -m pipelines.submit RECIPE`, which does so",
        )
    return Path(note.read_text().strip())


def cache() -> Path:
    """Absolute folder of what this node keeps of a store: `$LIMBER_CACHE`, or ~/.cache/limber."""
    return Path(os.environ.get("LIMBER_CACHE") or "~/.cache/limber").expanduser().resolve()


def origin() -> Path:
    """Home, but of a copy that DVC made for a trial: the checkout that the copy was made of."""
    here = home()
    for folder in here.parents:
        if folder.parts[-3:] == (".dvc", "tmp", "exps"):
            return folder.parents[2]
    return here


def trial() -> str:
    """Name of the experiment (`dvc exp run`) that this process works for; "" where for none."""
    return os.environ.get("DVC_EXP_NAME", "")


def told_path(path: Path) -> str:
    """As params.yaml and recipes have it: from the home folder where it lies below that."""
    whole, from_here = path.expanduser().resolve(), home().resolve()
    return (whole.relative_to(from_here) if whole.is_relative_to(from_here) else whole).as_posix()


def leave_note() -> None:
    """Writes `.limber_home` into a checkout, so that a submitted job's copy finds its home.

    Ray packs what git does not ignore by .gitignore; git itself is told through .git/info/exclude.
    """
    note = REPOSITORY / ".limber_home"
    exclude = REPOSITORY / ".git" / "info" / "exclude"
    if {home(), origin()} != {REPOSITORY} or not (REPOSITORY / ".git").exists():
        return  # a copy, or $LIMBER_HOME, which a job is given instead
    if not note.is_file() or note.read_text().strip() != str(home()):
        note.write_text(f"{home()}\n")
    if (REPOSITORY / ".git").is_dir():
        lines = exclude.read_text() if exclude.is_file() else ""
        if f"/{note.name}" not in lines.split():
            exclude.parent.mkdir(exist_ok=True)
            end = "" if lines.endswith("\n") or not lines else "\n"
            exclude.write_text(f"{lines}{end}/{note.name}\n")


def code() -> Path:
    """Digests of deciding code (`python -m pipelines.code`)."""
    return home() / "data" / "store" / "code"


def raw(dataset: str) -> Path:
    """Where raw data are to be read: a trial's own where it fetched any, else its origin's.

    Raises ValueError where those are of another fetch than the trial's.
    """
    own = raw_of_home(dataset)
    there = origin() / own.relative_to(home())
    if there == own or any(path.name not in RAW_NOTES for path in own.glob("*")):
        return own
    ours, theirs = own / RAW_MANIFEST, there / RAW_MANIFEST
    if ours.is_file() and theirs.is_file() and ours.read_bytes() != theirs.read_bytes():
        raise refusal(
            there,
            fault="of another fetch than this trial's",
            do=f"run `dvc repro fetch@{dataset}` there, commit dvc.lock, then the trial again",
        )
    return there


def raw_of_home(dataset: str) -> Path:
    """Where raw data are to be brought."""
    return home() / "data" / "store" / "raw" / dataset


def source_look(dataset: str) -> Path:
    """What the data set's source held when it was last looked at."""
    return home() / "data" / "store" / "sources" / f"{dataset}.json"


def known_digests(dataset: str) -> Path:
    """sha256 of files of labels by size, times and inode; may be removed at any time."""
    return origin() / "data" / "store" / ".digests" / f"{dataset}.json"


def prepared(dataset: str) -> Path:
    return home() / "data" / "store" / "prepared" / dataset


def detected(dataset: str) -> Path:
    """Where the stage detect leaves the people that a detector found in the data set."""
    return home() / "data" / "store" / "detected" / dataset


def detectors() -> Path:
    """Folder of detectors' networks that were brought from an address: DIGEST/FILE."""
    return origin() / "data" / "store" / "detectors"


def detected_metrics(dataset: str) -> Path:
    """How well people of the data set were found, by split, as DVC compares it."""
    return detected(dataset).with_name(f"{dataset}.json")


def detected_order(dataset: str) -> Path:
    """Always the same: evaluations depend on it to run after the stage, and on no more of it."""
    return detected(dataset).with_name(f"{dataset}.order")


def publishing() -> Path:
    """Where shards of images lie until they are sent to a store; may be removed at any time."""
    return home() / "data" / "store" / ".publishing"


def weights(recipe: str) -> Path:
    """Folder of the recipe's pretrained weights, brought by fetch (empty: trained from scratch)."""
    return home() / "data" / "store" / "weights" / recipe


def tracking_database() -> Path:
    """Where MLflow keeps runs and models if nothing else is said."""
    return origin() / "mlflow.db"


def runs() -> Path:
    return origin() / RUNS


def run(recipe: str, fingerprint: str) -> Path:
    """Folder of one training: checkpoints, log, outbox. Never tracked by DVC (see HOUSE.md)."""
    return runs() / f"{recipe}-{fingerprint[:12]}"


def training_log(recipe: str) -> Path:
    """What a training said that ran beside others (`cluster.parallel` of params.yaml)."""
    return runs() / "logs" / f"{recipe}.log"


def control(recipe: str, seed: int, fingerprint: str) -> Path:
    """Folder of one training of a control and of its evaluation (`python -m pipelines.control`)."""
    return runs() / "control" / f"{recipe}-{seed}-{fingerprint[:12]}"


def champion_weights(slot: str, version: str, mark: str) -> Path:
    """A registered version's weights, fetched from the registry; mark: of where they came from."""
    return runs() / "champions" / slot / f"version-{version}-{mark}.pt"


def version_files(slot: str, version: str, mark: str) -> Path:
    """Folder of what was brought of a registered version; mark: of where it came from."""
    return home() / RUNS / "versions" / slot / f"{version}-{mark}"


def results() -> Path:
    return home() / "results"


def trained(recipe: str) -> Path:
    """Folder of best.pt, summary.json, history.csv."""
    return results() / recipe / "trained"


def best_weights(recipe: str) -> Path:
    return trained(recipe) / BEST_WEIGHTS


def evaluated(recipe: str) -> Path:
    """Folder of metrics.json, evaluation.json, matches, predictions, pictures."""
    return results() / recipe / "evaluation"


def decoded(recipe: str, options: str) -> Path:
    """As `evaluated`, of the same weights read by other options of the codec: `scale=fine`."""
    return results() / recipe / "decoded" / options


def recipe_metrics(recipe: str) -> Path:
    """A copy of the evaluation's metrics.json, which DVC compares between experiments."""
    return results() / recipe / METRICS


def analysed(recipe: str) -> Path:
    return results() / recipe / "analysis"


def exported(recipe: str) -> Path:
    return results() / recipe / "export"


def test_dev(recipe: str) -> Path:
    return results() / recipe / "test_dev"


def test_dev_scores(recipe: str) -> Path:
    """What COCO's server answered to the results in `test_dev`."""
    return results() / recipe / "test_dev_scores.json"


def champion_evaluations(slot: str) -> Path:
    """Folder of a champion's evaluations on other data: DATASET-HASH each."""
    return results() / "champions" / slot


def champion_evaluated(slot: str, dataset: str, data_hash: str) -> Path:
    return champion_evaluations(slot) / f"{dataset}-{data_hash[:12]}"


def champion_exported(slot: str) -> Path:
    return results() / "champions" / slot / "export"


def reports() -> Path:
    return home() / "reports"


def comparison() -> Path:
    return reports() / "comparison.md"


def cost_report() -> Path:
    return reports() / "cost.md"


def shown() -> Path:
    """Pictures that were asked for by name (`python -m pipelines.show`)."""
    return reports() / "shown"


def surveyed(dataset: str) -> Path:
    """A page of an own data set's people with its skeleton (`python -m pipelines.datasets`)."""
    return reports() / "datasets" / f"{dataset}.png"


def promotion() -> Path:
    """What is shown of the ledger of promotions."""
    return reports() / "promotion.json"


def webhooks() -> Path:
    """Decisions that webhooks are still to be told of, a folder each."""
    return runs() / "webhooks"


def promotion_journal() -> Path:
    """Its lines, a decision each: added and never changed."""
    return runs() / "promotions.jsonl"


def promotion_lock() -> Path:
    """Held by whoever decides who is champion."""
    return runs() / "promotion.lock"
