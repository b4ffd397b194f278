"""A skeleton from labels: pairs and halves by names, limbs and sigmas by what is known, a file.

What the labels tell is taken; the rest is guessed and said so in the file, which is the user's.
Sigmas: a keypoint that a skeleton here names has its sigma (COCO's, measured on people labelled by
several); any other `SIGMA`, in the middle of COCO's by ratio: sqrt(0.025 x 0.107) = 0.052, between
its sharpest keypoint, an eye, and its vaguest, a hip. Halves: by words of the names, else by the
mean height in the boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.datasets.formats.labels import Labels
from data.ground.skeleton import Skeleton
from pipelines.survey.counts import box_of, people_of
from pipelines.survey.flow import flow
from pipelines.survey.spellings import half_of, known_name, known_sigmas, known_skeletons, pairs_of

SIGMA = 0.05
WIDTH = 100  # of a line of the file


@dataclass(frozen=True)
class Guess:
    """A skeleton, and where its parts are from, a short phrase each."""

    skeleton: Skeleton
    limbs: str
    mirrored: str
    sigmas: str
    upper_body: str


def guess_skeleton(name: str, labels: Labels) -> Guess:
    """The skeleton `name` of these labels' keypoints, in their order and under their names."""
    keypoints = labels.keypoints
    places = mean_places(labels)
    pairs = labels.mirrored or pairs_of(keypoints)
    limbs, whence = _limbs(labels, places)
    sigmas, known = _sigmas(keypoints)
    upper, by = _upper(keypoints, places)
    skeleton = Skeleton(name, keypoints, limbs, pairs, sigmas, upper)
    return Guess(
        skeleton,
        limbs=whence,
        mirrored="from the labels" if labels.mirrored else "guessed from the names",
        sigmas=f"{known} by their names, as measured for COCO; the others the default {SIGMA}",
        upper_body=by,
    )


def mean_places(labels: Labels) -> np.ndarray:
    """[K, 2]: where each keypoint lies in its box on average, (0, 0) to (1, 1); nan: nowhere."""
    total = np.zeros((len(labels.keypoints), 2))
    times = np.zeros((len(labels.keypoints), 1))
    for _, person in people_of(labels):
        box = box_of(person)
        if box is not None and box[2] > 0 and box[3] > 0:
            labelled = (person.visibility > 0)[:, None]
            place = (person.keypoints_image - np.array(box[:2])) / np.array(box[2:])
            total += np.where(labelled, place, 0)
            times += labelled
    with np.errstate(invalid="ignore"):
        return np.asarray(total / times)


def _limbs(labels: Labels, places: np.ndarray) -> tuple[tuple[tuple[str, str], ...], str]:
    if labels.limbs:
        return labels.limbs, "from the labels"
    ours = {known: own for own in labels.keypoints if (known := _known(own)) is not None}
    for skeleton in known_skeletons():  # the first whose limbs join all of them
        limbs = [(ours[a], ours[b]) for a, b in skeleton.limbs if {a, b} <= set(ours)]
        if len(ours) == len(labels.keypoints) and len(limbs) >= len(ours) - 1:
            return tuple(limbs), "guessed from the names"
    return _shortest_tree(labels.keypoints, places), "guessed: the shortest tree of mean places"


def _shortest_tree(names: tuple[str, ...], places: np.ndarray) -> tuple[tuple[str, str], ...]:
    """Limbs that join all keypoints that are anywhere, as short as can be (Prim)."""
    left = [n for n in range(len(names)) if np.isfinite(places[n]).all()]
    joined, limbs = left[:1], []
    left = left[1:]
    while left:
        far = np.linalg.norm(places[joined][:, None] - places[left][None], axis=-1)
        a, b = np.unravel_index(int(far.argmin()), far.shape)
        limbs.append((names[joined[a]], names[left[b]]))
        joined.append(left.pop(int(b)))
    return tuple(limbs)


def _known(name: str) -> str | None:
    return known_name(name, list(known_sigmas()))


def _sigmas(names: tuple[str, ...]) -> tuple[tuple[float, ...], int]:
    """Of each keypoint, and how many of them are known."""
    known = known_sigmas()
    found = [_known(name) for name in names]
    return tuple(SIGMA if n is None else known[n] for n in found), sum(n is not None for n in found)


def _upper(names: tuple[str, ...], places: np.ndarray) -> tuple[tuple[str, ...], str]:
    halves = [half_of(name) for name in names]
    if None not in halves:
        return tuple(name for name, upper in zip(names, halves, strict=True) if upper), "by name"
    high = [bool(place[1] < 0.5) for place in places]  # nan: no
    upper = [high[n] if half is None else half for n, half in enumerate(halves)]
    by = "by name where it tells, else by the mean height in the boxes"
    return tuple(name for name, up in zip(names, upper, strict=True) if up), by


def skeleton_text(guess: Guess, reference: str = "") -> str:
    """The file data/skeletons/NAME.yaml: flow lists of names, each with where it is from.

    reference: a line of it, as it is to stand there ("": none).
    """
    skeleton = guess.skeleton
    pairs = [flow(pair) for pair in skeleton.mirrored]
    lines = [
        f"# The skeleton {skeleton.name}: look it through, and correct what was guessed.",
        *_listed("keypoints", map(flow, skeleton.keypoints), "in the order of the labels"),
        *_listed("limbs", map(flow, skeleton.limbs), guess.limbs),
        *_listed("mirrored", pairs, f"[left, right], {guess.mirrored}"),
        *_listed("sigmas", map(str, skeleton.sigmas), f"of OKS: {guess.sigmas}"),
        *_listed("upper_body", map(flow, skeleton.upper_body), guess.upper_body),
    ]
    return "\n".join([*lines, *filter(None, [reference])]) + "\n"


def _listed(key: str, values: object, about: str) -> list[str]:
    """`key: [  # about`, values in lines of at most WIDTH, `]`."""
    rows = [""]
    for value in list(values):  # type: ignore[call-overload]
        if rows[-1] and len(rows[-1]) + len(value) + 5 > WIDTH:
            rows.append("")
        rows[-1] += f" {value}," if rows[-1] else f"{value},"
    if rows == [""]:
        return [f"{key}: []  # {about}"]
    return [f"{key}: [  # {about}", *(f"  {row}" for row in rows), "]"]
