"""README.md, the table of places: what each flag of a keypoint does at each place, tried there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch

from data.datasets.formats import coco, yolo_pose
from data.datasets.formats.labels import LabelledImage, LabelledPerson, Labels
from data.feeds.image_people import ImagePeople
from data.feeds.person_crops import TopDownDataset
from data.ground.sample import Batch, Output, Pose, Sample, WholeBatch
from data.ground.skeleton import load_skeleton
from data.menus import CODECS, EVALUATORS
from data.views.crop_views import draw_view
from data.views.draws import sample_generator
from data.views.geometry import box_to_view
from data.views.person_views import people_to_view
from data.views.settings import Augmentation
from pipelines.pictures.people import draw_poses, write_picture
from tests.worlds.here import ROOT
from tests.worlds.listed import Listed, pose, write_tables

COCO = load_skeleton("coco")
SIZE, STRIDE = (128, 128), 4
CELL = (12, 20)  # of the keypoint that is looked at: x, y
LOOKED_AT = COCO.keypoints.index("left_knee")


def points(count: int = 17) -> np.ndarray:
    """[K, 2]: all apart, the one that is looked at in CELL."""
    at = np.stack([10.0 + 29 * (np.arange(count) % 4), 6.0 + 24 * (np.arange(count) // 4)], axis=1)
    if count > LOOKED_AT:
        at[LOOKED_AT] = np.array(CELL) * STRIDE
    return at


def flags(v: int, others: int = 2, count: int = 17) -> np.ndarray:
    seen = np.full(count, others)
    seen[min(LOOKED_AT, count - 1)] = v
    return seen


def targets(name: str, v: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    codec = CODECS[name]()
    at, seen = torch.from_numpy(points()).float(), torch.from_numpy(flags(v))
    rest = torch.zeros(1, dtype=torch.long), torch.zeros(1, 2, 3).double()
    images = torch.zeros(1, *SIZE, 3, dtype=torch.uint8)
    batch: Batch | WholeBatch = Batch(images, at[None], seen[None], *rest)
    if codec.whole_image:
        keep = torch.ones(1, SIZE[1] // 2, SIZE[0] // 2, dtype=torch.uint8)
        batch = WholeBatch(images, at[None, None], seen[None, None], keep, *rest)
    outputs = [{field: Output(n, STRIDE) for field, n in codec.channels(COCO).items()}]
    return codec.encode(batch, outputs, SIZE)[0]


def heatmap(name: str) -> Callable[[int], str]:
    def told(v: int) -> str:
        target, weight = targets(name, v)["heatmaps"]
        channel = CODECS[name]().keypoint_channels(COCO)[LOOKED_AT]
        drawn = float(target[0, channel, CELL[1], CELL[0]]) > 0.9
        counts = int(weight.expand_as(target)[0, channel, CELL[1], CELL[0]])
        if not drawn and not counts:
            return "weight 0"
        return f"{'drawn' if drawn else 'background'}, weight {counts}"

    return told


def tag(v: int) -> str:
    cells, _ = targets("associative_embedding", v)["tags"]
    return "tag" if int(cells[0, 0, LOOKED_AT]) == CELL[1] * 32 + CELL[0] else "no tag"


def limbs(v: int) -> str:
    """All 19 limbs, or those that do not end at the knee."""
    (pafs,) = targets("part_affinity_fields", v)["pafs"][0]
    drawn = int((pafs.unflatten(0, (19, 2)).abs().amax((1, 2, 3)) > 0).sum())
    return {19: "drawn", 17: "not drawn"}[drawn]


def half_body(v: int) -> str:
    seen = flags(v, others=0)
    seen[:8] = 2
    view, draws = box_to_view((0, 0, 90, 90), SIZE, False), sample_generator(0, 0, 0)
    always = Augmentation(half_body_probability=1.0, flip_probability=0.0)
    found = draw_view(draws, view, points(), seen, COCO, SIZE, False, always)
    return "counted" if found != view else "not counted"


def mirrored(v: int) -> str:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_picture(root / "0.png", np.zeros((130, 130, 3), np.uint8))
        person = pose(1, (0, 0, 120, 120), points(), flags(v))
        sample = Sample(1, root / "0.png", 130, 130, (person,))
        write_tables(root, Listed([sample], COCO), root, "train")
        flipped = Augmentation(flip_probability=1.0)
        place = root, root, "train", SIZE, COCO
        item = TopDownDataset(*place, aligned=False, augmentation=flipped)[0]
        return str(int(item.visibility[COCO.keypoints.index("right_knee")]))


def around(v: int) -> str:
    seen = flags(v, others=0)
    seen[:4] = 2
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write_picture(root / "0.png", np.zeros((130, 130, 3), np.uint8))
        person = pose(1, (0, 0, 120, 120), points(), seen)
        sample = Sample(1, root / "0.png", 130, 130, (person,))
        write_tables(root, Listed([sample], COCO), root, "train")
        counted = ImagePeople(root, root, "train").counted(np.array([0]))
    boxes = np.array([[0.0, 0, 120, 120]])
    return "counted" if len(people_to_view(counted, np.array([9e3]), boxes)) else "not counted"


def evaluator(name: str) -> Callable[[int], str]:
    """Whether a number falls when the keypoint is found elsewhere."""
    skeleton = load_skeleton({"pckh": "mpii", "crowdpose": "crowdpose"}.get(name, "coco"))
    count = len(skeleton.keypoints)

    def told(v: int) -> str:
        numbers = []
        for by in (0.0, 60.0):
            judge, at = EVALUATORS[name](skeleton), points(count)
            box = (0.0, 0.0, 120.0, 120.0)
            true = Pose(at, flags(v, count=count), box, 6000.0, id=1, head_size=20.0)
            moved = at.copy()
            moved[min(LOOKED_AT, count - 1)] += by
            judge.add(1, [replace(true, keypoints_image=moved)], [true])
            numbers.append(judge.result()[judge.main])
        return "counted" if numbers[1] < 0.99 < numbers[0] else "not counted"

    return told


def picture(v: int) -> str:
    canvas = np.full((400, 400, 3), 255, np.uint8)
    person = Pose(points() * 3, flags(v, others=0), (0.0, 0.0, 390.0, 390.0))
    drawn = draw_poses(canvas, [person], COCO)
    if (drawn == canvas).all():
        return "left out"
    x, y = (points()[LOOKED_AT] * 3).astype(int)
    return "hollow" if (drawn[y, x] == 0).all() else "filled"


def written(v: int) -> Labels:
    person = LabelledPerson(points(), flags(v), (0.0, 0.0, 120.0, 120.0))
    image = LabelledImage("a.png", 130, 130, (person,))
    return Labels("person", COCO.keypoints, (image,), COCO.limbs, COCO.mirrored)


def as_coco(v: int) -> str:
    with TemporaryDirectory() as folder:
        coco.write(written(v), Path(folder) / "a.json")
        rows = json.loads((Path(folder) / "a.json").read_text())["annotations"]
    return str(rows[0]["keypoints"][3 * LOOKED_AT + 2])


def as_yolo(v: int) -> str:
    with TemporaryDirectory() as folder:
        yolo_pose.write(written(v), Path(folder))
        (path,) = Path(folder).rglob("a.txt")
        return path.read_text().split()[5 + 3 * LOOKED_AT + 2]


AE, PAF = "associative_embedding", "part_affinity_fields"
PLACES: dict[str, Callable[[int], str]] = {
    "training, `heatmap` (crops)": heatmap("heatmap"),
    f"training, `{AE}` (whole images): heatmap": heatmap(AE),
    f"training, `{AE}`: tag": tag,
    f"training, `{PAF}` (whole images): heatmap": heatmap(PAF),
    f"training, `{PAF}`: its limbs": limbs,
    "half-body augmentation: among the more than 8 keypoints": half_body,
    "mirrored views: the flag goes along to the other side": mirrored,
    "views around people (`person_crop`): among the 5 keypoints": around,
    **{f"evaluator `{name}`": evaluator(name) for name in EVALUATORS},
    "pictures": picture,
    "export as COCO: flag": as_coco,
    "export as YOLO-pose: flag": as_yolo,
}


def table() -> dict[str, Sequence[str]]:
    text = (ROOT / "README.md").read_text()
    lines = text.split("| place | 0 | 1 | 2 |\n")[1].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows[1:]}


def test_the_page_has_every_place() -> None:
    assert set(table()) == set(PLACES)
    assert {name for name in CODECS if any(f"`{name}`" in row for row in table())} == set(CODECS)


@pytest.mark.parametrize("v", [0, 1, 2])
@pytest.mark.parametrize("name", PLACES)
def test_each_flag_does_what_the_page_says(name: str, v: int) -> None:
    assert PLACES[name](v) == table()[name][v]
