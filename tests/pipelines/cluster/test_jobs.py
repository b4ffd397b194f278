"""A job against a cluster that is played: attach, submit, signals, silence, heads that die."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from pipelines.cluster.connecting import accept_token, connect
from pipelines.cluster.jobs import ANEW, NO_AGENT, End, follow
from pipelines.host.signals import Interrupted
from tests.worlds.played_cluster import LOG, QUICK, Played, asked

KEY = "demo-0123456789ab"
GONE = RuntimeError("Request failed with status code 404: Job does not exist.")
DIED = ("FAILED", "JOB_SUPERVISOR_ACTOR_DIED")


def followed(jobs: Played, checkout: Path, **given: Any) -> End:
    return follow(jobs, lambda: jobs, asked(KEY, checkout), QUICK._replace(**given))


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "STOPPED"])
def test_a_job_is_submitted_and_followed_to_its_end(
    state: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").touch()
    jobs = Played(["PENDING", "RUNNING", state])
    assert followed(jobs, tmp_path).status == state
    (given,) = jobs.submitted
    assert given["entrypoint"] == "python -m pipelines.train demo"
    assert given["submission_id"] == f"{KEY}-1"
    assert given["runtime_env"]["env_vars"] == {"LIMBER_HOME": "/home"}
    assert given["metadata"] == {"recipe": "demo", "run_key": KEY}
    assert jobs.packages == [{"params.yaml"}]
    told = capsys.readouterr().out
    assert told.count(LOG) == 1 and told.endswith(f"{KEY}-1: {state}\n")


def test_a_running_job_is_attached_to(tmp_path: Path) -> None:
    jobs = Played(["RUNNING", "SUCCEEDED"], {f"{KEY}-1": "FAILED", f"{KEY}-2": "RUNNING"})
    assert followed(jobs, tmp_path).status == "SUCCEEDED"
    assert jobs.submitted == []


def test_an_ended_job_is_followed_by_one_of_the_next_number(tmp_path: Path) -> None:
    """Numbers of jobs that somebody deleted are not used again: Ray refuses them."""
    others = {f"{KEY}-7": "STOPPED", "other-9": "RUNNING", f"{KEY}-x": "RUNNING"}
    jobs = Played(["SUCCEEDED"], others)
    followed(jobs, tmp_path)
    assert jobs.submitted[0]["submission_id"] == f"{KEY}-8"


@pytest.mark.parametrize(("theirs", "ours"), [("RUNNING", []), ("FAILED", [f"{KEY}-2"])])
def test_of_two_that_submit_at_once_one_follows_the_other(
    tmp_path: Path, theirs: str, ours: list[str]
) -> None:
    jobs = Played(["SUCCEEDED"], taken={f"{KEY}-1": theirs})
    assert followed(jobs, tmp_path).status == "SUCCEEDED"
    assert [given["submission_id"] for given in jobs.submitted] == ours


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_job_and_its_end_is_waited_for(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the same command, given again at once, would follow the job that is being stopped."""
    jobs = Played(["RUNNING", Interrupted(number), "RUNNING", "STOPPED"])
    with pytest.raises(Interrupted) as caught:
        followed(jobs, tmp_path)
    assert caught.value.args == (number,)
    assert jobs.stopped == [f"{KEY}-1"] and jobs.states == ["STOPPED"]
    assert f"{KEY}-1: STOPPED" in capsys.readouterr().out


def test_a_job_that_cannot_be_stopped_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = Played(["RUNNING", Interrupted(15), ConnectionError("away")])
    with pytest.raises(Interrupted):
        followed(jobs, tmp_path, stopping_s=0.0)
    assert "may go on (demo-0" in (said := capsys.readouterr().err) and "away" in said


def test_a_job_that_never_ends_when_it_is_stopped_is_not_waited_for_for_ever(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that waits for room has nobody who stops it; further signals are not heard."""
    with pytest.raises(Interrupted):
        followed(Played(["PENDING", Interrupted(2), "PENDING"]), tmp_path, stopping_s=0.0)
    assert "has not ended 0 s after it was told to" in capsys.readouterr().err


def test_a_cluster_that_is_away_when_its_jobs_are_asked_for_is_said(tmp_path: Path) -> None:
    class Away(Played):
        def list_jobs(self) -> list[Any]:
            raise ConnectionError("connection refused")

    with pytest.raises(ValueError, match=r"which jobs it has \(connection refused\)"):
        followed(Away(["RUNNING"]), tmp_path)


def test_silence_is_never_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    away = ConnectionError("gone")
    assert followed(Played([away, away, "FAILED"]), tmp_path).status == "FAILED"
    assert capsys.readouterr().out.count("does not answer; waiting for it") == 1
    with pytest.raises(ValueError, match=r"does not answer any more.*attaches to the job again"):
        followed(Played([away]), tmp_path, silence_s=0.0)


@pytest.mark.parametrize("end", [GONE, DIED])
def test_a_job_that_is_lost_with_its_head_is_submitted_again(
    end: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = Played(["RUNNING", end])
    new = Played(["RUNNING", ConnectionError("starting"), "SUCCEEDED"])

    def lose() -> Any:
        jobs.before.clear()  # the new head knows nothing
        jobs.states = new.states
        return end

    jobs.states[1] = lose
    assert followed(jobs, tmp_path).status == "SUCCEEDED"
    assert len(jobs.submitted) == 2
    assert "submitting it again" in capsys.readouterr().out


def test_a_job_that_is_lost_too_often_is_given_up(tmp_path: Path) -> None:
    jobs = Played([DIED])
    assert followed(jobs, tmp_path) == End("LOST", "so it is")
    assert [given["submission_id"][-2:] for given in jobs.submitted] == [
        f"-{number}" for number in range(1, ANEW + 2)
    ]


def test_a_job_that_failed_by_itself_is_not_submitted_again(tmp_path: Path) -> None:
    for state in ("FAILED", ("FAILED", "RUNTIME_ENV_SETUP_FAILURE")):
        jobs = Played([state])
        assert followed(jobs, tmp_path).status == "FAILED"
        assert len(jobs.submitted) == 1


def test_what_a_job_needs_is_brought_before_it_is_submitted_and_for_no_other(
    tmp_path: Path,
) -> None:
    for before, brought in ((None, [0]), ({f"{KEY}-1": "RUNNING"}, [])):
        jobs, seen = Played(["SUCCEEDED"], before), list[int]()

        def prepare(jobs: Played = jobs, seen: list[int] = seen) -> None:
            seen.append(len(jobs.submitted))

        follow(jobs, lambda jobs=jobs: jobs, asked(KEY, tmp_path, prepare), QUICK)
        assert seen == brought


def test_a_cluster_that_refuses_a_job_says_why(tmp_path: Path) -> None:
    class Full(Played):
        def submit_job(self, **given: Any) -> str:
            raise RuntimeError("status code 500: no room")

    with pytest.raises(ValueError, match="the cluster takes no job: status code 500: no room"):
        followed(Full(["RUNNING"]), tmp_path)


def test_a_token_that_lies_there_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "x")  # so that it is put back after the test
        monkeypatch.delenv(name)
    accept_token()
    assert "RAY_AUTH_MODE" not in os.environ
    (tmp_path / "token").write_text("secret")
    accept_token()
    assert os.environ["RAY_AUTH_MODE"] == "token"


def test_nobody_at_the_address_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with socket.socket() as held:  # bound, so that nobody else takes it meanwhile
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        for scheme in ("", "http://", "https://", "ray://"):
            with pytest.raises(ValueError, match="nobody listens there"):
                connect(f"{scheme}{address}")


def test_a_head_that_just_started_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = Played(["SUCCEEDED"], refuses=[NO_AGENT, NO_AGENT])
    assert followed(jobs, tmp_path).status == "SUCCEEDED"
    assert capsys.readouterr().out.count("takes no job yet; waiting for it") == 1
    assert [given["submission_id"] for given in jobs.submitted] == [f"{KEY}-1"]


@pytest.mark.parametrize(
    ("error", "said"), [(NO_AGENT, "--dashboard-agent-listen-port=PORT"), ("full", "full$")]
)
def test_a_head_that_takes_no_job_is_told(error: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^{KEY}-1: the cluster takes no job: .*{said}"):
        followed(Played(["SUCCEEDED"], refuses=[error]), tmp_path, agent_s=0.0)


def test_a_job_that_does_not_begin_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = ["PENDING", "PENDING", "PENDING", "RUNNING", "SUCCEEDED"]
    for waits_s, times in ((0.0, 1), (60.0, 0)):
        followed(Played(list(states)), tmp_path, waits_s=waits_s)
        assert capsys.readouterr().out.count("RAY_JOB_START_TIMEOUT_SECONDS") == times
