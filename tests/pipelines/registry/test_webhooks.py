"""Webhooks: signed as MLflow signs, in order, tried again, kept; a promotion is not held up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.webhooks.delivery import _generate_hmac_signature

from pipelines.host import places
from pipelines.registry.ledger import Ledger
from pipelines.registry.webhooks import Hook, noticing, payload, read_hooks, signature, tell
from tests.worlds.hook_server import RESET, HookServer, hook_server

AT_ONCE = (0.0, 0.0)
RULES = "slots: {}\nwebhooks:\n"


@pytest.fixture
def played() -> Iterator[HookServer]:
    with hook_server() as server:
        yield server


@pytest.fixture
def ledger(home: Path) -> Ledger:
    return Ledger(places.promotion())


def hook(server: HookServer, name: str = "deploy", **more: Any) -> Hook:
    return Hook(name, server.url, "s3cret", more.get("slots"))


def decide(ledger: Ledger, hooks: list[Hook], *actions: str, slot: str = "pose-coco") -> None:
    with noticing(hooks, ledger):
        for number, action in enumerate(actions):
            ledger.append(slot, action, f"why {number}", version=str(number))


def waiting(name: str = "deploy") -> int:
    return len(list((places.webhooks() / name).glob("*.json")))


@pytest.mark.contract
def test_who_listens_is_told_signed_in_order_of_champions_alone(
    ledger: Ledger, played: HookServer
) -> None:
    ledger.append("pose-coco", "promoted", "of before there was a hook", version="9")
    hooks = [hook(played)]
    decide(ledger, hooks, "promoted", "rejected", "rolled back", "refused", "restored")
    tell(hooks, waits_s=AT_ONCE)
    assert [(t["data"]["version"], t["decision"]["action"]) for t in played.told()] == [
        ("0", "promoted"),
        ("2", "rolled back"),
        ("4", "restored"),
    ]
    assert played.told()[0] == payload(ledger.decisions[1])
    assert played.told()[0]["data"] == {"name": "pose-coco", "alias": "champion", "version": "0"}
    for headers, body in played.got:
        parts = (headers["X-MLflow-Delivery-Id"], headers["X-MLflow-Timestamp"], body.decode())
        expected = _generate_hmac_signature("s3cret", *parts)
        assert headers["X-MLflow-Signature"] == expected == signature("s3cret", *parts)
    tell(hooks, waits_s=AT_ONCE)
    assert len(played.got) == 3 and waiting() == 0, "each once"


@pytest.mark.contract
@pytest.mark.parametrize(
    ("answers", "arrived", "left"),
    [
        ([503, 429], 2, 0),  # taken at the third try
        ([500] * 3, 0, 2),  # kept, and the later one does not overtake it
        ([RESET], 2, 0),
        ([404], 1, 0),  # never taken: left out, the next one is told
        ([302], 1, 0),  # nothing goes elsewhere
    ],
)
def test_what_fails_is_tried_again_or_left_out(
    ledger: Ledger, played: HookServer, answers: list[int], arrived: int, left: int
) -> None:
    hooks = [hook(played)]
    decide(ledger, hooks, "promoted", "rolled back")
    played.answers = list(answers)
    tell(hooks, waits_s=AT_ONCE)
    assert (len(played.got), waiting()) == (arrived, left)
    tell(hooks, waits_s=AT_ONCE)
    assert waiting() == 0 and len(played.got) == arrived + left


@pytest.mark.contract
def test_who_does_not_answer_holds_nobody_up(
    ledger: Ledger, played: HookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    silent, gone = hook(played), Hook("gone", "http://127.0.0.1:1/s3cret-path", "s3cret", None)
    decide(ledger, [silent, gone], "promoted")
    played.hold.clear()
    tell([silent, gone], patience_s=0.2, waits_s=AT_ONCE)
    said = capsys.readouterr().err
    assert "webhook deploy (127.0.0.1): 1 decisions are not told yet" in said
    assert "s3cret" not in said and waiting("gone") == 1
    played.hold.set()


def test_a_promotion_that_was_killed_is_told_by_the_next(ledger: Ledger) -> None:
    hooks = [Hook("deploy", "http://127.0.0.1:1", "s", None)]
    killed = noticing(hooks, ledger)
    killed.__enter__()
    ledger.append("pose-coco", "promoted", "then SIGKILL", version="1")
    state = (places.webhooks() / "state.json").read_text()
    killed.__exit__(None, None, None)
    for kept in hooks[0].folder.glob("*.json"):
        kept.unlink()
    (places.webhooks() / "state.json").write_text(state)  # as the killed one left it
    decide(ledger, hooks, "promoted")
    assert waiting() == 2
    (places.webhooks() / "state.json").write_text("damaged")
    decide(ledger, hooks, "promoted", slot="pose-mpii")
    assert waiting() == 3


def test_a_folder_that_cannot_be_written_is_told_in_a_line(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    hooks = [Hook("deploy", "http://127.0.0.1:1", "s", None)]
    decide(ledger, hooks, "promoted")
    (hooks[0].folder / "lock").mkdir()
    tell(hooks, waits_s=AT_ONCE)
    written, left = capsys.readouterr().err.splitlines()
    lock = hooks[0].folder / "lock"
    assert written.startswith(f"webhook deploy (127.0.0.1): {lock}: cannot be written (")
    assert "1 decisions are not told yet" in left


def test_slots_that_are_not_asked_for_are_not_told(ledger: Ledger) -> None:
    hooks = [Hook("deploy", "http://127.0.0.1:1", "s", ["pose-mpii"])]
    decide(ledger, hooks, "promoted")
    assert waiting() == 0
    decide(ledger, hooks, "promoted", slot="pose-mpii")
    assert waiting() == 1


def test_the_rule_book_names_variables_and_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "promotion.yaml"
    rules.write_text(
        f"{RULES}  a: {{url: 'https://host/x', secret: HOOK_SECRET, slots: [pose-coco]}}\n"
        "  b: {url: $HOOK_URL, secret: HOOK_SECRET}\n  c: {url: 'http://h', secret: NOBODY_SET}\n"
    )
    monkeypatch.setenv("HOOK_SECRET", "hush")
    monkeypatch.setenv("HOOK_URL", "https://chat.example/services/T0/B0")
    monkeypatch.delenv("NOBODY_SET", raising=False)
    assert read_hooks(rules) == [
        Hook("a", "https://host/x", "hush", ["pose-coco"]),
        Hook("b", "https://chat.example/services/T0/B0", "hush", None),
    ]
    assert "webhook c: not told, $NOBODY_SET is not set here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("  a: {url: 'ftp://host', secret: HOOK_SECRET}", "webhooks.a.url"),
        ("  a: {url: 'https://host'}", "webhooks.a.secret"),
        ("  a: {url: 'https://me:hunter2@host', secret: S}", "a.url: .*write its name"),
        (
            "  a: {url: 'https://host/?token=hunter2', secret: S}",
            "a.url: .*write its name",
        ),
        ("  a: {url: 'https://host', secret: hunter2}", "webhooks.a.secret: no name of a variable"),
        ("  ../a: {url: 'https://host', secret: HOOK_SECRET}", "letters, digits"),
        ("  a: {url: 'https://host', secret: HOOK_SECRET, event: x}", "unknown key"),
    ],
)
def test_a_wrong_webhook_is_refused(
    lines: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "hush")
    rules = tmp_path / "promotion.yaml"
    rules.write_text(f"{RULES}{lines}\n")
    with pytest.raises(ValueError, match=said) as told:
        read_hooks(rules)
    assert "hunter2" not in str(told.value)
