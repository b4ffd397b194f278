"""Two promotions at once, killed or not; a registry that was taken back from an older backup."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from functools import partial
from pathlib import Path

from pipelines.host import places
from pipelines.registry.ledger import CROWNED, Ledger
from pipelines.registry.versions import Registry
from tests.chaos.fault import Fault, Outcome, shared_folder
from tests.chaos.forked import done_apart, forked
from tests.worlds.promoted import SLOT, offer
from tests.worlds.registries import copy_home, make_home, verified
from tests.worlds.results import write_results

NEW = "third"
LONGEST_S = 3.0  # after which a promotion is killed at the latest


def world() -> None:
    """A home whose champion is `better` (0.8), and results of one that is better still."""
    copy_home(shared_folder("registry", make_home), places.home())
    write_results(NEW, quality=0.9, seed=3)


def two_at_once(draw: random.Random, folder: Path) -> Outcome:
    """The stage in two processes, in some trials one of them killed, then once more."""
    world()
    before = len(ledger().decisions)
    names = [("first", "better", NEW), ("better", NEW)]
    ask = [partial(offer, *draw.choice(names), slots=(SLOT,)) for _ in range(3)]
    both = []
    for number in range(2):
        both.append(forked(ask[number], folder / f"said-{number}.txt"))
        time.sleep(draw.choice((0.0, draw.uniform(0, 0.5))))
    killed = draw.choice((None, 0, 1))
    if killed is not None:
        time.sleep(draw.uniform(0, LONGEST_S))
        os.kill(both[killed].pid, signal.SIGKILL)
    codes = [each.wait() for each in both]
    print("killed:", killed, codes, flush=True)
    for number, (each, code) in enumerate(zip(both, codes, strict=True)):
        assert code == 0 or (number == killed and code == -signal.SIGKILL), each.text()
    done_apart(ask[2], folder / "said.txt")
    done_apart(partial(one_champion, before, killed is None), folder / "said.txt")
    return "recovered"


def one_champion(before: int, undisturbed: bool) -> None:
    """The new one, registered once, decided once, as the ledger says."""
    registry = Registry()
    versions = registry.versions(SLOT)
    champion = registry.aliased(SLOT, "champion")
    assert champion is not None and champion.tags["limber.recipe"] == NEW, champion
    recipes = sorted(each.tags["limber.recipe"] for each in versions)
    assert recipes == ["better", "first", NEW], recipes
    assert registry.aliases(SLOT)["previous"] == "2", registry.aliases(SLOT)
    decided = [(each["action"], each["version"]) for each in ledger().decisions[before:]]
    assert decided.count(("promoted", champion.number)) == 1, decided
    assert len(set(decided)) == len(decided), decided
    assert not undisturbed or decided == [("promoted", champion.number)], decided
    assert verified(mend=False)


def ledger() -> Ledger:
    return Ledger(places.promotion(), places.promotion_journal())


def taken_back(draw: random.Random, folder: Path) -> Outcome:
    """MLflow's database as it was before the last promotion; some worse model, registered since,
    may have the champion's number."""
    world()
    said, database = folder / "said.txt", places.home() / "mlflow.db"
    backup = shutil.copy(database, folder / "backup.db")
    done_apart(partial(offer, NEW, slots=(SLOT,)), said)
    crowned = ledger().champions(SLOT)[0]
    assert crowned["recipe"] == NEW
    shutil.copy(backup, database)
    files_too, since = draw.random() < 0.5, draw.random() < 0.5
    if files_too:
        newest = max((places.home() / "mlartifacts").rglob("m-*"), key=lambda p: p.stat().st_mtime)
        shutil.rmtree(newest)
    if since:
        write_results("worse", quality=0.65, seed=4)
        done_apart(partial(offer, "worse", slots=(SLOT,)), said)
    print("files:", files_too, "since:", since, flush=True)
    told = done_apart(partial(verified_as, False, mend=False), said)
    assert f"({NEW}, {crowned['time']})" in told, told
    done_apart(partial(verified_as, True), said)
    done_apart(partial(is_champion, crowned["identity"]), said)
    done_apart(partial(verified_as, True, mend=False), said)
    actions = [each["action"] for each in ledger().champions(SLOT)]
    assert actions[0] in CROWNED and ledger().champions(SLOT)[0]["recipe"] == NEW, actions
    return "recovered"


def verified_as(well: bool, *, mend: bool = True) -> None:
    assert verified(mend=mend) == well


def is_champion(identity: str) -> None:
    champion = Registry().aliased(SLOT, "champion")
    assert champion is not None and champion.tags["limber.identity"] == identity, champion


FAULTS = [
    Fault(
        "two-promotions",
        "two promotions of one registry at once, one of them killed in some trials",
        "the second waits; one champion, each version registered and each decision written once",
        two_at_once,
        trials=30,
    ),
    Fault(
        "registry-taken-back",
        "the registry restored from a backup of before the last promotion, then used",
        "`promote --verify` finds it by the ledger, and the champion is champion again",
        taken_back,
        trials=20,
    ),
]
