"""Smoothing: jitter falls by what is claimed, delay is as its formula says, nothing is made up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from data.ground.sample import Pose
from pipelines.motion.smoothing import BETA, CUTOFF, Smoother

FPS = 25.0
SIZE = 200.0
LIMB = 3  # the keypoint that moves against the others
BODY = np.array([[0, 0], [60, 200], [30, 90], [10, 50], [50, 50], [0, 120], [55, 120], [20, 190.0]])
STILL = [BODY] * 400


def pose_of(points: np.ndarray, scores: np.ndarray | None = None, person: int = 1) -> Pose:
    return Pose(points, np.full(len(points), 2), id=person, keypoint_scores=scores)


def smoothed(frames: Iterable[np.ndarray], fps: float = FPS, **options: float) -> np.ndarray:
    smoother = Smoother(**options)
    shown = [smoother([pose_of(points)], n / fps) for n, points in enumerate(frames)]
    return np.stack([poses[0].keypoints_image for poses in shown])


def moving(speed: float, fps: float = FPS) -> np.ndarray:
    """A limb straight on at `speed` sizes a second, across its body that rests."""
    given = np.stack([BODY] * int(fps / max(speed, 0.25)))
    given[:, LIMB, 0] = 30 - SIZE / 2 + np.arange(len(given)) * speed * SIZE / fps
    return given


def noisy(frames: Iterable[np.ndarray], pixels: float) -> np.ndarray:
    frames = np.stack(list(frames))
    return np.asarray(frames + np.random.default_rng(1).normal(0, pixels, frames.shape))


def test_jitter_of_two_pixels_falls_by_more_than_two_from_frame_to_frame_and_a_half_in_all() -> (
    None
):
    given = noisy(STILL, 2.0)
    shown = smoothed(given)
    settled = slice(50, None)
    assert np.diff(shown[settled], axis=0).std() < np.diff(given[settled], axis=0).std() / 2
    assert (shown[settled] - BODY).std() < 2.0 / 1.5


@pytest.mark.parametrize("speed", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("fps", [12.5, 25.0, 60.0])
def test_a_limb_is_late_by_the_formula_and_never_by_two_hundredths_of_the_size(
    speed: float, fps: float
) -> None:
    given = moving(speed, fps)
    lag = (given - smoothed(given, fps))[-1, LIMB, 0]
    assert lag / (speed * SIZE) == pytest.approx(
        1 / (2 * np.pi * (CUTOFF + BETA * speed)), rel=0.02
    )
    assert lag < 0.02 * SIZE


@pytest.mark.parametrize("start", [0, 25])
def test_a_body_that_goes_is_shown_at_once(start: int) -> None:
    """However fast, and from rest: a pan of the camera costs no delay."""
    way = np.maximum(np.arange(50) - start, 0)[:, None, None] * np.array([9.0, -4.0])
    np.testing.assert_allclose(smoothed(BODY + way), BODY + way)


def test_a_limb_that_starts_at_once_is_late_by_less_than_a_frame() -> None:
    given = moving(1.0)
    given = np.concatenate([given[:1]] * 25 + [given])
    lag = np.abs(given - smoothed(given))[:, LIMB, 0]
    assert lag.max() < 1.0 * SIZE / FPS


def test_a_limb_that_jumps_is_followed_by_nine_tenths_within_three_frames() -> None:
    there = BODY.copy()
    there[LIMB, 0] += SIZE / 4
    shown = (smoothed([*STILL[:25], *[there] * 10])[25:, LIMB, 0] - BODY[LIMB, 0]) / (SIZE / 4)
    assert (np.diff(shown) > 0).all()
    assert shown[2] > 0.9 and shown.max() < 1.0


def test_people_of_any_size_are_smoothed_alike() -> None:
    given = noisy(moving(0.5), 2.0)
    assert smoothed(given * 8.0) == pytest.approx(smoothed(given) * 8.0)


def test_a_plain_low_pass_where_speed_opens_nothing() -> None:
    given = moving(0.2)
    lag = (given - smoothed(given, beta=0.0, cutoff=2.0))[-1, LIMB, 0]
    assert lag / (0.2 * SIZE) == pytest.approx(1 / (2 * np.pi * 2.0), rel=0.01)


def test_a_body_of_few_keypoints_is_smoothed_as_one_euro_has_it() -> None:
    given = BODY[:4] + np.arange(100)[:, None, None] * np.array([0.4 * SIZE / FPS, 0.0])
    lag = (given - smoothed(given))[-1, :, 0] / (0.4 * SIZE)
    assert lag == pytest.approx(1 / (2 * np.pi * (CUTOFF + BETA * 0.4)), rel=0.02)


@pytest.mark.parametrize("gone", ["absent", "score 0", "no number"])
def test_a_keypoint_that_is_not_seen_pulls_nothing_and_stays_as_it_is(gone: str) -> None:
    smoother, ones = Smoother(), np.ones(len(BODY))
    for n in range(25):
        smoother([pose_of(BODY, ones)], n / FPS)
    far = BODY.copy()
    far[LIMB] = np.nan if gone == "no number" else 1e6
    pose = pose_of(far, np.where(np.arange(len(BODY)) == LIMB, float(gone != "score 0"), 1.0))
    if gone == "absent":
        pose = replace(pose, visibility=np.where(np.arange(len(BODY)) == LIMB, 0, 2))
    (shown,) = smoother([pose], 25 / FPS)
    np.testing.assert_array_equal(shown.keypoints_image, far)
    (after,) = smoother([pose_of(BODY, ones)], 26 / FPS)
    np.testing.assert_allclose(after.keypoints_image, BODY)


def test_a_keypoint_less_sure_than_usual_pulls_less() -> None:
    shown = {}
    for score in (0.8, 0.2):
        smoother, usual = Smoother(), np.full(len(BODY), 0.8)
        for n in range(50):
            smoother([pose_of(BODY, usual)], n / FPS)
        moved, scores = BODY.copy(), usual.copy()
        moved[LIMB, 0] += 20.0
        scores[LIMB] = score
        shown[score] = smoother([pose_of(moved, scores)], 50 / FPS)[0].keypoints_image - BODY
    assert shown[0.2][LIMB, 0] < shown[0.8][LIMB, 0] / 3
    others = np.arange(len(BODY)) != LIMB
    np.testing.assert_array_equal(shown[0.2][others], shown[0.8][others])


@pytest.mark.parametrize("seconds", [5.0, -1.0], ids=["away", "back"])
def test_whoever_was_away_long_or_before_starts_anew(seconds: float) -> None:
    smoother = Smoother()
    smoother([pose_of(BODY)], 0.0)
    (shown,) = smoother([pose_of(BODY + 50.0)], seconds)
    np.testing.assert_array_equal(shown.keypoints_image, BODY + 50.0)


def test_a_keypoint_that_comes_back_late_starts_anew_and_its_body_goes_on() -> None:
    smoother, limb = Smoother(), np.arange(len(BODY)) == LIMB
    for n in range(26):
        pose = pose_of(BODY)
        (shown,) = smoother([replace(pose, visibility=2 - 2 * limb) if n > 10 else pose], n / FPS)
    back = BODY + 9.0 * (limb | (np.arange(len(BODY)) == 0))[:, None]
    (shown,) = smoother([pose_of(back)], 26 / FPS)
    np.testing.assert_array_equal(shown.keypoints_image[limb], back[limb])
    assert (shown.keypoints_image[0] < back[0] - 1).all()


def test_time_that_stands_still_moves_nothing_and_unequal_steps_none_the_worse() -> None:
    smoother = Smoother()
    smoother([pose_of(BODY)], 1.0)
    moved = BODY + 9.0 * (np.arange(len(BODY)) == LIMB)[:, None]
    (shown,) = smoother([pose_of(moved)], 1.0)
    np.testing.assert_allclose(shown.keypoints_image, BODY)
    rng = np.random.default_rng(2)
    for seconds in 1.0 + np.cumsum(rng.uniform(0, 0.1, 50)):
        (shown,) = smoother([pose_of(BODY + rng.normal(0, 2, BODY.shape))], float(seconds))
        assert np.abs(shown.keypoints_image - BODY).max() < 8.0


def test_people_do_not_pull_on_one_another_and_nobody_is_not_smoothed() -> None:
    smoother = Smoother()
    for n in range(10):
        poses = [pose_of(BODY), pose_of(BODY + 300.0, person=2), pose_of(BODY + n * 90.0, person=0)]
        shown = smoother(poses[:: 1 if n % 2 else -1], n / FPS)
        by_id = {pose.id: pose.keypoints_image for pose in shown}
        np.testing.assert_allclose(by_id[1], BODY)
        np.testing.assert_allclose(by_id[2], BODY + 300.0)
        np.testing.assert_array_equal(by_id[0], BODY + n * 90.0)


@pytest.mark.parametrize("given", [{"cutoff": 0.0}, {"cutoff": np.nan}, {"beta": -1.0}])
def test_strange_settings_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(given))}: given .*, accepted: "):
        Smoother(**given)
