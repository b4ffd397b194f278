"""Faults of what stands beside trainings: who listens to promotions, a machine that is examined."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from pipelines.host import places
from pipelines.host.checkup import OK, WRONG, examine
from pipelines.registry.ledger import CROWNED, Ledger
from pipelines.registry.webhooks import Hook, noticing, tell
from tests.chaos.fault import Fault, Outcome
from tests.worlds.hook_server import RESET, hook_server

ANSWERS = (200, 200, 500, 503, 429, 408, RESET)
ACTIONS = (*CROWNED, "rejected", "refused")
STATE = "state.json"
PLAYED = {  # what a room's process does -> the states of its lines; None: as many as come
    "import json; print(json.dumps({'what': 'disk', 'state': 'ok', 'said': 'roomy'}))": [OK],
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": [WRONG],
    "import nothing_of_that_name": [WRONG],
    "print('{\"what\": 1'); print(b'\\xff\\xfe'); raise SystemExit(3)": [WRONG],
    "import sys; sys.stderr.write('x' * 10**6); sys.exit(1)": [WRONG],
    "import time; time.sleep(600)": [WRONG],
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; "
    "time.sleep(600)'])": [WRONG],
}


def trial_of_webhooks(draw: random.Random, folder: Path) -> Outcome:
    """Promotions that are killed before what they decided is kept, before a listener that fails."""
    ledger, expected = Ledger(places.promotion()), list[str]()
    with hook_server() as played:
        hooks = [Hook("deploy", played.url, "s3cret", None)]
        for _ in range(draw.randint(2, 5)):
            killed, state = draw.random() < 0.3, b""
            with noticing(hooks, ledger):
                for _ in range(draw.randint(0, 3)):
                    number, action = str(len(ledger.decisions)), draw.choice(ACTIONS)
                    ledger.append("pose-coco", action, "why", version=number)
                    expected += [number] if action in CROWNED else []
                state = (places.webhooks() / STATE).read_bytes()
                before = {path.name for path in hooks[0].folder.glob("*.json")}
            if killed:  # as it is left by SIGKILL before the end
                (places.webhooks() / STATE).write_bytes(state)
                for path in hooks[0].folder.glob("*.json"):
                    if path.name not in before:
                        path.unlink()
                continue
            played.answers = draw.choices(ANSWERS, k=draw.randint(0, 6))
            tell(hooks, patience_s=60.0, waits_s=(0.0, 0.0))
        with noticing(hooks, ledger):
            pass
        played.answers.clear()
        tell(hooks, patience_s=60.0, waits_s=(0.0, 0.0))
        told = [each["data"]["version"] for each in played.told()]
    assert told == expected, f"told {told}, decided {expected}"
    assert not list(hooks[0].folder.glob("*.json"))
    return "recovered"


def trial_of_rooms(draw: random.Random, folder: Path) -> Outcome:
    """Rooms that crash, hang or print anything, each beside a room that is well."""
    codes = [*draw.choices(list(PLAYED), k=3), next(iter(PLAYED))]
    rooms = {f"room-{n}": [sys.executable, "-c", code] for n, code in enumerate(codes)}
    for (room, findings), code in zip(examine(rooms, limit_s=15.0), codes, strict=True):
        states = [finding.state for finding in findings]
        assert states == PLAYED[code], f"{room} ({code[:60]}): {json.dumps(states)}"
    return "recovered"


FAULTS = [
    Fault(
        "webhooks",
        "who listens to promotions answers 500, 503, 429, 408 or hangs up; promotions are killed",
        "every champion is told, in the decisions' order, none twice",
        trial_of_webhooks,
        trials=100,
        draw=3,
    ),
    Fault(
        "doctor",
        "a package crashes, hangs, cannot be imported or prints anything while it is looked at",
        "a line says so, all others are told, no process is left",
        trial_of_rooms,
        trials=12,
    ),
]
