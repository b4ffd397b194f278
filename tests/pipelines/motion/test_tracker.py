"""Ids stay with people: through noise, gaps, crossings and strange times; and are nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from data.datasets.sources.stick_clip import stick_clip
from data.ground.sample import box_around
from data.ground.skeleton import Skeleton, load_skeleton, skeleton_names
from pipelines.motion.tracker import Tracker
from tests.worlds.identities import identities
from tests.worlds.skeletons import ODD
from tests.worlds.walkers import FPS, Frames, Walker, spoiled, walk

COCO = load_skeleton("coco")
SIZE = (320, 240)
CROSSING = [
    Walker((50, 100), (160, 10)),
    Walker((500, 110), (-150, 0), size=140),
    Walker((250, 250), (20, -5), size=160),
    Walker((20, 320), (200, 0), frames=(0, 60)),
    Walker((600, 330), (-190, 5), size=110, frames=(25, 75)),
]
ALONE = [Walker((100, 100), (100, 0))]


def tracked(
    frames: Frames, skeleton: Skeleton = COCO, fps: float = FPS, patience: float = 1.0
) -> Frames:
    tracker = Tracker(skeleton.sigmas, patience=patience)
    return [tracker.update(poses, n / fps) for n, poses in enumerate(frames)]


def ids_of(frames: Frames) -> list[list[int]]:
    return [[pose.id for pose in poses] for poses in frames]


def drawn_truth(seed: int) -> Frames:
    """Of whom three keypoints are in the picture: who only shows a hand cannot be told."""
    clip = (poses for _, poses in stick_clip(seed=seed, size=SIZE))
    return [[pose for pose in poses if (pose.visibility > 0).sum() > 2] for poses in clip]


def by_place(frames: Frames) -> Frames:
    """A tracker that is none: ids from left to right."""
    ordered = (sorted(poses, key=lambda pose: pose.box_image[0]) for poses in frames)
    return [[replace(pose, id=n + 1) for n, pose in enumerate(poses)] for poses in ordered]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_people_of_the_drawn_clip_keep_their_ids(seed: int) -> None:
    """Keypoints astray by 1.5 % of the height, 15 % of them and 2 % of people not found, a false
    person in every third frame, in any order."""
    truth = drawn_truth(seed)
    found = spoiled(truth, seed, lost=0.02, size=SIZE)
    assert identities(truth, tracked(found)).idf1 >= 0.95
    assert identities(truth, by_place(found)).idf1 < 0.8


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("skeleton", [*skeleton_names(), "pair", "tool", "dot", "halves"])
def test_people_who_cross_keep_their_ids_in_any_skeleton(skeleton: str, seed: int) -> None:
    asked = ODD[skeleton] if skeleton in ODD else load_skeleton(skeleton)
    truth = walk(CROSSING, 75, len(asked.keypoints))
    result = identities(truth, tracked(spoiled(truth, seed, lost=0.02, false=0.0), asked))
    assert result.idf1 >= 0.95
    assert result.switches <= 1


@pytest.mark.parametrize(("away", "back"), [(0.8, True), (1.3, False)])
def test_who_comes_back_within_patience_is_the_same_and_later_is_another(
    away: float, back: bool
) -> None:
    truth = walk(ALONE, 75)
    gone = range(20, 20 + round(away * FPS))
    found = tracked([[] if n in gone else poses for n, poses in enumerate(truth)])
    assert found[0][0].id == 1
    assert {poses[0].id for poses in found[gone.stop :]} == ({1} if back else {2})


def test_patience_is_time_and_no_number_of_frames() -> None:
    for fps in (10.0, 50.0):
        truth = walk(ALONE, round(3 * fps), fps=fps)
        start, stop = round(fps), round(1.8 * fps)
        found = [[] if start <= n < stop else poses for n, poses in enumerate(truth)]
        for patience, last in ((1.0, 1), (0.5, 2)):
            assert tracked(found, fps=fps, patience=patience)[-1][0].id == last


def test_frames_rarer_than_patience_do_not_part_people_from_their_ids() -> None:
    truth = walk([Walker((100, 100), (10, 0)), Walker((400, 100), (-5, 0))], 12, fps=0.5)
    assert ids_of(tracked(truth, fps=0.5)) == [[1, 2]] * 12


def test_a_long_silence_is_a_cut() -> None:
    tracker, (poses, *_) = Tracker(COCO.sigmas), walk(ALONE, 1)
    for n in range(10):
        tracker.update(poses, n / FPS)
    assert [pose.id for pose in tracker.update(poses, 60.0)] == [2]


@pytest.mark.parametrize(
    "clock", [lambda n: 7.0, lambda n: -n / FPS, lambda n: (n % 10) / FPS, lambda n: float("nan")],
    ids=["stands", "goes back", "begins again", "is no number"],
)  # fmt: skip
def test_a_clock_that_is_wrong_costs_nobody_who_stays(clock: Callable[[int], float]) -> None:
    truth = walk([Walker((100, 100), (20, 0)), Walker((400, 100), (-20, 0))], 40)
    tracker = Tracker(COCO.sigmas)
    assert ids_of([tracker.update(p, clock(n)) for n, p in enumerate(truth)]) == [[1, 2]] * 40


def test_steps_of_any_length_keep_ids_through_a_crossing() -> None:
    rng = np.random.default_rng(5)
    chosen = np.sort(rng.choice(150, 60, replace=False)).tolist()
    truth = walk(CROSSING[:3], 150, fps=50.0)
    tracker = Tracker(COCO.sigmas)
    found = [tracker.update(truth[n], n / 50) for n in chosen]
    assert identities([truth[n] for n in chosen], found) == (1.0, 0)


def test_a_camera_that_shakes_parts_nobody_from_their_id() -> None:
    """Everyone jumps by up to a third of their height, together, from frame to frame."""
    rng, many = np.random.default_rng(4), [Walker((40 * n, 50), (20, 5), 50) for n in range(9)]
    shaken = []
    for poses in walk(many, 50, fps=12.5):
        way = rng.choice([-1, 1], 2) * rng.uniform(5, 8, 2)
        points = [pose.keypoints_image + way for pose in poses]
        at = zip(poses, points, map(box_around, points), strict=True)
        shaken.append([replace(p, keypoints_image=k, box_image=b) for p, k, b in at])
    assert identities(shaken, tracked(shaken, fps=12.5)) == (1.0, 0)


def test_unsure_poses_start_nobody_and_go_on_with_somebody() -> None:
    truth = walk([*ALONE, Walker((400, 100), (0, 0))], 20)
    unsure = [[poses[0], replace(poses[1], score=0.2)] for poses in truth]
    assert ids_of(tracked(unsure)) == [[1, 0]] * 20
    later = [poses if n < 10 else unsure[n] for n, poses in enumerate(truth)]
    assert ids_of(tracked(later)) == [[1, 2]] * 20


@pytest.mark.parametrize("score", [0.9, 0.2])
def test_a_person_found_twice_is_one_person(score: float) -> None:
    truth = walk(ALONE, 20)
    twice = [[*poses, replace(poses[0], score=score)] for poses in truth]
    assert ids_of(tracked(twice)) == [[1, 0]] * 20


def test_ids_are_never_given_again_and_order_and_poses_stay() -> None:
    truth = walk(ALONE, 160)
    found = tracked([poses if n % 40 < 10 else [] for n, poses in enumerate(truth)])
    assert ids_of(found) == [[1 + n // 40] if n % 40 < 10 else [] for n in range(160)]
    for poses, (pose,) in zip(found, truth, strict=True):
        assert [replace(each, id=1) for each in poses] in ([], [pose])


def test_hundred_people_keep_their_ids() -> None:
    walkers = [Walker((60 * (n % 10), 60 * (n // 10)), (30, 10), size=50) for n in range(100)]
    truth = walk(walkers, 8)
    rng = np.random.default_rng(0)
    mixed = [[poses[row] for row in rng.permutation(100)] for poses in truth]
    assert identities(truth, tracked(mixed)) == (1.0, 0)


@pytest.mark.filterwarnings("error")
def test_what_is_no_number_is_nobody_and_harms_nobody() -> None:
    (pose,), *_ = walk(ALONE, 1)
    strange = [
        replace(pose, keypoints_image=np.full((17, 2), np.nan), score=np.nan),
        replace(pose, keypoints_image=np.full((17, 2), np.inf), box_image=(np.nan,) * 4),
        replace(pose, visibility=np.zeros(17, int), box_image=(0.0, 0.0, -5.0, 0.0)),
        replace(pose, keypoint_scores=np.full(17, np.nan), score=np.inf),
        replace(pose, keypoints_image=np.zeros((17, 2)), box_image=(0.0,) * 4),
    ]
    tracker = Tracker(COCO.sigmas)
    for n in range(5):
        ids = [each.id for each in tracker.update([*strange, pose], n / FPS)]
        assert ids[:4] == [0] * 4 and ids[5] > 0
        boxes, scores = tracker.expected((n + 1) / FPS)
        assert np.isfinite(boxes).all() and np.isfinite(scores).all()


def test_expected_boxes_hold_people_where_they_will_be() -> None:
    truth = walk(CROSSING[:3], 30)
    tracker = Tracker(COCO.sigmas)
    assert [part.shape for part in tracker.expected(0.0)] == [(0, 4), (0,)]
    for n, poses in enumerate(truth[:25]):
        tracker.update(poses, n / FPS)
    boxes, scores = tracker.expected(29 / FPS)
    assert scores == pytest.approx([1.0] * 3)
    for box, pose in zip(boxes, truth[29], strict=True):
        low, high = pose.keypoints_image.min(axis=0), pose.keypoints_image.max(axis=0)
        margin = 0.15 * (high - low).mean()
        assert box[:2] == pytest.approx(low - margin, abs=12)
        assert box[:2] + box[2:] == pytest.approx(high + margin, abs=12)
    tracker.update(truth[25][:2], 25 / FPS)
    assert len(tracker.expected(26 / FPS)[0]) == 2  # who was not in the last frame is not in sight


def test_scores_of_boxes_do_not_fade_over_frames_read_from_them() -> None:
    """A pose's score is its box's times the mean of its keypoints' above some threshold."""
    truth, tracker = walk(ALONE, 30), Tracker(COCO.sigmas)
    scores = np.array([0.6] * 12 + [0.17] * 5)
    told = []
    for n, (pose,) in enumerate(truth):
        box_score = tracker.expected(n / FPS)[1][0] if n else 0.4
        read = replace(pose, keypoint_scores=scores, score=0.6 * box_score)
        tracker.update([read], n / FPS)
        told.append(box_score)
    assert len(set(told[1:])) == 1
    assert told[-1] == pytest.approx(0.4, abs=0.15)
    lower = replace(truth[-1][0], keypoint_scores=scores, score=0.6 * 0.2)
    tracker.update([lower], 2.0)  # in a detector's box again
    assert tracker.expected(2.04)[1][0] == pytest.approx(told[-1] / 2, abs=0.02)


def test_no_patience_is_refused() -> None:
    with pytest.raises(ValueError, match="patience: given 0, accepted: seconds above 0"):
        Tracker(COCO.sigmas, patience=0)
