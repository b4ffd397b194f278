"""People in videos: what `detect_every`, smoothing and batches cost and give.

    python -m benchmarks.video [--data FOLDER] [--clips 6] [--frames 50] [--recipes [RECIPE ...]]

FOLDER (else $LIMBER_REAL_DATA) has coco_mini and weights: NanoDet finds people, MoveNet Thunder
reads poses, in windows of 640x480 that pan and zoom over real photos, whose truth moves along.
Without it that part is left out. One core, CPU time: frames/s are those of that core. AP: COCO's
over all frames; IDF1, switches: whether ids stay; jitter: by how many pixels what is wrong of a
seen keypoint changes from frame to frame (root of the mean square). Batches: networks of random
weights, three drawn people a frame in boxes that are given.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.panned_clips import FPS, write_clips
from data.ground.sample import Pose
from data.ground.skeleton import load_skeleton
from pipelines.evaluation.scoring import score_poses
from pipelines.media.drawn_clip import draw_clip
from pipelines.media.sources import open_sources
from pipelines.motion.likeness import box_iou
from pipelines.prediction.api import Predictor
from pipelines.prediction.best_weights import BestWeights
from pipelines.prediction.frames import Seen, watch
from pipelines.prediction.reader import People
from pipelines.recipe.build import build_architecture
from pipelines.recipe.reader import load_recipe
from pipelines.report.markdown import markdown_table
from tests.worlds.identities import identities
from tests.worlds.sidecars import MOVENET_THUNDER

Clips = Mapping[str, list[list[Pose]]]  # path -> poses of each frame
COCO = load_skeleton("coco")
MOST = 16  # frames for the batches: two of them


def read_clips(predictor: Predictor, paths: Sequence[str]) -> tuple[Clips, float]:
    """(what is found in each, CPU seconds)."""
    started = time.process_time()
    found: dict[str, list[list[Pose]]] = {path: [] for path in paths}
    for path in paths:
        for event in watch(open_sources([path]), predictor.reader, predictor.looking):
            if isinstance(event, Seen):
                found[path].append(event.poses)
    return found, time.process_time() - started


def average_precision(truth: Clips, found: Clips) -> float:
    frames = [(true, ours) for path in truth
              for true, ours in zip(truth[path], found[path], strict=True)]  # fmt: skip
    true, ours = ({n: pair[side] for n, pair in enumerate(frames)} for side in (0, 1))
    return float(score_poses("oks", COCO, ours, true).result()["AP"])


def ids_kept(truth: Clips, found: Clips) -> tuple[float, int]:
    """(mean IDF1 of the clips, switches); who is to be ignored counts neither way."""
    each = []
    for path in truth:
        pairs = [_counted(*pair) for pair in zip(truth[path], found[path], strict=True)]
        each.append(identities([true for true, _ in pairs], [ours for _, ours in pairs]))
    return float(np.mean([one.idf1 for one in each])), sum(one.switches for one in each)


def _counted(true: list[Pose], ours: list[Pose]) -> tuple[list[Pose], list[Pose]]:
    wanted = [pose for pose in true if pose.counted_keypoints and not pose.is_crowd]
    iou = _iou(wanted, ours).max(axis=0, initial=0.0) if ours else np.zeros(0)
    others = [pose for pose in true if pose.is_crowd or not pose.counted_keypoints]
    theirs = _iou(others, ours).max(axis=0, initial=0.0) if ours else np.zeros(0)
    return wanted, [p for p, a, b in zip(ours, iou, theirs, strict=True) if a >= 0.5 or b < 0.3]


def _iou(poses: Sequence[Pose], others: Sequence[Pose]) -> np.ndarray:
    one, other = (
        np.array([pose.box_image for pose in each], dtype=np.float64).reshape(-1, 4)
        for each in (poses, others)
    )
    return box_iou(np.maximum(one, 1e-9), other)


def jitter(truth: Clips, found: Clips) -> float:
    """Pixels: of keypoints seen in two frames running, of the pose of the same id."""
    changes = []
    for path in truth:
        before: dict[tuple[int, int], np.ndarray] = {}
        for true, ours in zip(truth[path], found[path], strict=True):
            now = {}
            iou = _iou(true, ours)
            for row, pose in enumerate(true):
                if not ours or iou[row].max() < 0.5 or not pose.counted_keypoints:
                    continue
                best = ours[int(iou[row].argmax())]
                wrong = best.keypoints_image - pose.keypoints_image
                now[pose.id, best.id] = np.where((pose.visibility == 2)[:, None], wrong, np.nan)
            changes += [now[key] - before[key] for key in now.keys() & before.keys()]
            before = now
    return float(np.sqrt(np.nanmean(np.square(np.concatenate(changes)).sum(axis=1))))


def trade(data: Path, folder: Path, clips: int, frames: int) -> str:
    """The table of detect_every and smoothing."""
    network = folder / "movenet-thunder.onnx"
    network.write_bytes((data / "weights" / network.name).read_bytes())
    network.with_suffix(".yaml").write_text(MOVENET_THUNDER)
    truth = write_clips(data / "coco_mini", folder, clips, frames)
    rows = []
    for every, smooth in ((1, False), (2, False), (5, False), (10, False), (1, True), (5, True)):
        detector = str(data / "weights" / "nanodet.onnx")
        predictor = Predictor(str(network), detector=detector, detect_every=every, smooth=smooth)
        found, seconds = read_clips(predictor, list(truth))
        idf1, switches = ids_kept(truth, found)
        rows.append([str(every), "on" if smooth else "off",
                     f"{average_precision(truth, found):.3f}",
                     f"{sum(map(len, truth.values())) / seconds:.2f}", f"{idf1:.3f}",
                     str(switches), f"{jitter(truth, found):.2f}"])  # fmt: skip
    head = ["detect every", "smoothing", "AP", "frames/s", "IDF1", "switches", "jitter, pixels"]
    return markdown_table(head, rows)


def batches(folder: Path, names: Sequence[str], frames: int, rounds: int) -> str:
    """The table of frames at once: ms a frame, the least of the rounds, both taking turns."""
    clip = folder / "drawn.mp4"
    truth = draw_clip(clip, seconds=frames / FPS)
    boxes = [np.array([pose.box_image for pose in poses]) for poses in truth]
    rows = []
    for name in names:
        weights = random_weights(name, folder)
        spent: dict[int, list[float]] = {}
        for _ in range(rounds):
            for many in (1, 8):
                predictor = Predictor(str(weights), batch=many, given=lambda _, n: People(
                    boxes[n], np.ones(len(boxes[n]))))  # fmt: skip
                seconds = read_clips(predictor, [str(clip)])[1]
                spent.setdefault(many, []).append(1000 * seconds / len(truth))
        one, eight = min(spent[1]), min(spent[8])
        rows.append([name, f"{one:.1f}", f"{eight:.1f}", f"{one / eight:.2f}"])
    return markdown_table(["recipe", "ms a frame, 1 at once", "8 at once", "ratio"], rows)


def random_weights(name: str, folder: Path) -> Path:
    """A best.pt that was never trained."""
    recipe = load_recipe(name)
    torch.manual_seed(0)
    path = folder / f"{name}.pt"
    state = build_architecture(recipe).state_dict()
    BestWeights(recipe.as_dict(), state, 0, "", "").write(path)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    given = os.environ.get("LIMBER_REAL_DATA")
    parser.add_argument("--data", type=Path, default=Path(given) if given else None)
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--recipes", nargs="*",
                        default=["demo_hrnet", "hrnet_w32_coco_256x192"])  # fmt: skip
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if asked.data is not None:
            print(trade(asked.data, Path(folder), asked.clips, asked.frames), flush=True)
        if asked.recipes:
            print(batches(Path(folder), asked.recipes, min(asked.frames, MOST), asked.rounds))
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    main()
