"""Training samples with everyone in sight, file to batch item, ours beside a plain loop: CPU ms.

    python -m benchmarks.whole_image_speed [--images FOLDER] [--rounds 5]

FOLDER has COCO's layout; without it $LIMBER_REAL_DATA/coco_mini, without that drawn people.
Associative embedding: whole images at 512, targets at strides 2 and 4; part affinity fields: views
around a person at 368, targets at stride 8. Plain: `cv2.imread`, `cvtColor`, masks by pycocotools
at the image's size, flips, `warpAffine` of image and masks, to tensor and normalise, NumPy targets
person by person. Ours draws the targets on the device, in batches: beside it, batch 12, on the CPU.
From pieces: of photos in pieces (`regions` of params.yaml), where the view does not see most of it.
One thread, sides taking turns, of five repeats medians over rounds of all samples, with new draws.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pycocotools import mask

from benchmarks.plain_targets import MOST, PAF_SIGMA, SIGMA, plain_limb_targets, plain_tag_targets
from benchmarks.quiet import asked_of_photos, measured, ratios, told, wait_for_quiet
from benchmarks.sample_speed import MEAN, STD
from data.codecs.associative_embedding import AssociativeEmbedding
from data.codecs.part_affinity_fields import PartAffinityFields
from data.datasets.coco import Coco
from data.datasets.stick_figures import draw_split
from data.feeds.person_views import PersonViewDataset
from data.feeds.whole_images import WholeImageDataset, WholeItem, collate_whole
from data.ground.sample import Output, Sample, WholeBatch
from data.ground.skeleton import load_skeleton
from data.views.draws import sample_generator
from data.views.geometry import View, move, view_matrix
from data.views.person_views import draw_person_view
from data.views.settings import PersonCropAugmentation, WholeImageAugmentation
from data.views.whole_views import draw_whole_view
from pipelines.intake.splits import read_split
from pipelines.intake.tables import write_split
from pipelines.intake.tiling import write_tiles
from pipelines.prediction.pixels import normalise

COCO = load_skeleton("coco")

WHOLE = WholeImageAugmentation("whole_image", scale=[0.75, 1.5], rotation=30.0, shift=40.0)
AROUND = PersonCropAugmentation("person_crop")
BATCH, SEED = 12, 1


@dataclass(frozen=True)
class Case:
    """One kind of sample: its sides, codec, and what the plain loop needs to know."""

    name: str
    size: tuple[int, int]
    strides: tuple[int, ...]
    codec: Any
    outputs: list[dict[str, Output]]
    targets: Callable[[np.ndarray, tuple[int, int]], list[np.ndarray]]
    fill: int  # outside the image
    counted: int  # whether losses count there
    reach: float  # ms


@dataclass(frozen=True)
class Row:
    """A sample that both sides can make: where ours has it, what the plain loop reads."""

    dataset: WholeImageDataset
    pieces: WholeImageDataset  # the same, which reads photos in pieces
    place: int
    sample: Sample
    view: Callable[[int], View]  # of an epoch

    def ours(self, epoch: int) -> WholeItem:
        return self.dataset[epoch, self.place]


def people_of(sample: Sample) -> np.ndarray:
    """[N, 17, 3] float64 of the labelled people, at most 30."""
    poses = [p for p in sample.poses if not p.is_crowd and p.visibility.any()][:MOST]
    rows = [np.column_stack([pose.keypoints_image, pose.visibility]) for pose in poses]
    return np.array(rows).reshape(-1, 17, 3)


def plain_mask(sample: Sample) -> np.ndarray:
    """uint8 [H, W]: 1 where a loss counts; every region decoded by itself at full size."""
    covered = np.zeros((sample.height, sample.width), dtype=bool)
    for region in sample.ignore:
        rle = mask.frPyObjects(region, sample.height, sample.width)
        for single in rle if isinstance(rle, list) else [rle]:
            covered |= mask.decode(single) > 0
    return (~covered).astype(np.uint8)


def plain_sample(case: Case, sample: Sample, view: View) -> tuple[np.ndarray, np.ndarray, list]:
    """(crop, float tensor as an array, masks and targets), all on the host."""
    image = cv2.imread(str(sample.image_path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    counted, people, center = plain_mask(sample), people_of(sample), view.center
    if view.flip:
        image, counted = image[:, ::-1], counted[:, ::-1]
        people[..., 0] = image.shape[1] - 1 - people[..., 0]
        people = people[:, COCO.mirror]
        center = (image.shape[1] - 1 - center[0], center[1])
    matrix = view_matrix(View(center, view.size, view.rotation), case.size, aligned=False)
    crop = cv2.warpAffine(image, matrix, case.size, borderValue=(case.fill,) * 3)
    people[..., :2] = move(matrix, people[..., :2])
    made: list[np.ndarray] = []
    for stride in case.strides:
        cells = case.size[0] // stride, case.size[1] // stride
        warped = cv2.warpAffine(np.ascontiguousarray(counted) * 255, matrix / stride, cells,
                                borderValue=255 * case.counted)  # fmt: skip
        made.append((warped > 127).astype(np.float32))
    tensor = torch.from_numpy(crop.transpose(2, 0, 1)).contiguous().to(torch.float32).div(255)
    tensor.sub_(MEAN).div_(STD)
    return crop, tensor.numpy(), made + case.targets(people, case.size)


TAGS = Case(
    "associative embedding", (512, 512), (4, 2), AssociativeEmbedding(sigma=SIGMA),
    [{"heatmaps": Output(17, 4), "tags": Output(17, 4)}, {"heatmaps": Output(17, 2)}],
    plain_tag_targets, 0, 0, 6.0,
)  # fmt: skip
LIMBS = Case(
    "part affinity fields", (368, 368), (8,), PartAffinityFields(sigma=PAF_SIGMA),
    [{"heatmaps": Output(19, 8), "pafs": Output(38, 8)}], plain_limb_targets, 128, 1, 5.0,
)  # fmt: skip


def rows_of(case: Case, raw: Path, tables: Path) -> list[Row]:
    """Every training sample of both splits of a COCO folder; `tables` is filled where empty."""
    found = []
    for split in ("train", "val"):
        if not (tables / split).is_dir():
            write_split(tables / split, read_split(Coco(), "coco", split, raw), COCO)
            write_tiles(tables / "tiles", tables, raw, split)
        samples = {sample.image_id: sample for sample in Coco().samples(raw, split)}
        make = whole_rows if case.codec is TAGS.codec else person_rows
        found += make(case, (tables, raw, split), samples)
    return found


def whole_rows(case: Case, where: tuple, samples: dict[int, Sample]) -> list[Row]:
    dataset, pieces = (
        WholeImageDataset(*where, case.size, COCO, augmentation=WHOLE, seed=SEED, tiles=tiles)
        for tiles in (None, where[0] / "tiles")
    )

    def row_of(place: int) -> Row:
        sample = samples[int(dataset.people.images["image_id"][int(dataset.rows[place])])]
        size = sample.width, sample.height
        draw = lambda e: draw_whole_view(  # noqa: E731
            sample_generator(SEED, e, sample.image_id), size, case.size, WHOLE
        )
        return Row(dataset, pieces, place, sample, draw)

    return [row_of(place) for place in range(len(dataset))]


def person_rows(case: Case, where: tuple, samples: dict[int, Sample]) -> list[Row]:
    dataset, pieces = (
        PersonViewDataset(*where, case.size, COCO, augmentation=AROUND, seed=SEED, tiles=tiles)
        for tiles in (None, where[0] / "tiles")
    )

    def row_of(place: int) -> Row:
        person, persons = int(dataset.rows[place]), dataset.people.persons
        number, box = int(persons["person_id"][person]), persons["box_image"][person]
        draw = lambda e: draw_person_view(  # noqa: E731
            sample_generator(SEED, e, number), box, case.size, AROUND
        )
        return Row(dataset, pieces, place, samples[int(persons["image_id"][person])], draw)

    return [row_of(place) for place in range(len(dataset))]


def check(case: Case, rows: Sequence[Row]) -> tuple[float, float, float]:
    """Ours against plain: mean difference of pixels (of 255), share of masks that differ, largest
    difference of the targets drawn from the same points."""
    pixels, masks, drawn = [], [], 0.0
    for row in rows:
        item = row.ours(1)
        crop, _, made = plain_sample(case, row.sample, row.view(1))
        pixels.append(np.abs(crop.astype(int) - item.image).mean())
        people = np.dstack([item.keypoints_input, item.visibility]).reshape(-1, 17, 3)
        stages = case.codec.encode(collate_whole([item]), case.outputs, case.size)
        theirs = [field for field in case.targets(people, case.size) if field.ndim == 3]
        ours = [stage[name][0][0].numpy() for stage in stages for name in stage if name != "tags"]
        keep = stages[-1]["heatmaps"][1][0, 0].numpy()
        masks.append(float((keep != made[len(case.strides) - 1]).mean()))
        drawn = max(drawn, *(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)))
    return float(np.mean(pixels)), float(np.mean(masks)), drawn


def sides_of(case: Case, rows: Sequence[Row], rounds: int) -> dict[str, Callable[[int], None]]:
    """What is timed, each over as many samples as there are rows."""
    views = {epoch: [row.view(epoch) for row in rows] for epoch in range(rounds + 1)}
    items = [row.ours(1) for row in rows]
    batches = [collate_whole(items[n : n + BATCH]) for n in range(0, len(items), BATCH)]
    people = [np.dstack([i.keypoints_input, i.visibility]).reshape(-1, 17, 3) for i in items]

    def plain(epoch: int) -> None:
        for row, view in zip(rows, views[epoch], strict=True):
            plain_sample(case, row.sample, view)

    def plain_targets(_: int) -> None:
        for each in people:
            case.targets(each, case.size)

    def ours(epoch: int) -> None:
        for row in rows:
            row.ours(epoch)

    def each_batch(work: Callable[[WholeBatch], object]) -> Callable[[int], None]:
        return lambda _: [work(batch) for batch in batches] and None

    def from_pieces(epoch: int) -> None:
        for row in rows:
            row.pieces[epoch, row.place]

    return {
        "plain": plain,
        "of this: targets": plain_targets,
        "ours": ours,
        "ours, from pieces": from_pieces,
        f"device (here: CPU), batch {BATCH}: targets": each_batch(
            lambda batch: case.codec.encode(batch, case.outputs, case.size)
        ),
        f"device (here: CPU), batch {BATCH}: normalise": each_batch(
            lambda batch: normalise(batch.images, "imagenet_rgb")
        ),
    }


def report(case: Case, raw: Path, tables: Path, rounds: int) -> None:
    rows = rows_of(case, raw, tables)
    spent = measured(sides_of(case, rows, rounds), rounds)
    people = sum(len(people_of(row.sample)) for row in rows) / len(rows)
    print(f"{case.name}, {case.size[0]}x{case.size[1]}: {len(rows)} samples, "
          f"{people:.1f} labelled people each, CPU ms per sample")  # fmt: skip
    for name, seconds in spent.items():
        print(f"  {name:44s}{told([1000 * each / len(rows) for each in seconds])}")
    best = min(spent["ours"], spent["ours, from pieces"], key=statistics.median)
    ours, (pixels, masks, drawn) = 1000 * statistics.median(best) / len(rows), check(case, rows)
    print(f"  ratio plain / ours {ratios(spent['plain'], spent['ours'])}, from pieces "
          f"{ratios(spent['plain'], spent['ours, from pieces'])}; reach: {case.reach:g} ms, "
          f"{'met' if ours <= case.reach else 'not met'}")  # fmt: skip
    print(f"  pixels differ by {pixels:.3f} of 255 on average, masks in {masks:.2%} of the cells, "
          f"targets from the same points by at most {drawn:.1e}")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    given = asked_of_photos(__doc__, arguments)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    print(f"OpenCV {cv2.__version__}, torch {torch.__version__}, {wait_for_quiet(given.patience)}")
    with tempfile.TemporaryDirectory() as folder:
        if given.images is None:
            given.images = Path(folder) / "drawn"
            for split, seed in (("train", 1), ("val", 2)):
                draw_split(given.images, split, 12, seed)
        for case in (TAGS, LIMBS):
            tables = Path(folder) / "tables"
            tables.mkdir(exist_ok=True)
            report(case, given.images, tables, given.rounds)


if __name__ == "__main__":
    main()
